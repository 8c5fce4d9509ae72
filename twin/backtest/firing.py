"""Firings: the times through which a rule said that something was wrong, with how bad it got."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from twin.alarms.messages import AlarmEvent
from twin.alarms.severity import Severity
from twin.instant import Duration, Instant


class Firing(msgspec.Struct, kw_only=True):
    """One occurrence of an alarm. Mutable while it lasts."""

    alarm: str
    entity: str
    sensor: str = ""  #: or the supply; empty unless the alarm is of one
    raised: Instant
    returned: Instant | None = None  #: None: it goes on
    severity: Severity  #: the worst
    peak: float | None = None  #: the value furthest beyond the threshold; None where no value is compared
    sentence_en: str = ""
    sentence_nl: str = ""

    def lasted(self, end: Instant) -> Duration:
        """Return how long it lasted; one that goes on, until `end`."""
        return (self.returned if self.returned is not None else end) - self.raised


def firings_of(events: Iterable[AlarmEvent]) -> list[Firing]:
    """Return what came of alarms in the end, in order of the first event of each occurrence.

    The events of each alarm are in order of revision. An occurrence that was retracted is none.
    """
    found: dict[tuple[str, int], Firing] = {}
    for one in events:
        key = one.alarm, one.occurrence
        if one.kind == "retracted":
            found.pop(key, None)
        elif one.raised_time is not None:
            known = found.get(key)
            if known is None:
                known = found[key] = Firing(
                    alarm=one.alarm,
                    entity=one.entity,
                    sensor=one.sensor,
                    raised=one.raised_time,
                    severity=one.severity,
                    sentence_en=one.sentence_en,
                    sentence_nl=one.sentence_nl,
                )
            known.raised, known.returned = one.raised_time, one.returned_time
            known.severity = max(known.severity, one.severity)
    return list(found.values())
