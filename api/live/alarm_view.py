"""The view of alarms: the newest event of each alarm and of each incident. Pure; owned by the hub.

Every event carries the whole of what the alarm is after it, and a revision: the greater one is the newer, and
what is known already is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.alarms.state_machine import AlarmState

# Closed ones beyond are in the database only. Each is about a kilobyte.
CLOSED_INCIDENTS_MAX = 5_000


class AlarmView:
    """Takes events in, and drops those that it knows. Holds one event for each alarm that there ever was."""

    def __init__(self) -> None:
        self._alarms: dict[str, AlarmEvent] = {}
        self._incidents: dict[str, IncidentEvent] = {}
        self._of_alarm: dict[str, str] = {}  #: alarm → the incident that told last that it is a member
        self._closed: dict[str, None] = {}  #: closed incidents, the one that closed first first

    def __len__(self) -> int:
        """Return how many alarms there are."""
        return len(self._alarms)

    def alarm(self, id: str) -> AlarmEvent | None:
        """Return an alarm; None when it was never raised."""
        return self._alarms.get(id)

    def alarms(self) -> Iterator[AlarmEvent]:
        """Yield every alarm."""
        yield from self._alarms.values()

    def standing(self) -> Iterator[AlarmEvent]:
        """Yield the alarms that are not normal."""
        return (one for one in self._alarms.values() if one.state != AlarmState.NORMAL)

    def incident(self, id: str) -> IncidentEvent | None:
        """Return an incident; None when it is not in memory."""
        return self._incidents.get(id)

    def open_incidents(self) -> list[IncidentEvent]:
        """Return the incidents that are open, the one that opened last first."""
        found = [one for one in self._incidents.values() if one.open]
        return sorted(found, key=lambda one: (one.opened_time, one.incident), reverse=True)

    def incident_of(self, alarm: str) -> str | None:
        """Return the id of the incident that an alarm is, or was last, a member of."""
        return self._of_alarm.get(alarm)

    def reset(self, alarms: Iterable[AlarmEvent], incidents: Iterable[IncidentEvent]) -> None:
        """Replace everything by what the database knows."""
        for known in (self._alarms, self._incidents, self._of_alarm, self._closed):
            known.clear()
        self.merge(alarms, incidents)

    def merge(self, alarms: Iterable[AlarmEvent], incidents: Iterable[IncidentEvent]) -> list[AlarmEvent]:
        """Take in what the database knows and this view does not; return the alarms that changed."""
        for incident in sorted(incidents, key=lambda one: one.opened_time):
            self.apply_incident(incident)
        return [one for one in alarms if self.apply(one)]

    def apply(self, event: AlarmEvent) -> bool:
        """Take in an event; return whether it was news."""
        known = self._alarms.get(event.alarm)
        if known is not None and event.revision <= known.revision:
            return False
        self._alarms[event.alarm] = event
        return True

    def apply_incident(self, event: IncidentEvent) -> bool:
        """Take in an event of an incident; return whether it was news."""
        known = self._incidents.get(event.incident)
        if known is not None and event.revision <= known.revision:
            return False
        self._incidents[event.incident] = event
        for member in event.members:
            other = self._incidents.get(self._of_alarm.get(member.alarm, ""))
            if other is None or other.opened_time <= event.opened_time:
                self._of_alarm[member.alarm] = event.incident
        self._closed.pop(event.incident, None)
        if not event.open:
            self._closed[event.incident] = None
            while len(self._closed) > CLOSED_INCIDENTS_MAX:
                self._forget(next(iter(self._closed)))
        return True

    def _forget(self, id: str) -> None:
        del self._closed[id]
        for member in self._incidents.pop(id).members:
            if self._of_alarm.get(member.alarm) == id:
                del self._of_alarm[member.alarm]
