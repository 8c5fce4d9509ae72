"""Incidents: active alarms of one cause in one area, which people are notified of once."""

from __future__ import annotations

import msgspec

from twin.alarms.alarm import StreamTime
from twin.alarms.messages import IncidentEvent, IncidentMember, IncidentMemberUpdate
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState
from twin.instant import MINUTE, Duration, Instant

REOPEN_WITHIN: Duration = 15 * MINUTE
"""An incident that comes back within this time is reopened. Our choice: the time to go and look."""

MEMBERS_MAX = 1_000
"""Alarms in one incident; beyond that, those that returned first are dropped, then no more are added."""

_OPEN_STATES = frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED})


def incident_id(cause: str, area: str, number: int) -> str:
    """Return the id of an incident.

    >>> incident_id("high-water", "alkmaar", 3)
    'high-water~alkmaar~3'
    """
    return f"{cause}~{area}~{number}"


def keeps_open(member: IncidentMember) -> bool:
    """Whether an alarm keeps its incident open: it is active, and neither shelved nor suppressed."""
    return member.active and member.state in _OPEN_STATES


class Incident(msgspec.Struct, array_like=True):
    """The current or last incident of one cause in one area. Mutable; part of a checkpoint."""

    cause: str
    area: str
    theme: str = ""
    number: int = 0
    revision: int = 0
    open: bool = False
    severity: Severity = Severity.CLEARED
    worst: Severity = Severity.CLEARED
    opened_time: Instant = 0
    closed_time: Instant | None = None
    members: dict[str, IncidentMember] = msgspec.field(default_factory=dict)

    def on_member(self, update: IncidentMemberUpdate, moment: StreamTime) -> IncidentEvent | None:
        """Apply the present state of an alarm; return the incident after it, or None if it is unchanged."""
        member = update.member
        known = self.members.get(member.alarm)
        if known is not None and member.revision <= known.revision:
            return None
        opens = keeps_open(member) and not self.open
        if opens and not self._is_reopened_by(member.time):
            self._begin(update)
        elif known is None and not keeps_open(member) and not (self.open or self._has_returned(member)):
            return None  # never a member
        self._put(member)
        self.theme = update.theme
        self._summarize(member.time)
        self.revision = max(self.revision + 1, moment.revision)
        return self.to_event(member.time, moment.now)

    def _is_reopened_by(self, time: Instant) -> bool:
        return self.closed_time is not None and time - self.closed_time <= REOPEN_WITHIN

    def _has_returned(self, member: IncidentMember) -> bool:
        return self.number > 0 and member.state == AlarmState.RETURNED_UNACKNOWLEDGED

    def _begin(self, update: IncidentMemberUpdate) -> None:
        self.number += 1
        self.worst, self.opened_time = Severity.CLEARED, update.member.time
        self.members = {}

    def _put(self, member: IncidentMember) -> None:
        if member.alarm not in self.members and len(self.members) >= MEMBERS_MAX:
            returned = [alarm for alarm in self.members.values() if not alarm.active]
            if not returned:
                return
            del self.members[min(returned, key=lambda alarm: (alarm.time, alarm.alarm)).alarm]
        self.members[member.alarm] = member

    def _summarize(self, time: Instant) -> None:
        open_members = [one for one in self.members.values() if keeps_open(one)]
        if open_members:
            self.severity = Severity(max(one.severity for one in open_members))
            self.worst = max(self.worst, self.severity)
            self.open, self.closed_time = True, None
        elif self.open:
            self.open, self.closed_time, self.severity = False, time, self.worst

    def to_event(self, time: Instant, now: Instant) -> IncidentEvent:
        """Return an event with the present state of the incident."""
        return IncidentEvent(
            incident=incident_id(self.cause, self.area, self.number),
            revision=self.revision,
            time=time,
            told_time=now,
            cause=self.cause,
            area=self.area,
            theme=self.theme,
            open=self.open,
            severity=self.severity,
            opened_time=self.opened_time,
            closed_time=self.closed_time,
            members=tuple(self.members[id] for id in sorted(self.members)),
        )

    @classmethod
    def from_event(cls, event: IncidentEvent) -> Incident:
        """Return the incident in the state that an event has."""
        return cls(
            event.cause,
            event.area,
            event.theme,
            int(event.incident.rsplit("~", 1)[1]),
            event.revision,
            event.open,
            event.severity,
            event.severity,
            event.opened_time,
            event.closed_time,
            {one.alarm: one for one in event.members},
        )
