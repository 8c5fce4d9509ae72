"""Points of closed windows, and of what is derived."""

from __future__ import annotations

from twin.alarms.rules.operand import WINDOW_SIZES, ObservationRef, OperandSeries, Point
from twin.indicators.validity import is_valid
from twin.instant import Duration, Instant
from twin.model.observed_property import ObservedProperty
from twin.state.combination import combine_values
from twin.state.freshness import live_duration
from twin.state.window import Aggregate
from twin.state.window_history import WindowHistory, WindowValue


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
