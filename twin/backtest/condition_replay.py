"""The replay of a rule on one entity over stored history, by the evaluator that runs live.

Chunk after chunk, in event time, the points of the rule's operands are evaluated as on the live log, and an
`Alarm` follows. Points that cannot change the rule's state are skipped without being created
(`twin.backtest.prefilter`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from twin.alarms.alarm import Alarm, StreamTime
from twin.alarms.evaluation.alarm_transitions import apply_change
from twin.alarms.evaluation.condition_state import ConditionChange
from twin.alarms.evaluation.explanation import explain
from twin.alarms.evaluation.level_state import SeverityChange
from twin.alarms.messages import AlarmEvent, alarm_id
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule import Deviation, ExpressionCondition, Rate, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule
from twin.backtest.firing import Firing, firings_of
from twin.backtest.ordered_condition_state import OrderedConditionState
from twin.backtest.point_column import PointColumn
from twin.backtest.prefilter import (
    DeviationPrefilter,
    ExpressionPrefilter,
    Prefilter,
    RatePrefilter,
    ValuePrefilter,
    usable,
)
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant
from twin.model.city_model import CityModel


@dataclass(slots=True)
class ConditionReplay:
    """The state of a replay. Mutable."""

    bound: BoundRule
    model: CityModel
    alarm: Alarm
    condition_state: OrderedConditionState
    events: list[AlarmEvent] = field(default_factory=list)
    prefiltered: bool = True  #: False: every point is evaluated, for tests
    error: str = ""  #: why points could not be evaluated; the first reason
    _peaks: dict[int, float] = field(default_factory=dict)  #: by occurrence

    @classmethod
    def initial(
        cls,
        bound: BoundRule,
        model: CityModel,
        *,
        prefiltered: bool = True,
    ) -> Self:
        """Return the replay before the first point."""
        alarm = Alarm(alarm_id(bound.rule.id, bound.entity), bound.rule.id, bound.entity)
        alarm.apply_rule(bound.rule, bound.entity)
        state = OrderedConditionState.initial(bound)
        return cls(bound, model, alarm, state, prefiltered=prefiltered, error=bound.fault)

    def on_columns(self, columns: Sequence[PointColumn]) -> None:
        """Evaluate the next chunk: a column for each operand."""
        if self.bound.fault:
            return
        if not any(len(column) for column in columns):
            return
        events_before = len(self.events)
        prefilter = self._prefilter(columns)
        index = self._next(prefilter, 0)
        while index < len(prefilter.times):
            prefilter.reach(index)
            self._step(prefilter.points(index))
            index = self._next(prefilter, index + 1)
        prefilter.close()
        self._note_peaks(columns[0], events_before)

    def end(self, end: Instant) -> None:
        """Advance the time to the end of history."""
        self._apply_changes(self.condition_state.advance(end), end)

    def firings(self) -> list[Firing]:
        """Return the firings, oldest first."""
        found = firings_of(self.events)
        for number, firing in enumerate(found, 1):
            firing.peak = self._peaks.get(number)
        return found

    def _next(self, prefilter: Prefilter, index: int) -> int:
        return prefilter.next(index) if self.prefiltered else index

    def _prefilter(self, columns: Sequence[PointColumn]) -> Prefilter:
        condition = self.bound.rule.condition
        if isinstance(condition, ExpressionCondition):
            return ExpressionPrefilter(self.bound, self.condition_state, columns, erred=bool(self.error))
        assert isinstance(condition, ThresholdCondition)  # noqa: S101 - others have no operands
        match condition.transform:
            case Rate() as rate:
                return RatePrefilter(self.bound, self.condition_state, columns[0], rate)
            case Deviation() as deviation:
                return DeviationPrefilter(self.bound, self.condition_state, columns[0], deviation)
            case _:
                return ValuePrefilter.of(self.bound, self.condition_state, columns[0])

    def _step(self, points: Mapping[int, Point]) -> None:
        changes = self.condition_state.on_points(points)
        self.error = self.error or self.condition_state.error
        if changes:
            self._apply_changes(changes, changes[-1].time)

    def _apply_changes(self, changes: Sequence[SeverityChange], now: Instant) -> None:
        change = ConditionChange(0, INSTANT_MIN, (), changes)  # no change is late: time only advances
        self.events += apply_change(
            self.alarm, change, lambda shift: explain(shift, self.bound, self.model), StreamTime(now, 0)
        )

    def _note_peaks(self, column: PointColumn, events_before: int) -> None:
        """Update the worst value of each occurrence that a chunk overlaps."""
        condition = self.bound.rule.condition
        if (
            not isinstance(condition, ThresholdCondition)
            or condition.transform is not None
            or not len(column)
        ):
            return
        counted = usable(self.bound, column)
        worst = max if self.bound.level_config.above else min
        since = max(0, events_before - 1)  # the occurrence under way had its event before
        for occurrence, (start, end) in _occurrence_times(self.events[since:]).items():
            first, last = np.searchsorted(column.times, (start, end))
            values = column.values[first:last][counted[first:last]]
            if len(values):
                found = float(values.max() if self.bound.level_config.above else values.min())
                self._peaks[occurrence] = worst(found, self._peaks.get(occurrence, found))


def _occurrence_times(events: Sequence[AlarmEvent]) -> dict[int, tuple[Instant, Instant]]:
    """Return the start and the end of the occurrences that events have."""
    found: dict[int, tuple[Instant, Instant]] = {}
    for event in events:
        if event.raised_time is not None:
            end = event.returned_time if event.returned_time is not None else INSTANT_MAX
            found[event.occurrence] = event.raised_time, end
    return found
