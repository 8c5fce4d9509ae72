"""Screens: which moments of a stretch of history can change where a rule is.

A screen knows of each moment what a rule would say there, or between which bounds, from arrays. What cannot
change anything is passed over; the rest is judged by the one evaluator, as on the live log. So a screen may
let through too much, and never too little.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.evaluation.condition_state import REORDER_POINTS_MAX
from twin.alarms.evaluation.condition_value import QUALITY_RANKS, RATE_POINTS_MIN, RECENT_MAX, deviation_unit
from twin.alarms.evaluation.level_state import inert_range
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule import Deviation, QualityRank, Rate, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule
from twin.alarms.rules.schedule import WeeklySchedule
from twin.backtest.ordered_condition_state import BaselineSamples, OrderedConditionState
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


# Screening rates of change: at which points a Theil-Sen slope may be beyond a bound.
#
# The median of the slopes of all pairs is at least a bound where at least half of them are. How many are is
# counted for every window at once, lag by lag.

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


# Screening deviations: what is usual is constant within an hour, and learned hour by hour.


class DeviationPrefilter(ValuePrefilter):
    """Of one operand of which is judged how far it is from what is usual; it learns what is."""

    def __init__(
        self, bound: BoundRule, course: OrderedConditionState, column: PointColumn, deviation: Deviation
    ) -> None:
        count = len(course.waiting.times)
        lessons = course.waiting.followed_by(column)
        # Live, what is usual is learned from points that may not change any more: so many later, after the
        # one that comes then is judged.
        learned = max(0, len(lessons.times) - REORDER_POINTS_MAX)
        self._waiting = lessons.part(slice(learned, None))
        self._usual = course.baseline.copy()
        means = _learn(self._usual, lessons.part(slice(learned)))
        self._means = [(place + REORDER_POINTS_MAX + 1 - count, hour, mean) for place, hour, mean in means]
        self._kept = 0
        values, known = self._deviations(column, deviation.measure, bound.timezone)
        super().__init__(bound, course, column, values, known & usable(bound, column))

    def _deviations(self, column: PointColumn, measure: str, timezone: str) -> tuple[Values, Mask]:
        """Return how far each point is from what is usual then, and where anything is."""
        hours = column.times // HOUR
        marks = {0, *(np.flatnonzero(np.diff(hours)) + 1).tolist(), *(one[0] for one in self._means)}
        edges = sorted(one for one in marks if 0 <= one < len(column))
        usual, means = self._usual, iter([*self._means, None])
        values = np.empty(len(edges))
        units = np.empty(len(edges))
        following = next(means)
        for number, edge in enumerate(edges):
            while following is not None and following[0] <= edge:
                usual.add_hourly_mean(*following[1:], timezone)
                following = next(means)
            expected = usual.value_at(int(column.times[edge]), timezone)
            values[number] = expected.value if expected is not None else 0.0
            units[number] = deviation_unit(measure, expected) if expected is not None else 0.0
        while following is not None:
            usual.add_hourly_mean(*following[1:], timezone)
            following = next(means)
        lengths = np.diff([*edges, len(column)])
        values, units = np.repeat(values, lengths), np.repeat(units, lengths)
        known = units > 0
        return (column.values - values) / np.where(known, units, 1.0), known

    def reach(self, place: int) -> None:
        """Let the course know what is usual at a place."""
        while self._kept < len(self._means) and self._means[self._kept][0] <= place:
            self.course.baseline.add_hourly_mean(*self._means[self._kept][1:], self.bound.timezone)
            self._kept += 1

    def close(self) -> None:
        """Let the course know what is usual after the stretch."""
        self.course.baseline, self.course.waiting = self._usual, self._waiting


def _learn(usual: Baseline, lessons: BaselineSamples) -> list[tuple[int, int, float]]:
    """Let what is usual go on summing; return (place, hour, mean) of each hour that was over there."""
    places = np.flatnonzero(
        ((lessons.flags & UNUSABLE_FLAGS) == 0) & (lessons.times // HOUR > usual.learned_hour)
    )
    if not len(places):
        return []
    hours = lessons.times[places] // HOUR
    begun = usual.count > 0
    if begun:
        # What is being summed is as a value of its own: sums are made in the same order as live.
        hours = np.concatenate([[usual.hour], hours])
    starts = np.concatenate([[0], np.flatnonzero(np.diff(hours)) + 1])
    of_hour = np.repeat(np.arange(len(starts)), np.diff([*starts, len(hours)]))
    values = lessons.values[places]
    totals = np.bincount(of_hour, np.concatenate([[usual.total], values]) if begun else values).tolist()
    counts = np.bincount(of_hour).tolist()
    if begun:
        counts[0] += usual.count - 1
    over = [
        (int(places[start - begun]), int(hours[start - 1]), totals[number] / counts[number])
        for number, start in enumerate(starts[1:].tolist())
    ]
    usual.hour, usual.total, usual.count = int(hours[-1]), totals[-1], counts[-1]
    return over


class ExpressionPrefilter(Prefilter):
    """Of an expression over one or several operands."""

    def __init__(
        self,
        bound: BoundRule,
        course: OrderedConditionState,
        columns: Sequence[PointColumn],
        *,
        erred: bool,
    ) -> None:
        """Screen a stretch; `erred`: it is known already why some values cannot be evaluated."""
        super().__init__(bound, course, np.unique(np.concatenate([one.times for one in columns])))
        self._columns = columns
        self._places = [np.flatnonzero(usable(bound, one)) for one in columns]
        self._latest: list[Places] = []
        self._reached = [-1] * len(columns)
        comes = np.zeros(len(self.times), np.bool_)
        judged = np.ones(len(self.times), np.bool_)
        operands: list[Values] = []
        for column, places, carried in zip(columns, self._places, course.memory.current, strict=True):
            times = column.times[places]
            latest = times.searchsorted(self.times, "right") - 1
            self._latest.append(latest)
            values, valid = _carried(carried, column.values[places], column.valid_until[places], latest)
            comes[self.times.searchsorted(times)] = True
            judged &= valid >= self.times
            operands.append(values)
        self._judged = judged & comes
        self._truth = np.full(len(self.times), np.nan)
        if self._judged.any():
            self._truth[self._judged] = bound.evaluate_many([one[self._judged] for one in operands])
        # Where it cannot be evaluated nothing is known; the first reason is told.
        failing = self._judged & np.isnan(self._truth)
        self._judged &= ~failing
        self._failing = np.flatnonzero(failing)[: 0 if erred else 1]

    @property
    def judged(self) -> Mask:
        """Where the rule says anything at all."""
        return self._judged

    def beyond(self, low: float, high: float) -> Mask:
        """Return where 1 for true, 0 for false is not strictly between two bounds."""
        found: Mask = self._judged & ~((self._truth > low) & (self._truth < high))
        return found

    def _matter(self, quiet: tuple[float, float], held: bool) -> Mask:
        found = super()._matter(quiet, held)
        found[self._failing] = True
        return found

    def points(self, place: int) -> Mapping[int, Point]:
        """Return the points of a moment, by operand."""
        time = self.times[place]
        found: dict[int, Point] = {}
        for number, column in enumerate(self._columns):
            at = int(column.times.searchsorted(time))
            if at < len(column) and column.times[at] == time:
                found[number] = column.point(at)
        return found

    def reach(self, place: int) -> None:
        """Let the course know the newest value of each operand."""
        for number, (column, places) in enumerate(zip(self._columns, self._places, strict=True)):
            latest = int(self._latest[number][place])
            if latest > self._reached[number]:
                self._reached[number] = latest
                self.course.memory.current[number] = column.point(int(places[latest]))

    def close(self) -> None:
        """Let the course know the last value of each operand."""
        self.reach(-1)


def _carried(
    carried: Point | None, values: Values, valid_until: Instants, latest: Places
) -> tuple[Values, Instants]:
    """Return the newest value at each moment and until when it is valid; -1 is what came before."""
    before = carried if carried is not None else _NOTHING
    padded = np.concatenate([[before.value], values])
    valid = np.concatenate([[before.valid_until], valid_until])
    return padded[latest + 1], valid[latest + 1]


_NOTHING = Point(INSTANT_MIN, 0.0, 0, INSTANT_MIN)
