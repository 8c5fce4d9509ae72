"""Screens: which moments of a stretch of history can change where a rule is.

A screen knows of each moment what a rule would say there, or between which bounds, from arrays. What cannot
change anything is passed over; the rest is judged by the one evaluator, as on the live log. So a screen may
let through too much, and never too little.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from twin.alarms.evaluation.condition_value import QUALITY_RANKS
from twin.alarms.evaluation.level_state import inert_range
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule import QualityRank, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule
from twin.alarms.rules.schedule import WeeklySchedule
from twin.backtest.ordered_condition_state import OrderedConditionState
from twin.backtest.point_column import Instants, PointColumn, Values
from twin.instant import HOUR, INSTANT_MAX, INSTANT_MIN, MINUTE
from twin.quality.quality_flags import UNUSABLE_FLAGS, quality_word

Mask: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.intp]


class Prefilter(ABC):
    """The moments of one stretch, ascending. Each serves one course, once."""

    def __init__(self, bound: BoundRule, course: OrderedConditionState, times: Instants) -> None:
        self.bound = bound
        self.course = course
        self.times = times
        self._counts = _counts(bound, times)
        self._found: dict[tuple[tuple[float, float], bool], Places] = {}

    def next(self, place: int) -> int:
        """Return the first place from `place` on that may change the course; the end where none does."""
        terms, progress = self.bound.level_config, self.course.level_states
        quiet = inert_range(terms, progress)
        if quiet is None:
            return place
        held = any(one.active for one in progress.levels)
        places = self._found.get((quiet, held))
        if places is None:
            places = self._found[quiet, held] = np.flatnonzero(self._matter(quiet, held))
        number = int(places.searchsorted(place))
        return int(places[number]) if number < len(places) else len(self.times)

    def _matter(self, quiet: tuple[float, float], held: bool) -> Mask:
        beyond = self.beyond(*quiet)
        if self._counts is None:
            return beyond
        # What does not count at its time, by a schedule, ends what is held, whatever it is.
        found: Mask = beyond | (self.judged & ~self._counts) if held else beyond & self._counts
        return found

    @property
    @abstractmethod
    def judged(self) -> Mask:
        """Where the rule says anything at all."""

    @abstractmethod
    def beyond(self, low: float, high: float) -> Mask:
        """Return where what is judged may not be strictly between two bounds."""

    @abstractmethod
    def points(self, place: int) -> Mapping[int, Point]:
        """Return the points of a moment, by operand."""

    @abstractmethod
    def reach(self, place: int) -> None:
        """Let the course know all that it must before the moment at a place."""

    @abstractmethod
    def close(self) -> None:
        """Let the course know all that it must of the stretch; after the last moment that was judged."""


class ValuePrefilter(Prefilter):
    """Of one operand of which is known what is judged, point by point."""

    def __init__(
        self,
        bound: BoundRule,
        course: OrderedConditionState,
        column: PointColumn,
        values: Values,
        judged: Mask,
    ) -> None:
        super().__init__(bound, course, column.times)
        self._column = column
        self._values = values
        self._judged = judged

    @classmethod
    def of(cls, bound: BoundRule, course: OrderedConditionState, column: PointColumn) -> ValuePrefilter:
        """Return the screen of a rule that judges a value, or how good it is."""
        condition = bound.rule.condition
        if not (isinstance(condition, ThresholdCondition) and isinstance(condition.transform, QualityRank)):
            return cls(bound, course, column, column.values, usable(bound, column))
        kinds, where = np.unique(column.flags, return_inverse=True)
        of_kinds = [QUALITY_RANKS.get(quality_word(int(one)), np.nan) for one in kinds]
        worth = np.array(of_kinds, np.float64)[where]
        return cls(bound, course, column, worth, ~np.isnan(worth))

    @property
    def judged(self) -> Mask:
        """Where the rule says anything at all."""
        return self._judged

    def beyond(self, low: float, high: float) -> Mask:
        """Return where what is judged is not strictly between two bounds."""
        found: Mask = self._judged & ~((self._values > low) & (self._values < high))
        return found

    def points(self, place: int) -> Mapping[int, Point]:
        """Return the point at a place."""
        return {0: self._column.point(place)}

    def reach(self, place: int) -> None:
        """Do nothing: such a value stands for itself."""

    def close(self) -> None:
        """Do nothing: of such a value nothing is remembered."""


def usable(bound: BoundRule, column: PointColumn) -> Mask:
    """Return which points of a column the rule takes, by their quality."""
    if bound.rule.quality == "any":
        return np.ones(len(column), np.bool_)
    found: Mask = (column.flags & UNUSABLE_FLAGS) == 0
    return found


def _counts(bound: BoundRule, times: Instants) -> Mask | None:
    """Return when the rule counts, by its times and its schedule; None: always."""
    rule = bound.rule
    if rule.schedule is None and rule.start == INSTANT_MIN and rule.end == INSTANT_MAX:
        return None
    found: Mask = (times >= rule.start) & (times < rule.end)
    if rule.schedule is None:
        return found
    hours, where = np.unique(times // HOUR, return_inverse=True)
    holds = np.array([_minutes(rule.schedule, int(one), bound.timezone) for one in hours], np.bool_)
    return found & holds[where, times % HOUR // MINUTE]


@lru_cache(maxsize=4_096)
def _minutes(schedule: WeeklySchedule, hour: int, timezone: str) -> tuple[bool, ...]:
    """Return in which minutes of an hour, of those since the epoch, a schedule holds."""
    return tuple(schedule.contains(time, timezone) for time in range(hour * HOUR, (hour + 1) * HOUR, MINUTE))
