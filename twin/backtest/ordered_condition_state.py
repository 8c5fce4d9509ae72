"""The course of a rule over points that come in order: history, which is there as a whole.

What `twin.alarms.evaluation.condition_state` comes to for the same points, without what it keeps for those
that come late. What is usual is learned by whoever has the history (`twin.backtest.deviation_screen`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from twin.alarms.evaluation.baseline import Usual
from twin.alarms.evaluation.condition_value import Sight, judge
from twin.alarms.evaluation.level_state import Progress, Shift
from twin.alarms.rules.expression import ExpressionError
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule_index import BoundRule
from twin.backtest.point_column import EMPTY, Column, Flags, Instants, Values
from twin.instant import Instant


class Lessons(NamedTuple):
    """Points that something is learned from, ascending in time."""

    times: Instants
    values: Values
    flags: Flags

    def followed_by(self, column: Column) -> Lessons:
        """Return these, and then the points of a column."""
        return Lessons(
            np.concatenate([self.times, column.times]),
            np.concatenate([self.values, column.values]),
            np.concatenate([self.flags, column.flags]),
        )

    def part(self, places: slice) -> Lessons:
        """Return those at some places."""
        return Lessons(self.times[places], self.values[places], self.flags[places])


@dataclass(slots=True)
class StraightCourse:
    """Where a rule is after all points up to a time. Mutable."""

    bound: BoundRule
    progress: Progress
    sight: Sight
    usual: Usual = field(default_factory=Usual)
    error: str = ""  #: why the newest points could not be judged
    #: the last points, of which is not learned yet what is usual
    waiting: Lessons = field(default_factory=lambda: Lessons(EMPTY.times, EMPTY.values, EMPTY.flags))

    @classmethod
    def begun(cls, bound: BoundRule) -> StraightCourse:
        """Return the course before the first point."""
        return cls(bound, Progress.begun(bound.terms), Sight.begun(bound))

    def step(self, points: Mapping[int, Point]) -> list[Shift]:
        """Go on to the points of one time, by operand; return what changed, in order of time."""
        time = next(iter(points.values())).time
        terms = self.bound.terms
        try:
            judged = judge(time, points, self.sight, self.usual, self.bound)
            self.error = ""
        except ExpressionError as error:
            judged, self.error = None, str(error)
        shifts = self.progress.step(judged, terms) if judged is not None else []
        return shifts + self.progress.advance(time, terms)

    def advance(self, frontier: Instant) -> list[Shift]:
        """Let time pass without a point; return what fell due."""
        return self.progress.advance(frontier, self.bound.terms)
