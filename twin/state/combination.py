"""Combination: several datastreams of one property on one entity become one value. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple, assert_never

from twin.instant import Duration, Instant
from twin.model.observation import LastGoodValue, Observation
from twin.model.observed_property import Combination, ObservedProperty
from twin.quality.quality_flags import is_usable
from twin.state.freshness import live_duration

PEERS_MIN = 3
"""So many sensors, or neighbours, must speak before one of them can be outvoted."""


class CombinationInput(NamedTuple):
    """The state of one datastream, as it enters the combination."""

    newest: Observation  #: calibrated and judged
    last_good: LastGoodValue | None
    interval: Duration


class PropertyState(NamedTuple):
    """The value of one property of an entity, combined from its datastreams."""

    value: float
    phenomenon_time: Instant  #: of the newest observation that takes part
    received_time: Instant  #: of the last received one that takes part
    flags: int  #: all flags of those that take part
    datastreams: tuple[int, ...]  #: ids of those that take part, ascending
    last_good: LastGoodValue | None = None  #: the newest good value, where the state itself is suspect
    deviating: tuple[int, ...] = ()  #: ids of those that are good by themselves, but far from the others


def combine(property: ObservedProperty, parts: Sequence[CombinationInput]) -> PropertyState:
    """Combine the states of at least one datastream.

    Only good values that are fresh *relative to the newest one* take part: freshness by the clock on the wall
    would make the state depend on when it is computed. Where none is good, the newest speaks alone: its
    flags say what it is worth, and the last good value stands beside it.
    """
    if len(parts) == 1:
        return _alone(parts[0])
    newest = max(part.newest.phenomenon_time for part in parts)
    good = sorted(
        part.newest
        for part in parts
        if is_usable(part.newest.flags)
        and newest - part.newest.phenomenon_time <= live_duration(part.interval)
    )
    if not good:
        return _suspect(parts)
    deviating: tuple[int, ...] = ()
    if property.quality.disagreement is not None and len(good) >= PEERS_MIN:
        far = outlier_places([one.value for one in good], property.quality.disagreement)
        deviating = tuple(good[place].datastream for place in far)
        good = [one for one in good if one.datastream not in deviating]
    flags = 0
    for one in good:
        flags |= one.flags
    return PropertyState(
        value=combine_values(property.combination, [one.value for one in good]),
        phenomenon_time=max(one.phenomenon_time for one in good),
        received_time=max(one.received_time for one in good),
        flags=flags,
        datastreams=tuple(one.datastream for one in good),
        deviating=deviating,
    )


def _alone(part: CombinationInput) -> PropertyState:
    """Return what `combine` makes of one part: most properties are measured by one sensor."""
    id, time, received, value, flags = part.newest
    return PropertyState(value, time, received, flags, (id,), None if is_usable(flags) else part.last_good)


def _suspect(parts: Sequence[CombinationInput]) -> PropertyState:
    one = max((part.newest for part in parts), key=lambda newest: (newest.phenomenon_time, newest))
    known = [part.last_good for part in parts if part.last_good is not None]
    last_good = max(known, key=lambda good: (good.phenomenon_time, good.value), default=None)
    return PropertyState(
        one.value, one.phenomenon_time, one.received_time, one.flags, (one.datastream,), last_good
    )


def outlier_places(values: Sequence[float], limit: float) -> tuple[int, ...]:
    """Return the places of those further than `limit` from the median of all; none if that were half or more.

    >>> outlier_places([20.0, 21.0, 40.0], 8.0), outlier_places([20.0, 40.0], 8.0)
    ((2,), ())
    """
    middle = median(values)
    found = tuple(place for place, value in enumerate(values) if abs(value - middle) > limit)
    return found if 2 * len(found) < len(values) else ()


def combine_values(combination: Combination, values: Sequence[float]) -> float:
    """Return one value for at least one."""
    if len(values) == 1:
        return values[0]
    match combination:
        case "mean":
            return math.fsum(values) / len(values)
        case "sum":
            return math.fsum(values)
        case "max":
            return max(values)
        case "median":
            return median(values)
        case "circular_mean":
            return _circular_mean(values)
        case _:
            assert_never(combination)


def _circular_mean(degrees: Iterable[float]) -> float:
    """Return the mean direction, 0 ≤ degrees < 360 (Mardia & Jupp, Directional Statistics, 2000, §2.2).

    >>> round(_circular_mean([350, 20]), 6)
    5.0
    """
    radians = [math.radians(one) for one in degrees]
    sine, cosine = math.fsum(map(math.sin, radians)), math.fsum(map(math.cos, radians))
    return math.degrees(math.atan2(sine, cosine)) % 360.0
