"""Combination: the datastreams of one property on one entity give one value. Pure."""

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
"""Least number of sensors, or neighbours, for outvoting one of them."""


class CombinationInput(NamedTuple):
    """The state of one datastream, as input of the combination."""

    newest: Observation  #: calibrated and checked
    last_good: LastGoodValue | None
    interval: Duration


class PropertyState(NamedTuple):
    """The value of one property of an entity, combined from its datastreams."""

    value: float
    phenomenon_time: Instant  #: of the newest observation in the value
    received_time: Instant  #: of the observation in the value that was received last
    flags: int  #: all flags of the observations in the value
    datastreams: tuple[int, ...]  #: ids of the datastreams in the value, ascending
    last_good: LastGoodValue | None = None  #: the newest usable value, where the state is suspect
    deviating: tuple[int, ...] = ()  #: ids of datastreams that are good, but far from the others


def combine(property: ObservedProperty, parts: Sequence[CombinationInput]) -> PropertyState:
    """Combine the states of at least one datastream.

    Only good values that are fresh *relative to the newest one* are combined: freshness by the wall clock
    would make the state depend on the time of its computation. Where none is good, the newest value is used,
    with its flags, and with the last good value beside it.
    """
    if len(parts) == 1:
        return state_of_one(parts[0].newest, parts[0].last_good)
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
        outliers = outlier_places([one.value for one in good], property.quality.disagreement)
        deviating = tuple(good[place].datastream for place in outliers)
        good = [one for one in good if one.datastream not in deviating]
    flags = 0
    for observation in good:
        flags |= observation.flags
    return PropertyState(
        value=combine_values(property.combination, [one.value for one in good]),
        phenomenon_time=max(one.phenomenon_time for one in good),
        received_time=max(one.received_time for one in good),
        flags=flags,
        datastreams=tuple(one.datastream for one in good),
        deviating=deviating,
    )


def state_of_one(newest: Observation, last_good: LastGoodValue | None) -> PropertyState:
    """Return the result of `combine` for one datastream, the usual case."""
    id, time, received, value, flags, _ = newest
    return PropertyState(value, time, received, flags, (id,), None if is_usable(flags) else last_good)


def _suspect(parts: Sequence[CombinationInput]) -> PropertyState:
    observation = max((part.newest for part in parts), key=lambda newest: (newest.phenomenon_time, newest))
    good_values = [part.last_good for part in parts if part.last_good is not None]
    last_good = max(good_values, key=lambda good: (good.phenomenon_time, good.value), default=None)
    return PropertyState(
        observation.value,
        observation.phenomenon_time,
        observation.received_time,
        observation.flags,
        (observation.datastream,),
        last_good,
    )


def outlier_places(values: Sequence[float], limit: float) -> tuple[int, ...]:
    """Return the indexes of values further than `limit` from the median; none if half or more are.

    >>> outlier_places([20.0, 21.0, 40.0], 8.0), outlier_places([20.0, 40.0], 8.0)
    ((2,), ())
    """
    middle = median(values)
    places = tuple(place for place, value in enumerate(values) if abs(value - middle) > limit)
    return places if 2 * len(places) < len(values) else ()


def combine_values(combination: Combination, values: Sequence[float]) -> float:
    """Combine at least one value."""
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
