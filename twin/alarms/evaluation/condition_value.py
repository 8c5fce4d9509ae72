"""The value of a condition: what a rule compares, from the points of its operands at one time."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

import msgspec

from twin.alarms.evaluation.baseline import Baseline, BaselineValue
from twin.alarms.evaluation.level_state import ConditionValue
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule import (
    Deviation,
    ExpressionCondition,
    QualityRank,
    Rate,
    ThresholdCondition,
    Transform,
)
from twin.alarms.rules.rule_index import BoundRule
from twin.instant import Instant
from twin.quality.quality_flags import QualityWord, is_usable, quality_word

RECENT_MAX = 64
"""Points that a rate of change uses at most: all pairs are compared, 2,016 of them."""

RATE_POINTS_MIN = 3
"""With fewer points the last digit of one of them determines the rate."""

QUALITY_RANKS: Mapping[QualityWord, float] = {"good": 0.0, "estimated": 1.0, "late": 2.0, "suspect": 3.0}
"""The compared number of each quality."""


class OperandMemory(msgspec.Struct, array_like=True):
    """The points that the evaluation keeps from one time to the next. Mutable."""

    current: list[Point | None]  #: the newest point of each operand
    recent: list[tuple[Instant, float]] = msgspec.field(default_factory=list)  #: for rates only, oldest first

    @classmethod
    def initial(cls, bound: BoundRule) -> OperandMemory:
        """Return the memory before the first point."""
        return cls([None] * len(bound.series))

    def copy(self) -> OperandMemory:
        """Return an independent copy."""
        return OperandMemory(self.current.copy(), self.recent.copy())


def evaluate_condition(
    time: Instant, points: Mapping[int, Point], memory: OperandMemory, baseline: Baseline, bound: BoundRule
) -> ConditionValue | None:
    """Return the condition's value for new points of a time, by operand number; None if it is unknown.

    Raises ExpressionError if an expression cannot be evaluated.
    """
    rule, condition = bound.rule, bound.rule.condition
    transform = condition.transform if isinstance(condition, ThresholdCondition) else None
    takes_all = rule.quality == "any" or isinstance(transform, QualityRank)
    is_any_usable = False
    for number, point in points.items():
        if takes_all or is_usable(point.flags):
            memory.current[number] = point
            is_any_usable = True
    if not is_any_usable:
        return None
    current: list[Point] = []
    for known in memory.current:
        if known is None or known.valid_until < time:
            return None
        current.append(known)
    valid_until = current[0].valid_until if len(current) == 1 else min([one.valid_until for one in current])
    is_in_force = rule.start <= time < rule.end and (
        rule.schedule is None or rule.schedule.contains(time, bound.timezone)
    )
    value: float | None
    if isinstance(condition, ExpressionCondition):
        value = 1.0 if bound.evaluate([point.value for point in current]) else 0.0
    elif transform is None:
        value = current[0].value
    else:
        value = _transformed(current[0], transform, memory, baseline, bound)
        if value is None:
            return None
    return ConditionValue(time, value if is_in_force else None, valid_until, tuple(current))


def _transformed(
    point: Point, transform: Transform, memory: OperandMemory, baseline: Baseline, bound: BoundRule
) -> float | None:
    match transform:
        case Rate(per=per, span=span):
            slope = _slope(point, span, memory.recent)
            return slope * per if slope is not None else None
        case Deviation(measure=measure):
            return _deviation(point, measure, baseline, bound.timezone)
        case QualityRank():
            return QUALITY_RANKS.get(quality_word(point.flags))


def _deviation(point: Point, measure: str, baseline: Baseline, timezone: str) -> float | None:
    expected = baseline.value_at(point.time, timezone)
    if expected is None:
        return None
    unit = deviation_unit(measure, expected)
    return (point.value - expected.value) / unit if unit > 0 else None


def deviation_unit(measure: str, expected: BaselineValue) -> float:
    """Return the unit of a deviation; where it is not above 0, there is no deviation."""
    units = {"absolute": 1.0, "percent": abs(expected.value) / 100.0, "spread": expected.spread}
    return units[measure]


def _slope(point: Point, span: int, recent: list[tuple[Instant, float]]) -> float | None:
    """Return the Theil-Sen slope per microsecond over the span before a point; add the point to `recent`.

    None with fewer than three points, or if they cover less than half of the span.
    """
    while recent and recent[-1][0] >= point.time:
        recent.pop()
    recent.append((point.time, point.value))
    while len(recent) > RECENT_MAX or point.time - recent[0][0] > span:
        del recent[0]
    if len(recent) < RATE_POINTS_MIN or 2 * (point.time - recent[0][0]) < span:
        return None
    return median(
        (later - value) / (later_time - time)
        for number, (time, value) in enumerate(recent)
        for later_time, later in recent[number + 1 :]
    )
