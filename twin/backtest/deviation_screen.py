"""Screening deviations: what is usual is constant within an hour, and learned hour by hour."""

from __future__ import annotations

import numpy as np

from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.evaluation.condition_state import REORDER_POINTS_MAX
from twin.alarms.evaluation.condition_value import deviation_unit
from twin.alarms.rules.rule import Deviation
from twin.alarms.rules.rule_index import BoundRule
from twin.backtest.ordered_condition_state import BaselineSamples, OrderedConditionState
from twin.backtest.point_column import PointColumn, Values
from twin.backtest.prefilter import Mask, ValuePrefilter, usable
from twin.instant import HOUR
from twin.quality.quality_flags import UNUSABLE_FLAGS


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
