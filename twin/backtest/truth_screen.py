"""Screening expressions: whether they are true at each moment, by the values that the operands have then.

Sensors have a resolution, so the same values come again and again: the program is evaluated once for each
combination of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from twin.alarms.rules.expression import ExpressionError
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule_index import BoundRule
from twin.backtest.ordered_condition_state import OrderedConditionState
from twin.backtest.point_column import Instants, PointColumn, Values
from twin.backtest.prefilter import Mask, Places, Prefilter, usable
from twin.instant import INSTANT_MIN

TRUTHS_MAX = 200_000
"""So many combinations of values are remembered for a rule, about 40 MB; then it begins anew."""


@dataclass(slots=True)
class ExpressionCache:
    """What the program of a rule says of values; for all entities. Mutable."""

    _known: dict[bytes, float] = field(default_factory=dict)

    def of(self, bound: BoundRule, operands: Sequence[Values]) -> Values:
        """Return 1 where the rule's expression is true of the operands' values, 0 where not, else NaN."""
        rows = np.ascontiguousarray(np.column_stack(operands))
        # The same bits are the same values.
        data, size, known = rows.tobytes(), rows.itemsize * len(operands), self._known
        truths: list[float] = []
        for place in range(len(rows)):
            key = data[place * size : (place + 1) * size]
            truth = known.get(key)
            truths.append(truth if truth is not None else self._evaluated(bound, rows[place], key))
        return np.array(truths, np.float64)

    def _evaluated(self, bound: BoundRule, row: Values, key: bytes) -> float:
        try:
            truth = float(bound.evaluate(row.tolist()))
        except ExpressionError:
            truth = np.nan
        if len(self._known) >= TRUTHS_MAX:
            self._known.clear()
        self._known[key] = truth
        return truth


class ExpressionPrefilter(Prefilter):
    """Of an expression over one or several operands."""

    def __init__(
        self,
        bound: BoundRule,
        course: OrderedConditionState,
        columns: Sequence[PointColumn],
        truths: ExpressionCache,
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
            self._truth[self._judged] = truths.of(bound, [one[self._judged] for one in operands])
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
