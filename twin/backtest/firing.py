"""Firings: the times through which a rule said that something was wrong, with how bad it got."""

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


# The difference between what two rules would have raised over the same time.


class ChangedFiring(NamedTuple):
    """A time at which both say that something is wrong, but not from when until when, or not how bad."""

    before: Firing
    after: Firing


class FiringDifference(NamedTuple):
    """What the one rule says that the other does not."""

    added: tuple[Firing, ...]
    removed: tuple[Firing, ...]
    changed: tuple[ChangedFiring, ...]
    unchanged: int


def compare_firings(before: Iterable[Firing], after: Iterable[Firing]) -> FiringDifference:
    """Return what is other after than before, by entity and sensor; oldest first."""
    known: defaultdict[tuple[str, str], list[Firing]] = defaultdict(list)
    for one in before:
        known[one.entity, one.sensor].append(one)
    same = {_key(one) for one in before}
    added: list[Firing] = []
    changed: list[ChangedFiring] = []
    met: set[tuple[str, str, Instant]] = set()
    unchanged = 0
    for one in after:
        if _key(one) in same:
            unchanged += 1
            met.add(_place(one))
            continue
        other = next((each for each in known[one.entity, one.sensor] if _meet(one, each)), None)
        if other is None:
            added.append(one)
        else:
            met.add(_place(other))
            changed.append(ChangedFiring(other, one))
    removed = [one for one in before if _place(one) not in met]
    return FiringDifference(tuple(added), tuple(removed), tuple(changed), unchanged)


def _key(one: Firing) -> tuple[str, str, Instant, Instant | None, int]:
    return one.entity, one.sensor, one.raised, one.returned, int(one.severity)


def _place(one: Firing) -> tuple[str, str, Instant]:
    return one.entity, one.sensor, one.raised


def _meet(one: Firing, other: Firing) -> bool:
    return one.raised < _end(other) and other.raised < _end(one)


def _end(one: Firing) -> Instant:
    return one.returned if one.returned is not None else INSTANT_MAX
