"""Replay: a rule on one entity over stored history, by the evaluator that runs live.

Stretch after stretch, in event time, the points of the rule's operands are judged as on the live log, and an
`Alarm` follows. Where the rule is quiet, points that cannot change it are passed over without being made
(`twin.alarms.progress.quiet_range`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.alarms.alarm import Alarm, Moment
from twin.alarms.binding import BoundRule
from twin.alarms.column import Column, Values
from twin.alarms.course import Change
from twin.alarms.explanation import explain
from twin.alarms.firing import Firing, firings_of
from twin.alarms.following import follow
from twin.alarms.judging import WORTH
from twin.alarms.messages import AlarmEvent, alarm_id
from twin.alarms.operand import Point
from twin.alarms.progress import Shift, quiet_range
from twin.alarms.rule import Threshold, Worth
from twin.alarms.straight_course import StraightCourse
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant
from twin.model import CityModel
from twin.quality import UNUSABLE, quality_word


@dataclass(slots=True)
class Replay:
    """Where a replay is. Mutable."""

    bound: BoundRule
    model: CityModel
    alarm: Alarm
    course: StraightCourse
    events: list[AlarmEvent] = field(default_factory=list)
    error: str = ""  #: the first reason why points could not be judged
    _peaks: dict[int, float] = field(default_factory=dict)  #: by occurrence

    @classmethod
    def begun(cls, bound: BoundRule, model: CityModel) -> Replay:
        """Return the replay before the first point."""
        alarm = Alarm(alarm_id(bound.rule.id, bound.entity), bound.rule.id, bound.entity)
        alarm.describe(bound.rule, bound.entity)
        return cls(bound, model, alarm, StraightCourse.begun(bound), error=bound.fault)

    def take(self, columns: Sequence[Column]) -> None:
        """Take in the next stretch: a column for each operand."""
        if self.bound.fault:
            return
        known = len(self.events)
        if len(columns) == 1:
            self._take_one(columns[0])
            self._note_peaks(columns[0], known)
        else:
            self._take_several(columns)

    def end(self, end: Instant) -> None:
        """Let time come to the end of history."""
        self._follow(self.course.advance(end), end)

    def firings(self) -> list[Firing]:
        """Return what was raised, oldest first."""
        found = firings_of(self.events)
        for number, one in enumerate(found, 1):
            one.peak = self._peaks.get(number)
        return found

    def _take_one(self, column: Column) -> None:
        scan = _Scan(self.bound, column)
        place = scan.next(self.course, 0)
        while place < len(column):
            self._step({0: column.point(place)})
            place = scan.next(self.course, place + 1)

    def _take_several(self, columns: Sequence[Column]) -> None:
        times = np.concatenate([one.times for one in columns])
        operands = np.repeat(np.arange(len(columns)), [len(one) for one in columns])
        places = np.concatenate([np.arange(len(one)) for one in columns])
        order = np.lexsort((operands, times))
        together: dict[int, Point] = {}
        time = INSTANT_MIN
        for at, operand, place in zip(
            times[order].tolist(), operands[order].tolist(), places[order].tolist(), strict=True
        ):
            if at != time and together:
                self._step(together)
                together = {}
            together[operand], time = columns[operand].point(place), at
        if together:
            self._step(together)

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
        counted = _usable(self.bound, column)
        worst = max if self.bound.terms.above else min
        since = max(0, known - 1)  # what was under way was told by an event before
        for occurrence, (start, end) in _times(self.events[since:]).items():
            first, last = np.searchsorted(column.times, (start, end))
            values = column.values[first:last][counted[first:last]]
            if len(values):
                found = float(values.max() if self.bound.terms.above else values.min())
                self._peaks[occurrence] = worst(found, self._peaks.get(occurrence, found))


class _Scan:
    """Finds the next point of a stretch that may matter."""

    def __init__(self, bound: BoundRule, column: Column) -> None:
        self._bound = bound
        self._values = _judged(bound, column)
        self._usable = _usable(bound, column)
        # A value that does not count at its time, by a schedule, ends what is held, whatever it is.
        rule = bound.rule
        self._always = rule.schedule is None and rule.start == INSTANT_MIN and rule.end == INSTANT_MAX
        self._found: dict[tuple[float, float], NDArray[np.intp]] = {}

    def next(self, course: StraightCourse, place: int) -> int:
        """Return the first place from `place` on that may change the course; the end where none does."""
        if self._values is None or not (self._always or not course.progress.severity(self._bound.terms)):
            return place
        quiet = quiet_range(self._bound.terms, course.progress)
        if quiet is None:
            return place
        places = self._found.get(quiet)
        if places is None:
            low, high = quiet
            beyond = self._usable & ~((self._values > low) & (self._values < high))
            places = self._found[quiet] = np.flatnonzero(beyond)
        number = int(places.searchsorted(place))
        return int(places[number]) if number < len(places) else len(self._usable)


def _judged(bound: BoundRule, column: Column) -> Values | None:
    """Return what is compared of each point; None where that needs a look at others."""
    condition = bound.rule.condition
    if not isinstance(condition, Threshold):
        return None
    if condition.transform is None:
        return column.values
    if not isinstance(condition.transform, Worth):
        return None
    kinds, where = np.unique(column.flags, return_inverse=True)
    worth = [WORTH.get(quality_word(int(one)), np.nan) for one in kinds]
    return np.array(worth, np.float64)[where]


def _usable(bound: BoundRule, column: Column) -> NDArray[np.bool_]:
    condition = bound.rule.condition
    if isinstance(condition, Threshold) and isinstance(condition.transform, Worth):
        return np.ones(len(column), np.bool_)
    if bound.rule.quality == "any":
        return np.ones(len(column), np.bool_)
    usable: NDArray[np.bool_] = (column.flags & UNUSABLE) == 0
    return usable


def _times(events: Sequence[AlarmEvent]) -> dict[int, tuple[Instant, Instant]]:
    """Return when the occurrences that events tell of began and ended, both within what values are for."""
    found: dict[int, tuple[Instant, Instant]] = {}
    for one in events:
        if one.raised_time is not None:
            end = one.returned_time if one.returned_time is not None else INSTANT_MAX
            found[one.occurrence] = one.raised_time, end
    return found
