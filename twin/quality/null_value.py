"""Null values: numbers that a source writes where it has no measurement (`NullValueRule`)."""

from __future__ import annotations

from collections.abc import Sequence

from twin.instant import Duration, Instant
from twin.quality.quality_rules import NullValueRule

SLOPE_INTERVALS_MAX = 4
"""Over a longer time, in intervals, the slope before it says nothing about a value."""


def is_false_null(  # noqa: PLR0917 - called by position from the check of each observation
    context: Sequence[tuple[Instant, float]],
    time: Instant,
    value: float,
    values: Sequence[float],
    deviation_min: float,
    interval: Duration,
) -> bool:
    """Return whether a null value is far from the last other value before it, however old that is.

    A movement may pass the value: a change as fast as the one before it is allowed. `values` are all null
    values of the property.

    >>> is_false_null([(0, -1.41), (1, -1.4)], 2, 0.0, (0.0,), 0.1, 1)
    True
    >>> is_false_null([(0, -0.4), (1, -0.2)], 2, 0.0, (0.0,), 0.1, 1)
    False
    """
    others = [point for point in context if point[1] not in values]
    if not others:
        return False
    moment, other = others[-1]
    allowed = deviation_min
    if len(others) > 1:
        before, earlier = others[-2]
        reach = SLOPE_INTERVALS_MAX * interval
        if time - moment <= reach and moment - before <= reach:
            allowed += abs(other - earlier) * (time - moment) / (moment - before)
    return abs(value - other) > allowed


def is_confirmed_null(
    value: float, after: Sequence[tuple[Instant, float]], values: Sequence[float], deviation_min: float
) -> bool:
    """Return whether the next value that is no null value is near: the level is there indeed."""
    following = next((other for _, other in after if other not in values), None)
    return following is not None and abs(following - value) <= deviation_min


def is_return_from_null(
    context: Sequence[tuple[Instant, float]], value: float, nulls: NullValueRule, tolerance: float
) -> bool:
    """Return whether a value is near the last one before false null values, and soon after them.

    >>> is_return_from_null([(0, -1.4), (1, 0.0), (2, 0.0)], -1.35, NullValueRule(deviation_min=0.1), 0.25)
    True
    """
    if nulls.deviation_min is None:
        return False
    after_null = False
    for _, other in reversed(context):
        if other in nulls.values:
            after_null = True
        elif abs(value - other) > tolerance:
            return False
        elif after_null:
            return True
    return False
