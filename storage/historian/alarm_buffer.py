"""Collects the events of alarms, incidents and notifications that one transaction stores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

from storage.column_limits import COUNT_MAX, FLAGS_MAX, INTEGER_MAX
from twin.alarms.messages import ALARMS, AlarmEvent, IncidentEvent
from twin.errors import MessageError
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant
from twin.wire.duty_messages import NOTIFICATIONS, NotificationEvent

# PostgreSQL limits an index key to 2,704 bytes; an alarm id joins three ids.
ID_CHARACTERS_MAX = 600


class AlarmRepairDemand(NamedTuple):
    """Since when the history of an alarm must be evaluated again."""

    start: Instant  #: event time
    requested_at: Instant  #: log time


@dataclass(slots=True)
class AlarmBuffer:
    """Events of alarms, incidents and notifications, each once, by id and revision."""

    alarms: dict[tuple[str, int], AlarmEvent] = field(default_factory=dict)
    incidents: dict[tuple[str, int], IncidentEvent] = field(default_factory=dict)
    notifications: dict[tuple[str, int], NotificationEvent] = field(default_factory=dict)
    repairs: dict[tuple[str, str], AlarmRepairDemand] = field(default_factory=dict)  #: by rule and entity

    @property
    def alarm_count(self) -> int:
        """The number of events of alarms and incidents."""
        return len(self.alarms) + len(self.incidents)

    @property
    def count(self) -> int:
        """The number of all events."""
        return self.alarm_count + len(self.notifications)

    def add_alarm_record(self, value: bytes) -> list[str]:
        """Add a record of `alarms`; return a description of the events that the columns cannot hold.

        Raises MessageError when the record cannot be decoded.
        """
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
        for repair in batch.repairs:
            if _fits(0, (repair.time, batch.time), repair.rule + repair.entity):
                key = repair.rule, repair.entity
                known = self.repairs.get(key)
                start = min(repair.time, known.start) if known is not None else repair.time
                self.repairs[key] = AlarmRepairDemand(start, batch.time)
            else:
                refused += 1
        count = len(batch.alarms) + len(batch.incidents) + len(batch.repairs)
        return [f"{refused} of {count} events have values outside the column limits"] if refused else []

    def add_notification_record(self, value: bytes) -> list[str]:
        """Add a record of `notifications`; raise MessageError when it cannot be decoded or stored."""
        event = NOTIFICATIONS.decode(value)
        counts = event.round, event.step, event.attempt
        if not (
            _fits(event.revision, (event.time, event.due_time), event.notification)
            and all(0 <= count <= INTEGER_MAX for count in counts)
        ):
            raise MessageError("NotificationEvent has values outside the column limits")
        self.notifications.setdefault((event.notification, event.revision), event)
        return []


def _alarm_fits(event: AlarmEvent) -> bool:
    times = event.raised_time, event.returned_time, event.acknowledged_time, event.shelved_until
    return (
        _fits(event.revision, (event.time, event.told_time, *times), event.alarm)
        and 0 <= event.rule_version <= INTEGER_MAX
        and 0 <= event.occurrence <= INTEGER_MAX
        and all(
            isfinite(value.value)
            and 0 <= value.flags <= FLAGS_MAX
            and _times_fit((value.time,))
            and "\0" not in value.name + value.entity + value.unit
            for value in event.operands
        )
    )


def _incident_fits(event: IncidentEvent) -> bool:
    return _fits(
        event.revision, (event.time, event.told_time, event.opened_time, event.closed_time), event.incident
    ) and all("\0" not in member.alarm + member.state for member in event.members)


def _fits(revision: int, times: Iterable[Instant | None], id: str) -> bool:
    return (
        0 <= revision <= COUNT_MAX and _times_fit(times) and "\0" not in id and len(id) <= ID_CHARACTERS_MAX
    )


def _times_fit(times: Iterable[Instant | None]) -> bool:
    return all(time is None or INSTANT_MIN <= time <= INSTANT_MAX for time in times)
