"""The difference between what two rules would have raised over the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from twin.backtest.firing import Firing
from twin.instant import INSTANT_MAX, Instant


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
