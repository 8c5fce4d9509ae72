"""Points of operands: from observations, from closed windows, and from derived values."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from twin.alarms.rules.operand import WINDOW_SIZES, ObservationRef, OperandSeries, Point
from twin.indicators.validity import is_valid
from twin.instant import Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, series_interval
from twin.model.observation import Observation
from twin.model.observed_property import ObservedProperty
from twin.model.sensor import Datastream
from twin.state.combination import CombinationInput, combine, combine_values
from twin.state.datastream_state import DatastreamState
from twin.state.derived_points import derived_interval
from twin.state.entity_state import EntityState
from twin.state.freshness import live_duration
from twin.state.window import Aggregate
from twin.state.window_history import WindowHistory, WindowValue

_time = attrgetter("phenomenon_time")


def property_points(state: EntityState, property: str, since: Instant, model: CityModel) -> list[Point]:
    """Return the values of a property of an entity at each time from `since` on, oldest first.

    There is a point for each time at which one of its datastreams was observed. It combines the newest values
    of all its datastreams up to that time, so the points follow from the set of observations, whatever the
    order of arrival. Datastreams with personal data are left out.
    """
    parts = [
        (datastream, datastream_state)
        for id, datastream_state in sorted(state.datastreams.items())
        if (datastream := model.datastreams.get(id)) is not None
        and datastream.property == property
        and not model.policy_of(datastream).personal
    ]
    if len(parts) == 1:
        return _single_datastream_points(*parts[0], since)
    times = sorted(
        {
            observation.phenomenon_time
            for _, datastream_state in parts
            for observation in _observed_since(datastream_state, since)
        }
    )
    points = []
    for time in times:
        inputs = [
            CombinationInput(newest, None, datastream.interval)
            for datastream, datastream_state in parts
            if (newest := _newest_at(datastream_state, time)) is not None
        ]
        combined = combine(model.properties[property], inputs)
        by_datastream = {one.newest.datastream: one for one in inputs}
        used = [by_datastream[id] for id in combined.datastreams]
        valid = max(one.newest.phenomenon_time + live_duration(one.interval) for one in used)
        sources = tuple(ObservationRef(one.newest.datastream, one.newest.phenomenon_time) for one in used)
        points.append(Point(time, combined.value, combined.flags, valid, sources))
    return points


def _single_datastream_points(datastream: Datastream, state: DatastreamState, since: Instant) -> list[Point]:
    live_for = live_duration(datastream.interval)
    return [
        Point(
            observation.phenomenon_time,
            observation.value,
            observation.flags,
            observation.phenomenon_time + live_for,
            (ObservationRef(observation.datastream, observation.phenomenon_time),),
        )
        for observation in _observed_since(state, since)
    ]


def _observed_since(state: DatastreamState, time: Instant) -> Sequence[Observation]:
    assessed = state.assessed
    # Usually only the newest observation is that new.
    if len(assessed) > 1 and assessed[-2].phenomenon_time >= time:
        return assessed[bisect_left(assessed, time, key=_time) :]
    return assessed[-1:] if assessed and assessed[-1].phenomenon_time >= time else ()


def _newest_at(state: DatastreamState, time: Instant) -> Observation | None:
    """Return the newest kept observation up to a phenomenon time."""
    index = bisect_right(state.assessed, time, key=_time)
    return state.assessed[index - 1] if index else None


def window_point(
    series: OperandSeries, aggregate: Aggregate, history: WindowHistory, property: ObservedProperty
) -> Point | None:
    """Return the entity's value of the window of an aggregate; None if too little of it was measured.

    The point's time is the end of the window. If the window has no good value any more, the point has the
    flags of its observations, so that an earlier point for the window no longer counts.
    """
    size = WINDOW_SIZES[series.over]
    end = aggregate.start + size
    valid_until = end + live_duration(size)
    parts = history.parts(aggregate.start, property)
    sources = tuple(ObservationRef(id, aggregate.start) for id, _ in parts)
    if not parts:
        return Point(end, 0.0, aggregate.flags, valid_until) if aggregate.suspect else None
    if not is_valid(sum(one.coverage for _, one in parts) / len(parts)):
        return None
    value = _window_statistic([one for _, one in parts], series, property)
    return Point(end, value, 0, valid_until, sources) if value is not None else None


def _window_statistic(
    parts: list[WindowValue], series: OperandSeries, property: ObservedProperty
) -> float | None:
    if series.statistic == "value":
        return combine_values(property.combination, [one.value for one in parts])
    if series.statistic == "minimum":
        return min((one.minimum for one in parts if one.minimum is not None), default=None)
    return max((one.maximum for one in parts if one.maximum is not None), default=None)


def derived_series_interval(series: OperandSeries, model: CityModel) -> Duration:
    """Return the expected time between two points of a series of derived values.

    It follows from the model alone, so that a stored point is valid as long as a live one.
    """
    if not series.name.startswith(AREA_PREFIX):
        return derived_interval(series.name, series.entity, model) or model.interval_of(series.entity)
    name = series.name.removeprefix(AREA_PREFIX)
    intervals = [
        datastream.interval
        for entity in model.within(series.entity)
        for datastream in model.datastreams_of(entity, name)
    ]
    return max(series_interval(name, model), *intervals, 0)


def derived_point(value: float, time: Instant, flags: int, interval: Duration) -> Point:
    """Return a derived value, which is computed anew each `interval`, as a point."""
    return Point(time, value, flags, time + live_duration(interval))
