"""The state of a rule over points that arrive in order, as in history.

It has the result of `twin.alarms.evaluation.condition_state` for the same points, without its buffer for late
points. The baseline is learned by `twin.backtest.prefilter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.evaluation.condition_value import OperandMemory, evaluate_condition
from twin.alarms.evaluation.level_state import LevelStates, SeverityChange
from twin.alarms.rules.expression import ExpressionError
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule_index import BoundRule
from twin.backtest.point_column import EMPTY, Flags, Instants, PointColumn, Values
from twin.instant import Instant


class BaselineSamples(NamedTuple):
    """Points that a baseline is learned from, ascending in time."""

    times: Instants
    values: Values
    flags: Flags

    def followed_by(self, column: PointColumn) -> BaselineSamples:
        """Return these samples followed by the points of a column."""
        return BaselineSamples(
            np.concatenate([self.times, column.times]),
            np.concatenate([self.values, column.values]),
            np.concatenate([self.flags, column.flags]),
        )

    def part(self, indices: slice) -> BaselineSamples:
        """Return the samples of a slice."""
        return BaselineSamples(self.times[indices], self.values[indices], self.flags[indices])


@dataclass(slots=True)
class OrderedConditionState:
    """The state of a rule after all points up to a time. Mutable."""

    bound: BoundRule
    level_states: LevelStates
    memory: OperandMemory
    baseline: Baseline = field(default_factory=Baseline)
    error: str = ""  #: why the newest points could not be evaluated
    #: the last points, which the baseline does not contain yet
    waiting: BaselineSamples = field(
        default_factory=lambda: BaselineSamples(EMPTY.times, EMPTY.values, EMPTY.flags)
    )

    @classmethod
    def initial(cls, bound: BoundRule) -> OrderedConditionState:
        """Return the state before the first point."""
        return cls(bound, LevelStates.initial(bound.level_config), OperandMemory.initial(bound))

    def on_points(self, points: Mapping[int, Point]) -> list[SeverityChange]:
        """Apply the points of one time, by operand; return the changes, in order of time."""
        time = next(iter(points.values())).time
        config = self.bound.level_config
        try:
            value = evaluate_condition(time, points, self.memory, self.baseline, self.bound)
            self.error = ""
        except ExpressionError as error:
            value, self.error = None, str(error)
        changes = self.level_states.on_value(value, config) if value is not None else []
        return changes + self.level_states.advance(time, config)

    def advance(self, frontier: Instant) -> list[SeverityChange]:
        """Advance the time without a point; return the changes that fell due."""
        return self.level_states.advance(frontier, self.bound.level_config)
