"""Screening rates of change: at which points a Theil-Sen slope may be beyond a bound.

The median of the slopes of all pairs is at least a bound where at least half of them are. How many are is
counted for every window at once, lag by lag.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twin.alarms.evaluation.condition_value import RATE_POINTS_MIN, RECENT_MAX
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule import Rate
from twin.alarms.rules.rule_index import BoundRule
from twin.backtest.ordered_condition_state import OrderedConditionState
from twin.backtest.point_column import PointColumn
from twin.backtest.prefilter import Mask, Places, Prefilter, usable

_MARGIN = 1e-9  # of a bound; a slope is rounded five times, each by 1e-16 of it


class RatePrefilter(Prefilter):
    """Of one operand of which is judged how fast it changes."""

    def __init__(
        self, bound: BoundRule, course: OrderedConditionState, column: PointColumn, rate: Rate
    ) -> None:
        super().__init__(bound, course, column.times)
        self._column = column
        self._per = rate.per
        self._usable = usable(bound, column)
        self._where: Places = np.flatnonzero(self._usable)
        self._fed = 0  # so many usable points are remembered by the course
        recent = course.memory.recent
        self._known = np.concatenate(
            [np.array([time for time, _ in recent], np.int64), column.times[self._where]]
        )
        self._values = np.concatenate(
            [np.array([value for _, value in recent], np.float64), column.values[self._where]]
        )
        ends = np.arange(len(recent), len(self._known))
        since = self._known.searchsorted(self._known[ends] - rate.span)
        first = np.maximum(ends - (RECENT_MAX - 1), since)
        enough = (ends - first + 1 >= RATE_POINTS_MIN) & (
            2 * (self._known[ends] - self._known[first]) >= rate.span
        )
        self._ends, self._first, self._places = ends[enough], first[enough], self._where[enough]
        self._judged = np.zeros(len(column), np.bool_)
        self._judged[self._places] = True

    @property
    def judged(self) -> Mask:
        """Where the rule says anything at all."""
        return self._judged

    def beyond(self, low: float, high: float) -> Mask:
        """Return where the rate may not be strictly between two bounds."""
        found = np.zeros(len(self.times), np.bool_)
        if len(self._ends):
            found[self._places] = self._reaches(high, 1.0) | self._reaches(-low, -1.0)
        return found

    def _reaches(self, bound: float, sign: float) -> Mask:
        """Return at which ends half of the slopes, times the sign, may be at least a bound."""
        if bound == np.inf:
            return np.zeros(len(self._ends), np.bool_)
        values, times = sign * self._values, self._known
        least = (bound - _MARGIN * abs(bound)) / self._per
        longest = int((self._ends - self._first).max())
        count = np.zeros(len(self._ends), np.int64)
        sums = np.zeros(len(values), np.int64)
        for lag in range(1, longest + 1):
            hits = values[lag:] - values[:-lag] >= least * (times[lag:] - times[:-lag])
            np.cumsum(hits, out=sums[1 : len(hits) + 1])
            count += sums[np.maximum(self._ends - lag + 1, self._first)] - sums[self._first]
        pairs = (self._ends - self._first) * (self._ends - self._first + 1) // 2
        found: Mask = 2 * count >= pairs
        return found

    def points(self, place: int) -> Mapping[int, Point]:
        """Return the point at a place."""
        return {0: self._column.point(place)}

    def reach(self, place: int) -> None:
        """Let the course remember the points before a place: those that its rate looks back to."""
        number = int(self._where.searchsorted(place))
        skipped = self._where[max(self._fed, number - RECENT_MAX) : number]
        times, values = self._column.times[skipped], self._column.values[skipped]
        recent = self.course.memory.recent
        recent.extend(zip(times.tolist(), values.tolist(), strict=True))
        del recent[:-RECENT_MAX]
        self._fed = number + bool(place < len(self._usable) and self._usable[place])

    def close(self) -> None:
        """Let the course remember the last points."""
        self.reach(len(self.times))
