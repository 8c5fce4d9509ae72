"""The course of a rule on an entity: how bad it was from when on, as far as the last points tell.

The law: a course is a function of the *set* of points, so late points end in the same course as those in
time. The newest `REORDER_POINTS_MAX` points are kept one by one; what they push out is in `settled` for
good. What comes older than that changes nothing here.

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

from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.evaluation.condition_value import OperandMemory, evaluate_condition
from twin.alarms.evaluation.level_state import LevelStates, SeverityChange
from twin.alarms.rules.expression import ExpressionError
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule_index import BoundRule
from twin.instant import INSTANT_MIN, Instant
from twin.quality.quality_flags import is_usable

REORDER_POINTS_MAX = 32
"""How many points may overtake one before it is too late to be evaluated."""


class BufferedPoint(NamedTuple):
    """A point of one of the rule's operands."""

    time: Instant
    operand: int
    point: Point


class ConditionChange(NamedTuple):
    """What new points, or time, made of a course: the shifts since the base, before and after."""

    base: int  #: severity before the first of them
    newest_time: Instant  #: time of the newest point before: what shifts earlier than that came late
    before: Sequence[SeverityChange]
    after: Sequence[SeverityChange]


class ConditionState(msgspec.Struct, array_like=True):
    """Owned by one partition of one worker. Mutable; goes into a checkpoint."""

    rule_version: int
    settled: LevelStates
    settled_memory: OperandMemory
    current: LevelStates
    memory: OperandMemory
    baseline: Baseline  #: as of the base
    buffered: list[BufferedPoint] = msgspec.field(default_factory=list)
    changes: list[SeverityChange] = msgspec.field(default_factory=list)  #: of the tip since the base
    frontier: Instant = INSTANT_MIN
    arrived_time: Instant = 0  #: log time at which the newest point came
    horizon: Instant = INSTANT_MIN  #: what the base has taken
    error: str = ""  #: why the newest point could not be judged

    @classmethod
    def initial(cls, bound: BoundRule) -> ConditionState:
        """Return the course before the first point."""
        return cls(
            bound.rule.version,
            LevelStates.initial(bound.level_config),
            OperandMemory.initial(bound),
            LevelStates.initial(bound.level_config),
            OperandMemory.initial(bound),
            Baseline(),
        )

    def severity(self, bound: BoundRule) -> int:
        """Return how bad it is now."""
        return self.current.severity(bound.level_config)

    def on_points(
        self, operand: int, points: Sequence[Point], bound: BoundRule, now: Instant
    ) -> ConditionChange | None:
        """Take in points of an operand, oldest first, at log time `now`; return what they change, or None."""
        base, before = self.settled.severity(bound.level_config), tuple(self.changes)
        reached = self.buffered[-1].time if self.buffered else self.horizon
        again = False
        taken = 0
        for point in points:
            place = self._place(operand, point)
            if place is None:
                continue
            taken += 1
            newest = place == len(self.buffered)
            kept = BufferedPoint(point.time, operand, point)
            if not newest and self.buffered[place][:2] == kept[:2]:
                self.buffered[place] = kept
            else:
                self.buffered.insert(place, kept)
            again = again or not newest or not self._follows(point.time)
            if not again:
                self._step(self.current, self.memory, (kept,), bound, self.changes)
            if newest:
                self.arrived_time, self.frontier = now, max(self.frontier, point.time)
        if not taken:
            return None
        if again:
            self._fold(bound)
        else:
            self.changes.extend(self.current.advance(self.frontier, bound.level_config))
        after = tuple(self.changes)
        self._shorten(bound)
        return ConditionChange(base, reached, before, after) if after != before else None

    def advance(self, bound: BoundRule, now: Instant) -> ConditionChange | None:
        """Let the clock of the log come to `now`; return what fell due, or None."""
        if not self.buffered:
            return None
        frontier = self.buffered[-1].time + max(0, now - self.arrived_time)
        found = self.current.advance(frontier, bound.level_config) if frontier > self.frontier else None
        if not found:
            return None
        # Only what falls due moves the frontier: to look at it once more, after a restart, changes nothing.
        self.frontier = frontier
        before = tuple(self.changes)
        self.changes.extend(found)
        return ConditionChange(
            self.settled.severity(bound.level_config), self.buffered[-1].time, before, tuple(self.changes)
        )

    def due(self, bound: BoundRule) -> Instant | None:
        """Return the log time at which something falls due if no point comes; None: nothing does."""
        due = self.current.due(bound.level_config)
        return self.arrived_time + due - self.buffered[-1].time if due is not None and self.buffered else None

    def resume(self, bound: BoundRule, severity: int, since: Instant) -> None:
        """Begin as bad as it was known to be since an instant; points up to then change nothing."""
        for progress in (self.settled, self.current):
            for crossing, level in zip(bound.level_config.levels, progress.levels, strict=True):
                level.active = crossing.severity <= severity
        self.horizon = since

    def reevaluated(self, bound: BoundRule) -> ConditionState:
        """Return the course of the same points by another rule, or another version of it."""
        other = ConditionState.initial(bound)
        number = len(bound.series)
        other.buffered = [one for one in self.buffered if one.operand < number]
        other.frontier, other.arrived_time, other.horizon = self.frontier, self.arrived_time, self.horizon
        other._fold(bound)
        return other

    def _place(self, operand: int, point: Point) -> int | None:
        """Return where a point belongs; None when it is known, or older than all that may still change."""
        if point.time <= self.horizon:
            return None
        place = bisect_left(self.buffered, (point.time, operand), key=lambda one: one[:2])
        known = place < len(self.buffered) and self.buffered[place][:2] == (point.time, operand)
        return None if known and self.buffered[place].point == point else place

    def _follows(self, time: Instant) -> bool:
        """Whether a point at a time can be added to the tip without looking back."""
        return time > self.current.time and (not self.changes or time > self.changes[-1].time)

    def _fold(self, bound: BoundRule) -> None:
        """Make tip and shifts anew from the base."""
        self.current, self.memory, self.changes = self.settled.copy(), self.settled_memory.copy(), []
        for _, group in groupby(self.buffered, key=lambda one: one.time):
            self._step(self.current, self.memory, tuple(group), bound, self.changes)
        self.changes.extend(self.current.advance(self.frontier, bound.level_config))

    def _step(
        self,
        progress: LevelStates,
        sight: OperandMemory,
        group: Sequence[BufferedPoint],
        bound: BoundRule,
        shifts: list[SeverityChange],
    ) -> None:
        points: Mapping[int, Point] = {one.operand: one.point for one in group}
        try:
            judged = evaluate_condition(group[0].time, points, sight, self.baseline, bound)
            self.error = ""
        except ExpressionError as error:
            judged, self.error = None, str(error)
        if judged is not None:
            shifts.extend(progress.on_value(judged, bound.level_config))

    def _shorten(self, bound: BoundRule) -> None:
        """Let the base take what may not change any more: whole times, so that operands stay together."""
        if len(self.buffered) <= REORDER_POINTS_MAX:
            return
        error = self.error
        while len(self.buffered) > REORDER_POINTS_MAX:
            self.horizon = time = self.buffered[0].time
            count = next((n for n, one in enumerate(self.buffered) if one.time > time), len(self.buffered))
            group, self.buffered = self.buffered[:count], self.buffered[count:]
            self._step(self.settled, self.settled_memory, group, bound, [])
            self.settled.advance(time, bound.level_config)
            if bound.uses_baseline and is_usable(group[0].point.flags):
                self.baseline.add(time, group[0].point.value, bound.timezone)
        self.changes = [one for one in self.changes if one.time > self.horizon]
        self.error = error
