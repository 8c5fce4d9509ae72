"""The course of a rule over points that come in order: history, which is there as a whole.

What `twin.alarms.evaluation.condition_state` comes to for the same points, without what it keeps for those
that come late. What is usual is learned by whoever has the history (`twin.backtest.prefilter`).
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
    """Points that something is learned from, ascending in time."""

    times: Instants
    values: Values
    flags: Flags

    def followed_by(self, column: PointColumn) -> BaselineSamples:
        """Return these, and then the points of a column."""
        return BaselineSamples(
            np.concatenate([self.times, column.times]),
            np.concatenate([self.values, column.values]),
            np.concatenate([self.flags, column.flags]),
        )

    def part(self, places: slice) -> BaselineSamples:
        """Return those at some places."""
        return BaselineSamples(self.times[places], self.values[places], self.flags[places])


@dataclass(slots=True)
class OrderedConditionState:
    """Where a rule is after all points up to a time. Mutable."""

    bound: BoundRule
    level_states: LevelStates
    memory: OperandMemory
    baseline: Baseline = field(default_factory=Baseline)
    error: str = ""  #: why the newest points could not be judged
    #: the last points, of which is not learned yet what is usual
    waiting: BaselineSamples = field(
        default_factory=lambda: BaselineSamples(EMPTY.times, EMPTY.values, EMPTY.flags)
    )

    @classmethod
    def initial(cls, bound: BoundRule) -> OrderedConditionState:
        """Return the course before the first point."""
        return cls(bound, LevelStates.initial(bound.level_config), OperandMemory.initial(bound))

    def on_points(self, points: Mapping[int, Point]) -> list[SeverityChange]:
        """Go on to the points of one time, by operand; return what changed, in order of time."""
        time = next(iter(points.values())).time
        terms = self.bound.level_config
        try:
            judged = evaluate_condition(time, points, self.memory, self.baseline, self.bound)
            self.error = ""
        except ExpressionError as error:
            judged, self.error = None, str(error)
        shifts = self.level_states.on_value(judged, terms) if judged is not None else []
        return shifts + self.level_states.advance(time, terms)

    def advance(self, frontier: Instant) -> list[SeverityChange]:
        """Let time pass without a point; return what fell due."""
        return self.level_states.advance(frontier, self.bound.level_config)
