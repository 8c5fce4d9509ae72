"""What one transaction of the historian stores of alarms, incidents and messages to people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol, TypeVar

from storage.column_limits import COUNT_MAX, FLAGS_MAX, INTEGER_MAX
from twin.alarms.messages import ALARMS, AlarmEvent, IncidentEvent
from twin.errors import MessageError
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant
from twin.wire.duty_messages import NOTIFICATIONS, NotificationEvent

# A key of an index has 2,704 bytes at most; an id is three others.
ID_CHARACTERS_MAX = 600


@dataclass(slots=True)
class AlarmBuffer:
    """Events of alarms, incidents and messages, each once, by id and revision."""

    alarms: dict[tuple[str, int], AlarmEvent] = field(default_factory=dict)
    incidents: dict[tuple[str, int], IncidentEvent] = field(default_factory=dict)
    notifications: dict[tuple[str, int], NotificationEvent] = field(default_factory=dict)

    @property
    def alarm_count(self) -> int:
        """How many events of alarms and incidents there are."""
        return len(self.alarms) + len(self.incidents)

    @property
    def count(self) -> int:
        """How many events there are."""
        return self.alarm_count + len(self.notifications)

    def add_alarm_record(self, value: bytes) -> list[str]:
        """Take in a record of `alarms`; return what of it cannot be stored. Raises MessageError."""
        batch = ALARMS.decode(value)
        refused = 0
        for alarm in batch.alarms:
            if _alarm_fits(alarm):
                self.alarms.setdefault((alarm.alarm, alarm.revision), alarm)
            else:
                refused += 1
        for incident in batch.incidents:
            if _incident_fits(incident):
                self.incidents.setdefault((incident.incident, incident.revision), incident)
            else:
                refused += 1
        count = len(batch.alarms) + len(batch.incidents)
        return [f"{refused} of {count} events have numbers beyond all bounds"] if refused else []

    def add_notification_record(self, value: bytes) -> list[str]:
        """Take in a record of `notifications`; raise MessageError when it cannot be stored."""
        event = NOTIFICATIONS.decode(value)
        counts = event.round, event.step, event.attempt
        if not (
            _fits(event.revision, (event.time, event.due_time), event.notification)
            and all(0 <= one <= INTEGER_MAX for one in counts)
        ):
            raise MessageError("NotificationEvent has numbers beyond all bounds")
        self.notifications.setdefault((event.notification, event.revision), event)
        return []


class _Revised(Protocol):
    @property
    def revision(self) -> int: ...


R = TypeVar("R", bound=_Revised)


def newest_revisions(events: Iterable[tuple[tuple[str, int], R]]) -> list[R]:
    """Return the event with the greatest revision of each id."""
    found: dict[str, R] = {}
    for (id, revision), event in events:
        known = found.get(id)
        if known is None or revision > known.revision:
            found[id] = event
    return list(found.values())


def _alarm_fits(one: AlarmEvent) -> bool:
    times = one.raised_time, one.returned_time, one.acknowledged_time, one.shelved_until
    return (
        _fits(one.revision, (one.time, one.told_time, *times), one.alarm)
        and 0 <= one.rule_version <= INTEGER_MAX
        and 0 <= one.occurrence <= INTEGER_MAX
        and all(
            isfinite(value.value)
            and 0 <= value.flags <= FLAGS_MAX
            and _times_fit((value.time,))
            and "\0" not in value.name + value.entity + value.unit
            for value in one.operands
        )
    )


def _incident_fits(one: IncidentEvent) -> bool:
    return _fits(
        one.revision, (one.time, one.told_time, one.opened_time, one.closed_time), one.incident
    ) and all("\0" not in member.alarm + member.state for member in one.members)


def _fits(revision: int, times: Iterable[Instant | None], id: str) -> bool:
    return (
        0 <= revision <= COUNT_MAX and _times_fit(times) and "\0" not in id and len(id) <= ID_CHARACTERS_MAX
    )


def _times_fit(times: Iterable[Instant | None]) -> bool:
    return all(one is None or INSTANT_MIN <= one <= INSTANT_MAX for one in times)
