"""Replay: a rule on one entity over stored history, by the evaluator that runs live.

Stretch after stretch, in event time, the points of the rule's operands are judged as on the live log, and an
`Alarm` follows. Where the rule is quiet, points that cannot change it are passed over without being made
(`twin.backtest.prefilter`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from twin.alarms.alarm import Alarm, Moment
from twin.alarms.evaluation.alarm_transitions import follow
from twin.alarms.evaluation.condition_state import Change
from twin.alarms.evaluation.explanation import explain
from twin.alarms.evaluation.level_state import Shift
from twin.alarms.messages import AlarmEvent, alarm_id
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule import Deviation, Expression, Rate, Threshold
from twin.alarms.rules.rule_index import BoundRule
from twin.backtest.deviation_screen import DeviationScreen
from twin.backtest.firing import Firing, firings_of
from twin.backtest.ordered_condition_state import StraightCourse
from twin.backtest.point_column import Column
from twin.backtest.prefilter import Screen, ValueScreen, usable
from twin.backtest.rate_screen import RateScreen
from twin.backtest.truth_screen import Truths, TruthScreen
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant
from twin.model.city_model import CityModel


@dataclass(slots=True)
class Replay:
    """Where a replay is. Mutable."""

    bound: BoundRule
    model: CityModel
    alarm: Alarm
    course: StraightCourse
    events: list[AlarmEvent] = field(default_factory=list)
    truths: Truths = field(default_factory=Truths)
    screened: bool = True  #: False: each point is judged, also where that cannot change anything
    error: str = ""  #: the first reason why points could not be judged
    _peaks: dict[int, float] = field(default_factory=dict)  #: by occurrence

    @classmethod
    def begun(
        cls, bound: BoundRule, model: CityModel, truths: Truths | None = None, *, screened: bool = True
    ) -> Replay:
        """Return the replay before the first point; `truths` are shared by those of one rule."""
        alarm = Alarm(alarm_id(bound.rule.id, bound.entity), bound.rule.id, bound.entity)
        alarm.describe(bound.rule, bound.entity)
        course = StraightCourse.begun(bound)
        known = truths if truths is not None else Truths()
        return cls(bound, model, alarm, course, truths=known, screened=screened, error=bound.fault)

    def take(self, columns: Sequence[Column]) -> None:
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
        self._follow(self.course.advance(end), end)

    def firings(self) -> list[Firing]:
        """Return what was raised, oldest first."""
        found = firings_of(self.events)
        for number, one in enumerate(found, 1):
            one.peak = self._peaks.get(number)
        return found

    def _next(self, screen: Screen, place: int) -> int:
        return screen.next(place) if self.screened else place

    def _screen(self, columns: Sequence[Column]) -> Screen:
        condition = self.bound.rule.condition
        if isinstance(condition, Expression):
            return TruthScreen(self.bound, self.course, columns, self.truths, erred=bool(self.error))
        assert isinstance(condition, Threshold)  # noqa: S101 - others have no operands
        match condition.transform:
            case Rate() as rate:
                return RateScreen(self.bound, self.course, columns[0], rate)
            case Deviation() as deviation:
                return DeviationScreen(self.bound, self.course, columns[0], deviation)
            case _:
                return ValueScreen.of(self.bound, self.course, columns[0])

    def _step(self, points: Mapping[int, Point]) -> None:
        shifts = self.course.step(points)
        self.error = self.error or self.course.error
        if shifts:
            self._follow(shifts, shifts[-1].time)

    def _follow(self, shifts: Sequence[Shift], now: Instant) -> None:
        change = Change(0, INSTANT_MIN, (), shifts)  # nothing of it is late: it only goes on
        self.events += follow(
            self.alarm, change, lambda shift: explain(shift, self.bound, self.model), Moment(now, 0)
        )

    def _note_peaks(self, column: Column, known: int) -> None:
        """Look through a stretch for the worst value of each occurrence that it has part in."""
        condition = self.bound.rule.condition
        if not isinstance(condition, Threshold) or condition.transform is not None or not len(column):
            return
        counted = usable(self.bound, column)
        worst = max if self.bound.terms.above else min
        since = max(0, known - 1)  # what was under way was told by an event before
        for occurrence, (start, end) in _times(self.events[since:]).items():
            first, last = np.searchsorted(column.times, (start, end))
            values = column.values[first:last][counted[first:last]]
            if len(values):
                found = float(values.max() if self.bound.terms.above else values.min())
                self._peaks[occurrence] = worst(found, self._peaks.get(occurrence, found))


def _times(events: Sequence[AlarmEvent]) -> dict[int, tuple[Instant, Instant]]:
    """Return when the occurrences that events tell of began and ended, both within what values are for."""
    found: dict[int, tuple[Instant, Instant]] = {}
    for one in events:
        if one.raised_time is not None:
            end = one.returned_time if one.returned_time is not None else INSTANT_MAX
            found[one.occurrence] = one.raised_time, end
    return found
