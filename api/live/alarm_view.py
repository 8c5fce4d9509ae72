"""The view of alarms: the newest event of each alarm and of each incident. Pure; owned by the hub.

Every event carries the whole of what the alarm is after it, and a revision: the greater one is the newer, and
what is known already is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.alarms.state_machine import AlarmState

# Further closed incidents are only in the database. Each takes about a kilobyte.
CLOSED_INCIDENTS_MAX = 5_000


class AlarmView:
    """Applies events and drops those that it has. Keeps one event for every alarm that was ever raised."""

    def __init__(self) -> None:
        self._alarms: dict[str, AlarmEvent] = {}
        self._incidents: dict[str, IncidentEvent] = {}
        self._of_alarm: dict[str, str] = {}  #: alarm → the last incident that it is a member of
        self._closed: dict[str, None] = {}  #: ids of closed incidents, in the order of closing

    def __len__(self) -> int:
        """Return the number of alarms."""
        return len(self._alarms)

    def alarm(self, id: str) -> AlarmEvent | None:
        """Return an alarm; None when it was never raised."""
        return self._alarms.get(id)

    def alarms(self) -> Iterator[AlarmEvent]:
        """Yield every alarm."""
        yield from self._alarms.values()

    def standing(self) -> Iterator[AlarmEvent]:
        """Yield the alarms that are not normal."""
        return (event for event in self._alarms.values() if event.state != AlarmState.NORMAL)

    def incident(self, id: str) -> IncidentEvent | None:
        """Return an incident; None when it is not in memory."""
        return self._incidents.get(id)

    def open_incidents(self) -> list[IncidentEvent]:
        """Return the open incidents, the latest first."""
        opened = [event for event in self._incidents.values() if event.open]
        return sorted(opened, key=lambda event: (event.opened_time, event.incident), reverse=True)

    def incident_of(self, alarm: str) -> str | None:
        """Return the id of the last incident that an alarm is or was a member of."""
        return self._of_alarm.get(alarm)

    def reset(self, alarms: Iterable[AlarmEvent], incidents: Iterable[IncidentEvent]) -> None:
        """Replace everything by the stored state."""
        for known in (self._alarms, self._incidents, self._of_alarm, self._closed):
            known.clear()
        self.merge(alarms, incidents)

    def merge(self, alarms: Iterable[AlarmEvent], incidents: Iterable[IncidentEvent]) -> list[AlarmEvent]:
        """Add the part of the stored state that is newer than the view; return the alarms that changed."""
        for incident in sorted(incidents, key=lambda incident: incident.opened_time):
            self.apply_incident(incident)
        return [event for event in alarms if self.apply(event)]

    def apply(self, event: AlarmEvent) -> bool:
        """Apply an event; return whether it was new."""
        known = self._alarms.get(event.alarm)
        if known is not None and event.revision <= known.revision:
            return False
        self._alarms[event.alarm] = event
        return True

    def apply_incident(self, event: IncidentEvent) -> bool:
        """Apply an event of an incident; return whether it was new."""
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
