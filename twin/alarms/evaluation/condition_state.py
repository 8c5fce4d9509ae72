"""The state of a rule on an entity: its severity over time, as far as the last points show.

The state is a function of the *set* of points, so late points lead to the same state as points in time. The
newest `REORDER_POINTS_MAX` points are buffered one by one; older ones are settled. Points older than the
settled ones change nothing here: their time is noted (`take_late_time`), and the state is corrected from
stored history (`corrected`).

A state is evaluated up to its frontier in event time. The clock moves the frontier by the time that has
passed since the newest point arrived, never by more. So a recording of last year, and a burst after an
outage, are evaluated as if their points had arrived in time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.evaluation.condition_value import OperandMemory, evaluate_condition
from twin.alarms.evaluation.level_state import LevelStates, SeverityChange, inert_range
from twin.alarms.rules.expression import ExpressionError
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule_index import BoundRule
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant
from twin.quality.quality_flags import is_usable

REORDER_POINTS_MAX = 32
"""The number of points that may overtake a point before it is too late for evaluation."""

INERT_POINTS_MIN = 4
"""With fewer points it takes longer to find out whether they change anything than to evaluate them."""


class BufferedPoint(NamedTuple):
    """A point of one of the rule's operands."""

    time: Instant
    operand: int
    point: Point


class ConditionChange(NamedTuple):
    """The severity changes since the settled state, before and after an update."""

    base: int  #: severity before the first change
    newest_time: Instant  #: time of the newest point before; earlier changes are due to late data
    before: Sequence[SeverityChange]
    after: Sequence[SeverityChange]


class KnownSeverity(NamedTuple):
    """The severity of a rule before a time, as stored history has it."""

    time: Instant
    severity: int


class ConditionState(msgspec.Struct, array_like=True):
    """The state of one rule on one entity. Mutable; owned by one partition; part of a checkpoint."""

    rule_version: int
    settled: LevelStates
    settled_memory: OperandMemory
    current: LevelStates
    memory: OperandMemory
    baseline: Baseline  #: as of the settled state
    buffered: list[BufferedPoint] = msgspec.field(default_factory=list)
    #: from the settled to the current state
    changes: list[SeverityChange] = msgspec.field(default_factory=list)
    frontier: Instant = INSTANT_MIN
    arrived_time: Instant = 0  #: log time at which the newest point arrived
    horizon: Instant = INSTANT_MIN  #: time of the newest settled point
    error: str = ""  #: why the newest point could not be evaluated
    late_time: Instant = INSTANT_MAX  #: of the earliest point that was older than the settled ones
    #: points up to here are those of stored history, until the log has another one
    stored_until: Instant = INSTANT_MIN
    #: (time, operand) of points up to `stored_until` that the log has changed since
    amended: set[tuple[Instant, int]] = msgspec.field(default_factory=set)
    #: (time, operand) of points that differ from those of the last correction, until the log has another one
    doubted: set[tuple[Instant, int]] = msgspec.field(default_factory=set)
    #: the horizon when a correction was last refused, and another repair requested
    repaired_to: Instant = INSTANT_MIN
    #: the newest point when a repair was last requested: the next correction may lack later ones
    awaited_until: Instant = INSTANT_MAX
    #: the earliest point that came behind newer ones since a repair was last requested: storage may lack its
    #: verdict
    overtaken_from: Instant = INSTANT_MAX

    @classmethod
    def initial(cls, bound: BoundRule) -> ConditionState:
        """Return the state before the first point."""
        return cls(
            bound.rule.version,
            LevelStates.initial(bound.level_config),
            OperandMemory.initial(bound),
            LevelStates.initial(bound.level_config),
            OperandMemory.initial(bound),
            Baseline(),
        )

    @classmethod
    def from_history(
        cls,
        bound: BoundRule,
        points: Sequence[BufferedPoint],
        begin: KnownSeverity,
        warm: KnownSeverity,
        baseline: Baseline,
    ) -> tuple[ConditionState, list[SeverityChange]]:
        """Return the state after stored points, and its severity changes from the time of `warm` on.

        Points before `begin` only give operands their value. Those from `begin` to `warm` are evaluated for
        delays and counts. `points` are in order of time and operand.
        """
        state = cls.initial(bound)
        state.baseline = baseline
        first = bisect_left(points, begin.time, key=lambda one: one.time)
        middle = bisect_left(points, warm.time, key=lambda one: one.time)
        for buffered in points[:first]:
            if bound.rule.quality == "any" or is_usable(buffered.point.flags):
                state.settled_memory.current[buffered.operand] = buffered.point
        state.settled.restore_severity(begin.severity, bound.level_config)
        for _, group in groupby(points[first:middle], key=lambda one: one.time):
            state._step(state.settled, state.settled_memory, tuple(group), bound, [])
        state.settled.advance(warm.time - 1, bound.level_config)
        state.settled.restore_severity(warm.severity, bound.level_config)
        state.horizon = warm.time - 1
        state.buffered = list(points[middle:])
        state.frontier = state.newest_time
        state._rebuild(bound)
        changes = list(state.changes)
        state._settle(bound)
        return state, changes

    @property
    def newest_time(self) -> Instant:
        """Return the time of the newest point."""
        return self.buffered[-1].time if self.buffered else self.horizon

    def severity(self, bound: BoundRule) -> int:
        """Return the present severity."""
        return self.current.severity(bound.level_config)

    def on_points(
        self, operand: int, points: Sequence[Point], bound: BoundRule, now: Instant
    ) -> ConditionChange | None:
        """Add points of an operand, oldest first, at log time `now`; return what they change, or None."""
        base, before = self.settled.severity(bound.level_config), tuple(self.changes)
        newest_time = self.newest_time
        must_rebuild = False
        added = 0
        for point in points:
            if point.time <= self.horizon:
                self.late_time = min(self.late_time, point.time)
                continue
            self._note_sent((point.time, operand))
            index = self._index_of(operand, point)
            if index is None:
                continue
            if point.time < newest_time:
                self.overtaken_from = min(self.overtaken_from, point.time)
            if point.is_withdrawn:
                del self.buffered[index]
                added, must_rebuild = added + 1, True
                continue
            added += 1
            newest = index == len(self.buffered)
            buffered = BufferedPoint(point.time, operand, point)
            if not newest and self.buffered[index][:2] == buffered[:2]:
                self.buffered[index] = buffered
            else:
                self.buffered.insert(index, buffered)
            must_rebuild = must_rebuild or not newest or not self._extends_current(point.time)
            if not must_rebuild:
                self._step(self.current, self.memory, (buffered,), bound, self.changes)
            if newest:
                self.arrived_time, self.frontier = now, max(self.frontier, point.time)
        if not added:
            return None
        if must_rebuild:
            self._rebuild(bound)
        else:
            self.changes.extend(self.current.advance(self.frontier, bound.level_config))
        after = tuple(self.changes)
        self._settle(bound)
        return ConditionChange(base, newest_time, before, after) if after != before else None

    def _note_sent(self, key: tuple[Instant, int]) -> None:
        """Note that the log has sent a point: it is no longer known from stored history."""
        if key[0] <= self.stored_until:
            self.amended.add(key)
        self.doubted.discard(key)

    def advance(self, bound: BoundRule, now: Instant) -> ConditionChange | None:
        """Advance the clock of the log to `now`; return the changes that fell due, or None."""
        if not self.buffered:
            return None
        frontier = self.buffered[-1].time + max(0, now - self.arrived_time)
        found = self.current.advance(frontier, bound.level_config) if frontier > self.frontier else None
        if not found:
            return None
        # Only due changes move the frontier, so a repeated call after a restart changes nothing.
        self.frontier = frontier
        before = tuple(self.changes)
        self.changes.extend(found)
        return ConditionChange(
            self.settled.severity(bound.level_config), self.buffered[-1].time, before, tuple(self.changes)
        )

    def due(self, bound: BoundRule) -> Instant | None:
        """Return the log time of the next change if no point arrives; None: there is none."""
        due = self.current.due(bound.level_config)
        return self.arrived_time + due - self.buffered[-1].time if due is not None and self.buffered else None

    def take_late_time(self) -> Instant:
        """Return the time of the earliest point that was older than the settled ones, and forget it."""
        late, self.late_time = self.late_time, INSTANT_MAX
        return late

    def corrected(
        self, other: ConditionState, bound: BoundRule, reached: Instant = INSTANT_MIN
    ) -> ConditionState:
        """Return the state of stored history, `other`, with the points that this state knows better.

        Those are the points newer than the settled ones that came over the log: a point of stored history may
        have been repaired there since. `other` reaches up to the settled ones, unless the newest of them were
        withdrawn. Time has passed up to `reached`.

        Where the two differ, it is not known which one is newer: this state keeps its point, and notes that
        it is `doubted`. A repair that is requested now waits until all is stored that the log has sent. If
        the log has not sent the point again when its correction arrives, the point of storage is right.
        """
        after = self.horizon
        if after == INSTANT_MIN and self.buffered and self.stored_until == INSTANT_MIN:
            after = self.buffered[0].time - 1
        after = max(after, self.stored_until)
        own = {one[:2]: one for one in self.buffered if one.time > other.horizon}
        points = {one[:2]: one for one in other.buffered}
        doubted: set[tuple[Instant, int]] = set()
        if self.buffered:
            known = {key for key in own.keys() | points.keys() if key[0] > after or key in self.amended}
            differing = self._differing(known, own, points)
            doubted = differing - self.doubted
            for key in known - (differing & self.doubted):
                if key in own:
                    points[key] = own[key]
                else:
                    points.pop(key, None)
        found = ConditionState(
            other.rule_version,
            other.settled.copy(),
            other.settled_memory.copy(),
            other.current,
            other.memory,
            other.baseline.copy(),
            [points[key] for key in sorted(points)],
            [],
            max(self.frontier, other.frontier, reached),
            self.arrived_time if self.buffered else other.arrived_time,
            other.horizon,
            stored_until=after if self.buffered else other.newest_time,
            amended={key for key in self.amended if key[0] > other.horizon},
            doubted=doubted,
            overtaken_from=self.overtaken_from,
        )
        found._rebuild(bound)
        return found

    def is_newer_than(self, other: ConditionState) -> bool:
        """Return whether this state has settled what the state of stored history, `other`, may lack.

        That are points newer than all stored ones, and points that came behind newer ones after the repair
        was requested: storage has these as soon as they are received, but their verdicts only when the
        stream has told them, and the settled state cannot be computed again.
        """
        is_behind = other.newest_time < self.horizon != self.repaired_to
        return is_behind or self.overtaken_from <= max(self.horizon, other.horizon)

    def note_request(self) -> None:
        """Note that a repair is requested: it will have all that is known here now."""
        self.awaited_until, self.overtaken_from = self.newest_time, INSTANT_MAX

    def _differing(
        self,
        known: Iterable[tuple[Instant, int]],
        own: Mapping[tuple[Instant, int], BufferedPoint],
        stored: Mapping[tuple[Instant, int], BufferedPoint],
    ) -> set[tuple[Instant, int]]:
        """Return which of these points are not the same here and in storage.

        Of the own points, from the newest stored one of their operand on, those are left out that came after
        the request for a repair: they are on their way to storage. A point that only storage has may have
        been repaired there after the log had withdrawn it, also if it is newer than all own ones.
        """
        ends: dict[int, Instant] = {}
        for time, operand in sorted(stored):
            ends[operand] = time

        def differs(key: tuple[Instant, int]) -> bool:
            if key not in own:
                return True
            is_on_its_way = key[0] > max(self.awaited_until, ends.get(key[1], INSTANT_MIN) - 1)
            return not is_on_its_way and (key not in stored or own[key].point[:4] != stored[key].point[:4])

        return {key for key in known if differs(key)}

    def resume(self, bound: BoundRule, severity: int, since: Instant) -> None:
        """Start with the severity that was known since an instant; points up to then change nothing."""
        for states in (self.settled, self.current):
            states.restore_severity(severity, bound.level_config)
        self.horizon = since

    def reevaluated(self, bound: BoundRule) -> ConditionState:
        """Return the state of the same points by another rule, or by another version of the rule."""
        other = ConditionState.initial(bound)
        operands = len(bound.series)
        other.buffered = [one for one in self.buffered if one.operand < operands]
        other.frontier, other.arrived_time, other.horizon = self.frontier, self.arrived_time, self.horizon
        other.stored_until, other.amended = self.stored_until, set(self.amended)
        other.doubted, other.awaited_until = set(self.doubted), self.awaited_until
        other.overtaken_from = self.overtaken_from
        other._rebuild(bound)
        return other

    def _index_of(self, operand: int, point: Point) -> int | None:
        """Return the index for a point; None if the state would be the same with it."""
        index = bisect_left(self.buffered, (point.time, operand))  # which is before the point of this key
        known = index < len(self.buffered) and self.buffered[index][:2] == (point.time, operand)
        if point.is_withdrawn:
            return index if known else None
        return None if known and self.buffered[index].point == point else index

    def _extends_current(self, time: Instant) -> bool:
        """Whether a point at a time extends the current state without a rebuild."""
        return time > self.current.time and (not self.changes or time > self.changes[-1].time)

    def _rebuild(self, bound: BoundRule) -> None:
        """Compute the current state and its changes anew from the settled state."""
        self.current, self.memory, self.changes = self.settled.copy(), self.settled_memory.copy(), []
        for _, group in groupby(self.buffered, key=lambda one: one.time):
            self._step(self.current, self.memory, tuple(group), bound, self.changes)
        self.changes.extend(self.current.advance(self.frontier, bound.level_config))

    def _step(
        self,
        states: LevelStates,
        memory: OperandMemory,
        group: Sequence[BufferedPoint],
        bound: BoundRule,
        changes: list[SeverityChange],
    ) -> None:
        points: Mapping[int, Point] = {one.operand: one.point for one in group}
        try:
            value = evaluate_condition(group[0].time, points, memory, self.baseline, bound)
            self.error = ""
        except ExpressionError as error:
            value, self.error = None, str(error)
        if value is not None:
            changes.extend(states.on_value(value, bound.level_config))

    def _settle(self, bound: BoundRule) -> None:
        """Settle the oldest points beyond the bound, whole times only, so that operands stay together."""
        if len(self.buffered) <= REORDER_POINTS_MAX:
            return
        error, uses_baseline = self.error, bound.uses_baseline
        buffered = self.buffered
        begin = self._inert_count(buffered[: len(buffered) - REORDER_POINTS_MAX], bound)
        while len(buffered) - begin > REORDER_POINTS_MAX:
            self.horizon = time = buffered[begin].time
            end = bisect_left(buffered, (time + 1,), begin)
            group, begin = buffered[begin:end], end
            self._step(self.settled, self.settled_memory, group, bound, [])
            self.settled.advance(time, bound.level_config)
            if uses_baseline and is_usable(group[0].point.flags):
                self.baseline.add(time, group[0].point.value, bound.timezone)
        self.buffered = buffered[begin:]
        self.changes = [one for one in self.changes if one.time > self.horizon]
        self.amended = {key for key in self.amended if key[0] > self.horizon}
        self.doubted = {key for key in self.doubted if key[0] > self.horizon}
        self.error = error

    def _inert_count(self, points: Sequence[BufferedPoint], bound: BoundRule) -> int:
        """Return how many of the oldest points need not be settled one by one.

        They change no level, and are followed by another such point, which says the same about all of them.
        """
        rule = bound.rule
        if len(points) < INERT_POINTS_MIN or not bound.compares_values:
            return 0
        inert = inert_range(bound.level_config, self.settled)
        if inert is None or not rule.start <= points[0].time <= points[-1].time < rule.end:
            return 0
        low, high = inert
        count = 0
        for one in points:
            if not low < one.point.value < high or not is_usable(one.point.flags):
                break
            count += 1
        return max(0, count - 1)
