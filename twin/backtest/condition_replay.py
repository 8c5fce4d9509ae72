"""Replay: a rule on one entity over stored history, by the evaluator that runs live.

Stretch after stretch, in event time, the points of the rule's operands are judged as on the live log, and an
`Alarm` follows. Where the rule is quiet, points that cannot change it are passed over without being made
(`twin.backtest.prefilter`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    """Where a replay is. Mutable."""

    bound: BoundRule
    model: CityModel
    alarm: Alarm
    condition_state: OrderedConditionState
    events: list[AlarmEvent] = field(default_factory=list)
    screened: bool = True  #: False: each point is judged, also where that cannot change anything
    error: str = ""  #: the first reason why points could not be judged
    _peaks: dict[int, float] = field(default_factory=dict)  #: by occurrence

    @classmethod
    def initial(
        cls,
        bound: BoundRule,
        model: CityModel,
        *,
        screened: bool = True,
    ) -> ConditionReplay:
        """Return the replay before the first point."""
        alarm = Alarm(alarm_id(bound.rule.id, bound.entity), bound.rule.id, bound.entity)
        alarm.apply_rule(bound.rule, bound.entity)
        course = OrderedConditionState.initial(bound)
        return cls(bound, model, alarm, course, screened=screened, error=bound.fault)

    def on_columns(self, columns: Sequence[PointColumn]) -> None:
        """Take in the next stretch: a column for each operand."""
        if self.bound.fault:
            return
        if not any(len(one) for one in columns):
            return
        known = len(self.events)
        screen = self._screen(columns)
        place = self._next(screen, 0)
        while place < len(screen.times):
            screen.reach(place)
            self._step(screen.points(place))
            place = self._next(screen, place + 1)
        screen.close()
        self._note_peaks(columns[0], known)

    def end(self, end: Instant) -> None:
        """Let time come to the end of history."""
        self._follow(self.condition_state.advance(end), end)

    def firings(self) -> list[Firing]:
        """Return what was raised, oldest first."""
        found = firings_of(self.events)
        for number, one in enumerate(found, 1):
            one.peak = self._peaks.get(number)
        return found

    def _next(self, screen: Prefilter, place: int) -> int:
        return screen.next(place) if self.screened else place

    def _screen(self, columns: Sequence[PointColumn]) -> Prefilter:
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
        shifts = self.condition_state.on_points(points)
        self.error = self.error or self.condition_state.error
        if shifts:
            self._follow(shifts, shifts[-1].time)

    def _follow(self, shifts: Sequence[SeverityChange], now: Instant) -> None:
        change = ConditionChange(0, INSTANT_MIN, (), shifts)  # nothing of it is late: it only goes on
        self.events += apply_change(
            self.alarm, change, lambda shift: explain(shift, self.bound, self.model), StreamTime(now, 0)
        )

    def _note_peaks(self, column: PointColumn, known: int) -> None:
        """Look through a stretch for the worst value of each occurrence that it has part in."""
        condition = self.bound.rule.condition
        if (
            not isinstance(condition, ThresholdCondition)
            or condition.transform is not None
            or not len(column)
        ):
            return
        counted = usable(self.bound, column)
        worst = max if self.bound.level_config.above else min
        since = max(0, known - 1)  # what was under way was told by an event before
        for occurrence, (start, end) in _times(self.events[since:]).items():
            first, last = np.searchsorted(column.times, (start, end))
            values = column.values[first:last][counted[first:last]]
            if len(values):
                found = float(values.max() if self.bound.level_config.above else values.min())
                self._peaks[occurrence] = worst(found, self._peaks.get(occurrence, found))


def _times(events: Sequence[AlarmEvent]) -> dict[int, tuple[Instant, Instant]]:
    """Return when the occurrences that events tell of began and ended, both within what values are for."""
    found: dict[int, tuple[Instant, Instant]] = {}
    for one in events:
        if one.raised_time is not None:
            end = one.returned_time if one.returned_time is not None else INSTANT_MAX
            found[one.occurrence] = one.raised_time, end
    return found
