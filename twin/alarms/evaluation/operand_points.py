"""Points of what is observed: the series that rules look at, made of the observations that are kept."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from twin.alarms.rules.operand import WINDOW_SIZES, ObservationRef, OperandSeries, Point
from twin.indicators.validity import is_valid
from twin.instant import Duration, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.observed_property import ObservedProperty
from twin.model.sensor import Datastream
from twin.state.combination import CombinationInput, combine, combine_values
from twin.state.datastream_state import DatastreamState
from twin.state.entity_state import EntityState
from twin.state.freshness import live_duration
from twin.state.window import Aggregate
from twin.state.window_history import WindowHistory, WindowValue

_time = attrgetter("phenomenon_time")


def property_points(state: EntityState, property: str, since: Instant, model: CityModel) -> list[Point]:
    """Return the values of a property of an entity at each time from `since` on, oldest first.

    At each time at which one of its datastreams was observed the value combines what all of them had said by
    then. So the points follow from the set of observations, whatever the order of arrival. None of personal
    data.
    """
    parts = [
        (datastream, known)
        for id, known in sorted(state.datastreams.items())
        if (datastream := model.datastreams.get(id)) is not None
        and datastream.property == property
        and not model.policy_of(datastream).personal
    ]
    if len(parts) == 1:
        return _of_one(*parts[0], since)
    times = sorted({one.phenomenon_time for _, known in parts for one in _since(known, since)})
    points = []
    for time in times:
        spoke = [
            CombinationInput(newest, None, datastream.interval)
            for datastream, known in parts
            if (newest := _at(known, time)) is not None
        ]
        combined = combine(model.properties[property], spoke)
        taken = {one.newest.datastream: one for one in spoke}
        behind = [taken[id] for id in combined.datastreams]
        valid = max(one.newest.phenomenon_time + live_duration(one.interval) for one in behind)
        sources = tuple(ObservationRef(one.newest.datastream, one.newest.phenomenon_time) for one in behind)
        points.append(Point(time, combined.value, combined.flags, valid, sources))
    return points


def _of_one(datastream: Datastream, state: DatastreamState, since: Instant) -> list[Point]:
    live = live_duration(datastream.interval)
    return [
        Point(
            one.phenomenon_time,
            one.value,
            one.flags,
            one.phenomenon_time + live,
            (ObservationRef(one.datastream, one.phenomenon_time),),
        )
        for one in _since(state, since)
    ]


def _since(state: DatastreamState, time: Instant) -> Sequence[Observation]:
    judged = state.assessed
    # Most often it is the newest alone.
    if len(judged) > 1 and judged[-2].phenomenon_time >= time:
        return judged[bisect_left(judged, time, key=_time) :]
    return judged[-1:] if judged and judged[-1].phenomenon_time >= time else ()


def _at(state: DatastreamState, time: Instant) -> Observation | None:
    """Return the newest observation up to a phenomenon time, of those that are kept."""
    place = bisect_right(state.assessed, time, key=_time)
    return state.assessed[place - 1] if place else None


# Points of closed windows, and of what is derived.


def window_point(
    series: OperandSeries, aggregate: Aggregate, trail: WindowHistory, property: ObservedProperty
) -> Point | None:
    """Return the entity's value of the window that an aggregate told; None where too little was measured.

    A window speaks for its end. One that has no value any more is told with the flags of what lies in it, so
    that what it was told with before does not count.
    """
    size = WINDOW_SIZES[series.over]
    end = aggregate.start + size
    valid_until = end + live_duration(size)
    parts = trail.parts(aggregate.start, property)
    sources = tuple(ObservationRef(id, aggregate.start) for id, _ in parts)
    if not parts:
        return Point(end, 0.0, aggregate.flags, valid_until) if aggregate.suspect else None
    if not is_valid(sum(one.coverage for _, one in parts) / len(parts)):
        return None
    value = _value([one for _, one in parts], series, property)
    return Point(end, value, 0, valid_until, sources) if value is not None else None


def _value(parts: list[WindowValue], series: OperandSeries, property: ObservedProperty) -> float | None:
    if series.statistic == "value":
        return combine_values(property.combination, [one.value for one in parts])
    if series.statistic == "minimum":
        return min((one.minimum for one in parts if one.minimum is not None), default=None)
    return max((one.maximum for one in parts if one.maximum is not None), default=None)


def derived_point(value: float, time: Instant, flags: int, interval: Duration) -> Point:
    """Return a derived value, which is made anew each `interval`, as a point."""
    return Point(time, value, flags, time + live_duration(interval))
