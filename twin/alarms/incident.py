"""Incidents: alarms of one cause in one area are one thing that happens, and that people are told of once."""

from __future__ import annotations

import msgspec

from twin.alarms.alarm import StreamTime
from twin.alarms.messages import IncidentEvent, IncidentMember, IncidentMemberUpdate
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState
from twin.instant import MINUTE, Duration, Instant

REOPEN_WITHIN: Duration = 15 * MINUTE
"""What comes back so soon is the same incident. Our choice: as long as a person takes to look after it."""

MEMBERS_MAX = 1_000
"""Alarms that one incident names; with more, those that returned first are forgotten, then none is added."""

_SPEAKING = frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED})


def incident_id(cause: str, area: str, number: int) -> str:
    """Return the id of an incident.

    >>> incident_id("high-water", "alkmaar", 3)
    'high-water~alkmaar~3'
    """
    return f"{cause}~{area}~{number}"


def keeps_open(member: IncidentMember) -> bool:
    """Whether an alarm keeps its incident open: it is active, and neither shelved nor suppressed."""
    return member.active and member.state in _SPEAKING


class Incident(msgspec.Struct, array_like=True):
    """The incidents of one cause in one area: the present or last one. Mutable; goes into a checkpoint."""

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

    def on_member(self, joined: IncidentMemberUpdate, moment: StreamTime) -> IncidentEvent | None:
        """Take in what an alarm is now; return what the incident is after it, or None when it is the same."""
        member = joined.member
        known = self.members.get(member.alarm)
        if known is not None and member.revision <= known.revision:
            return None
        opens = keeps_open(member) and not self.open
        if opens and not self._comes_back(member.time):
            self._begin(joined)
        elif known is None and not keeps_open(member) and not (self.open or self._is_past(member)):
            return None  # it never was part of it
        self._put(member)
        self.theme = joined.theme
        self._sum_up(member.time)
        self.revision = max(self.revision + 1, moment.revision)
        return self.to_event(member.time, moment.now)

    def _comes_back(self, time: Instant) -> bool:
        return self.closed_time is not None and time - self.closed_time <= REOPEN_WITHIN

    def _is_past(self, member: IncidentMember) -> bool:
        return self.number > 0 and member.state == AlarmState.RETURNED_UNACKNOWLEDGED

    def _begin(self, joined: IncidentMemberUpdate) -> None:
        self.number += 1
        self.worst, self.opened_time = Severity.CLEARED, joined.member.time
        self.members = {}

    def _put(self, member: IncidentMember) -> None:
        if member.alarm not in self.members and len(self.members) >= MEMBERS_MAX:
            over = [one for one in self.members.values() if not one.active]
            if not over:
                return
            del self.members[min(over, key=lambda one: (one.time, one.alarm)).alarm]
        self.members[member.alarm] = member

    def _sum_up(self, time: Instant) -> None:
        speaking = [one for one in self.members.values() if keeps_open(one)]
        if speaking:
            self.severity = Severity(max(one.severity for one in speaking))
            self.worst = max(self.worst, self.severity)
            self.open, self.closed_time = True, None
        elif self.open:
            self.open, self.closed_time, self.severity = False, time, self.worst

    def to_event(self, time: Instant, now: Instant) -> IncidentEvent:
        """Return what the incident is."""
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
        """Return the incident that an event told of."""
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
