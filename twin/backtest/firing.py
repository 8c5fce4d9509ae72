"""Firings: the time spans in which a rule raises an alarm, and the differences between two rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from twin.alarms.messages import AlarmEvent
from twin.alarms.severity import Severity
from twin.instant import INSTANT_MAX, Duration, Instant


class Firing(msgspec.Struct, kw_only=True):
    """One occurrence of an alarm. Mutable while it lasts."""

    alarm: str
    entity: str
    sensor: str = ""  #: or the dependency; empty unless the alarm is about one
    raised: Instant
    returned: Instant | None = None  #: None: it has not ended
    severity: Severity  #: the worst
    peak: float | None = None  #: the value furthest beyond the threshold; None if no value is compared
    sentence_en: str = ""
    sentence_nl: str = ""

    def lasted(self, end: Instant) -> Duration:
        """Return its duration; if it has not ended, until `end`."""
        return (self.returned if self.returned is not None else end) - self.raised


def firings_of(events: Iterable[AlarmEvent]) -> list[Firing]:
    """Return the firings of alarms, in order of the first event of each occurrence.

    The events of each alarm are in their stored order. A retracted occurrence is no firing.
    """
    found: dict[tuple[str, int], Firing] = {}
    for event in events:
        key = event.alarm, event.occurrence
        if event.kind == "retracted":
            found.pop(key, None)
        elif event.raised_time is not None:
            firing = found.get(key)
            if firing is None:
                firing = found[key] = Firing(
                    alarm=event.alarm,
                    entity=event.entity,
                    sensor=event.sensor,
                    raised=event.raised_time,
                    severity=event.severity,
                    sentence_en=event.sentence_en,
                    sentence_nl=event.sentence_nl,
                )
            firing.raised, firing.returned = event.raised_time, event.returned_time
            firing.severity = event.worst or max(firing.severity, event.severity)
    return list(found.values())


class ChangedFiring(NamedTuple):
    """A firing of both rules whose times or severity differ."""

    before: Firing
    after: Firing


class FiringDifference(NamedTuple):
    """The difference between the firings of two rules."""

    added: tuple[Firing, ...]
    removed: tuple[Firing, ...]
    changed: tuple[ChangedFiring, ...]
    unchanged: int


def compare_firings(before: Iterable[Firing], after: Iterable[Firing]) -> FiringDifference:
    """Return the differences between two lists of firings, by entity and sensor; oldest first."""
    known: defaultdict[tuple[str, str], list[Firing]] = defaultdict(list)
    for firing in before:
        known[firing.entity, firing.sensor].append(firing)
    same = {_key(firing) for firing in before}
    added: list[Firing] = []
    changed: list[ChangedFiring] = []
    matched: set[tuple[str, str, Instant]] = set()
    unchanged = 0
    for firing in after:
        if _key(firing) in same:
            unchanged += 1
            matched.add(_identity(firing))
            continue
        overlapping = next(
            (each for each in known[firing.entity, firing.sensor] if _overlap(firing, each)), None
        )
        if overlapping is None:
            added.append(firing)
        else:
            matched.add(_identity(overlapping))
            changed.append(ChangedFiring(overlapping, firing))
    removed = [firing for firing in before if _identity(firing) not in matched]
    return FiringDifference(tuple(added), tuple(removed), tuple(changed), unchanged)


def _key(firing: Firing) -> tuple[str, str, Instant, Instant | None, int]:
    return firing.entity, firing.sensor, firing.raised, firing.returned, int(firing.severity)


def _identity(firing: Firing) -> tuple[str, str, Instant]:
    return firing.entity, firing.sensor, firing.raised


def _overlap(first: Firing, second: Firing) -> bool:
    return first.raised < _end(second) and second.raised < _end(first)


def _end(firing: Firing) -> Instant:
    return firing.returned if firing.returned is not None else INSTANT_MAX
