"""The course of a rule on an entity: how bad it was from when on, as far as the last points tell.

The law: a course is a function of the *set* of points, so late points end in the same course as those in
time. The newest `KEPT_MAX` points are kept one by one; what they push out is in `base` for good. What comes
older than that changes nothing here.

A course is evaluated up to its frontier: how far event time has come. A clock moves it on by as much as has
passed since the newest point came, never by more: a recording of last year, and a burst after an outage, are
evaluated as if they had come in time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from twin.alarms.evaluation.baseline import Usual
from twin.alarms.evaluation.condition_value import Sight, judge
from twin.alarms.evaluation.level_state import Progress, Shift
from twin.alarms.rules.expression import ExpressionError
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule_index import BoundRule
from twin.instant import INSTANT_MIN, Instant
from twin.quality.quality_flags import is_usable

KEPT_MAX = 32
"""How many points may overtake one before it is too late to be evaluated."""


class Kept(NamedTuple):
    """A point of one of the rule's operands."""

    time: Instant
    operand: int
    point: Point


class Change(NamedTuple):
    """What new points, or time, made of a course: the shifts since the base, before and after."""

    base: int  #: severity before the first of them
    reached: Instant  #: time of the newest point before: what shifts earlier than that came late
    before: Sequence[Shift]
    after: Sequence[Shift]


class Course(msgspec.Struct, array_like=True):
    """Owned by one partition of one worker. Mutable; goes into a checkpoint."""

    rule_version: int
    base: Progress
    base_sight: Sight
    tip: Progress
    sight: Sight
    usual: Usual  #: as of the base
    kept: list[Kept] = msgspec.field(default_factory=list)
    shifts: list[Shift] = msgspec.field(default_factory=list)  #: of the tip since the base
    frontier: Instant = INSTANT_MIN
    arrived: Instant = 0  #: log time at which the newest point came
    horizon: Instant = INSTANT_MIN  #: what the base has taken
    error: str = ""  #: why the newest point could not be judged

    @classmethod
    def begun(cls, bound: BoundRule) -> Course:
        """Return the course before the first point."""
        return cls(
            bound.rule.version,
            Progress.begun(bound.terms),
            Sight.begun(bound),
            Progress.begun(bound.terms),
            Sight.begun(bound),
            Usual(),
        )

    def severity(self, bound: BoundRule) -> int:
        """Return how bad it is now."""
        return self.tip.severity(bound.terms)

    def take(self, operand: int, points: Sequence[Point], bound: BoundRule, now: Instant) -> Change | None:
        """Take in points of an operand, oldest first, at log time `now`; return what they change, or None."""
        base, before = self.base.severity(bound.terms), tuple(self.shifts)
        reached = self.kept[-1].time if self.kept else self.horizon
        again = False
        taken = 0
        for point in points:
            place = self._place(operand, point)
            if place is None:
                continue
            taken += 1
            newest = place == len(self.kept)
            kept = Kept(point.time, operand, point)
            if not newest and self.kept[place][:2] == kept[:2]:
                self.kept[place] = kept
            else:
                self.kept.insert(place, kept)
            again = again or not newest or not self._follows(point.time)
            if not again:
                self._step(self.tip, self.sight, (kept,), bound, self.shifts)
            if newest:
                self.arrived, self.frontier = now, max(self.frontier, point.time)
        if not taken:
            return None
        if again:
            self._fold(bound)
        else:
            self.shifts.extend(self.tip.advance(self.frontier, bound.terms))
        after = tuple(self.shifts)
        self._shorten(bound)
        return Change(base, reached, before, after) if after != before else None

    def advance(self, bound: BoundRule, now: Instant) -> Change | None:
        """Let the clock of the log come to `now`; return what fell due, or None."""
        if not self.kept:
            return None
        frontier = self.kept[-1].time + max(0, now - self.arrived)
        found = self.tip.advance(frontier, bound.terms) if frontier > self.frontier else None
        if not found:
            return None
        # Only what falls due moves the frontier: to look at it once more, after a restart, changes nothing.
        self.frontier = frontier
        before = tuple(self.shifts)
        self.shifts.extend(found)
        return Change(self.base.severity(bound.terms), self.kept[-1].time, before, tuple(self.shifts))

    def due(self, bound: BoundRule) -> Instant | None:
        """Return the log time at which something falls due if no point comes; None: nothing does."""
        due = self.tip.due(bound.terms)
        return self.arrived + due - self.kept[-1].time if due is not None and self.kept else None

    def resume(self, bound: BoundRule, severity: int, since: Instant) -> None:
        """Begin as bad as it was known to be since an instant; points up to then change nothing."""
        for progress in (self.base, self.tip):
            for crossing, level in zip(bound.terms.crossings, progress.levels, strict=True):
                level.held = crossing.severity <= severity
        self.horizon = since

    def renewed(self, bound: BoundRule) -> Course:
        """Return the course of the same points by another rule, or another version of it."""
        other = Course.begun(bound)
        number = len(bound.series)
        other.kept = [one for one in self.kept if one.operand < number]
        other.frontier, other.arrived, other.horizon = self.frontier, self.arrived, self.horizon
        other._fold(bound)
        return other

    def _place(self, operand: int, point: Point) -> int | None:
        """Return where a point belongs; None when it is known, or older than all that may still change."""
        if point.time <= self.horizon:
            return None
        place = bisect_left(self.kept, (point.time, operand), key=lambda one: one[:2])
        known = place < len(self.kept) and self.kept[place][:2] == (point.time, operand)
        return None if known and self.kept[place].point == point else place

    def _follows(self, time: Instant) -> bool:
        """Whether a point at a time can be added to the tip without looking back."""
        return time > self.tip.time and (not self.shifts or time > self.shifts[-1].time)

    def _fold(self, bound: BoundRule) -> None:
        """Make tip and shifts anew from the base."""
        self.tip, self.sight, self.shifts = self.base.copy(), self.base_sight.copy(), []
        for _, group in groupby(self.kept, key=lambda one: one.time):
            self._step(self.tip, self.sight, tuple(group), bound, self.shifts)
        self.shifts.extend(self.tip.advance(self.frontier, bound.terms))

    def _step(
        self,
        progress: Progress,
        sight: Sight,
        group: Sequence[Kept],
        bound: BoundRule,
        shifts: list[Shift],
    ) -> None:
        points: Mapping[int, Point] = {one.operand: one.point for one in group}
        try:
            judged = judge(group[0].time, points, sight, self.usual, bound)
            self.error = ""
        except ExpressionError as error:
            judged, self.error = None, str(error)
        if judged is not None:
            shifts.extend(progress.step(judged, bound.terms))

    def _shorten(self, bound: BoundRule) -> None:
        """Let the base take what may not change any more: whole times, so that operands stay together."""
        if len(self.kept) <= KEPT_MAX:
            return
        error = self.error
        while len(self.kept) > KEPT_MAX:
            self.horizon = time = self.kept[0].time
            count = next((n for n, one in enumerate(self.kept) if one.time > time), len(self.kept))
            group, self.kept = self.kept[:count], self.kept[count:]
            self._step(self.base, self.base_sight, group, bound, [])
            self.base.advance(time, bound.terms)
            if bound.learns and is_usable(group[0].point.flags):
                self.usual.add(time, group[0].point.value, bound.timezone)
        self.shifts = [one for one in self.shifts if one.time > self.horizon]
        self.error = error
