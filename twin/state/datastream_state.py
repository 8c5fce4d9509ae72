"""The state of a datastream: its newest observations, calibrated and checked, and their windows.

The state is a function of the *set* of observations, so any order of arrival ends in the same state. Three
rules ensure that:

- Of two observations with the same phenomenon time the one that became known later stays
  (`twin.model.observation.order_of_knowledge`).
- The newest `RECENT_MAX` observations are kept one by one. Older ones are *folded* into accumulators, in the
  order of phenomenon times. Which observations of a set are the newest N does not depend on their arrival.
- The quality check of an observation uses those measured before it, and the next ones may withdraw a finding.
  After a late observation its neighbours are checked again; the last `CONTEXT_MAX` folded observations are
  kept for that.
- A run of equal values is stuck as a whole: when it is found, its first values get STUCK and FOUND_LATER.
  What is known of the observations before those in memory is in a `PrecedingHistory`.

An observation older than the newest folded one has the outcome REPAIR: storage recomputes its windows from
all stored observations. A result names where else folded values changed: the beginning of a stuck run.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from twin.instant import INSTANT_MIN, Duration, Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import BY_TIME, LastGoodValue, Observation, order_of_knowledge
from twin.quality.constant_run import ConstantRun, extend_run, extend_run_over, is_stuck
from twin.quality.level_shift import QUALITY_LOOKAHEAD
from twin.quality.quality_check import (
    CLEARABLE_FLAGS,
    CONTEXT_MAX,
    GAP_INTERVALS_MAX,
    QualityResult,
    check_quality,
    check_times,
)
from twin.quality.quality_flags import STUCK_FOUND_LATER, TIME_FLAGS, UNUSABLE_FLAGS, QualityFlag, is_usable
from twin.quality.stuck_runs import (
    has_clearable_rules,
    is_stuck_by_itself,
    long_run,
    mark_stuck_runs,
)
from twin.state.freshness import live_duration
from twin.state.open_windows import EmittedWindow, IdlePeriod, OpenWindows, WindowKey, idle_until
from twin.state.preceding_history import (
    PrecedingHistory,
    RegisterReading,
    StoredHistory,
    increase_up_to,
    increases_of,
    register_after,
)
from twin.state.window import WindowAccumulator
from twin.wire.messages import Update

LATE_MAX = 32
"""How many observations may overtake a late one before it is too late for the windows in memory."""

RECENT_MAX = CONTEXT_MAX + LATE_MAX

SEED_MAX = RECENT_MAX + CONTEXT_MAX
"""Of how many stored observations a state is rebuilt: each that it keeps is judged with its whole context."""

CONTEXT_SPAN_MAX = CONTEXT_MAX * GAP_INTERVALS_MAX
"""How many intervals after an observation others are checked with it as context."""

_NONE: list[QualityResult] = []

# Plain integers: the operators of an enumeration cost a microsecond each.
_STUCK = int(QualityFlag.STUCK)
_FOUND_LATER = int(QualityFlag.FOUND_LATER)
_UNSETTLED_FLAGS = _STUCK | CLEARABLE_FLAGS


class ObservationOutcome(StrEnum):
    """The effect of an observation on the state of its datastream; exactly one for each observation."""

    ACCEPTED = "accepted"  #: newer than the state: it is the state now
    CORRECTION = "correction"  #: same time as a known one, other value or flags, known later: it replaces it
    DUPLICATE = "duplicate"  #: same time, same value, same flags
    SUPERSEDED = "superseded"  #: same time as a known one, other value, known earlier: it is ignored
    LATE = "late"  #: older than the state: it enters windows and history
    REPAIR = "repair"  #: too old for the windows in memory: they are recomputed from history
    FUTURE = "future"  #: dated too far after its reception: refused


class ObservationResult(NamedTuple):
    """The effect of one observation."""

    outcome: ObservationOutcome
    quality_results: list[QualityResult]  #: the new and the changed ones
    update: Update | None = None  #: set by `EntityState`: the change of its entity
    #: from when on folded values have other flags now; their windows are recomputed from history
    changed_since: Instant | None = None


class DatastreamState:
    """The state of one datastream. Mutable, owned by one partition of one worker."""

    __slots__ = (
        "_assessed",
        "_folded_count",
        "_idle",
        "_is_last_good_current",
        "_last_good",
        "_points",
        "_preceding",
        "_recent",
        "_register",
        "_run",
        "_stuck_start",
        "_unsettled",
        "_windows",
    )

    def __init__(self, preceding: PrecedingHistory | None = None) -> None:
        """Make an empty state; `preceding` is what is known of observations before the first one."""
        self._recent: list[Observation] = []  # as received, ascending
        # calibrated and checked; the same object where nothing changes
        self._assessed: list[Observation] = []
        self._points: list[tuple[Instant, float]] = []  # the same as (time, value), for the quality check
        self._folded_count = 0  # how many of the first observations are folded
        self._preceding = preceding  # before those in memory
        # of a counter: after the folded ones
        self._register = preceding.register_before_memory if preceding is not None else None
        self._run = preceding.run if preceding is not None else None  # ends with the newest
        self._stuck_start: Instant | None = None  # of the run that ends with the newest, once it is stuck
        self._unsettled = 0  # how many more observations may change the flags of the last ones
        self._last_good: LastGoodValue | None = None
        self._is_last_good_current = preceding is None
        self._windows = OpenWindows()
        self._idle: IdlePeriod | None = None

    @property
    def newest(self) -> Observation:
        """Return the newest observation, calibrated and checked; raise IndexError while there is none."""
        return self._assessed[-1]

    @property
    def last_good(self) -> LastGoodValue | None:
        """Return the newest usable value, or None."""
        if not self._is_last_good_current:
            self._last_good = newest_good_value(self._assessed, self._preceding)
            self._is_last_good_current = True
        return self._last_good

    @property
    def assessed(self) -> Sequence[Observation]:
        """Return the observations in memory, calibrated and checked, ascending; read only."""
        return self._assessed

    @property
    def complete_from(self) -> Instant:
        """Return the time from which all observations are in memory."""
        return self._recent[0].phenomenon_time if self._preceding is not None else INSTANT_MIN

    def observe(
        self, observation: Observation, policy: DatastreamPolicy, future_max: Duration
    ) -> ObservationResult:
        """Add one observation."""
        time = observation.phenomenon_time
        if time - observation.received_time > future_max:
            return ObservationResult(ObservationOutcome.FUTURE, _NONE)
        recent = self._recent
        if not recent or time > recent[-1].phenomenon_time:
            return self._append(observation, policy)
        index = bisect_left(recent, time, key=BY_TIME)
        if recent[index].phenomenon_time == time:
            return self._observe_again(index, observation, policy)
        if index < self._folded_count:
            return self._insert_folded(index, observation, policy)
        newest = recent[-1].phenomenon_time
        increases = self._increases(policy)
        self._insert(index, observation, policy)
        quality_results, changed_since = self._assess_from(index, policy, new=index)
        self._windows.mark_changed(time, newest, policy.sizes)
        self._mark_recounted(increases, policy)
        self._fold_oldest(policy)
        return ObservationResult(ObservationOutcome.LATE, quality_results, None, changed_since)

    def _insert(self, index: int, observation: Observation, policy: DatastreamPolicy) -> None:
        time, value = observation.phenomenon_time, observation.value
        self._recent.insert(index, observation)
        self._assessed.insert(index, observation)
        self._points.insert(index, (time, policy.calibrated(value, time)))

    def _append(self, observation: Observation, policy: DatastreamPolicy) -> ObservationResult:
        recent, time = self._recent, observation.phenomenon_time
        if recent:
            self._windows.close(recent[-1].phenomenon_time, time, policy.sizes)
        recent.append(observation)
        newest, self._run = self._assess(len(recent) - 1, self._run, policy)
        self._assessed.append(newest)
        self._points.append((time, newest.value))
        flags = newest.flags
        if self._unsettled or flags & _UNSETTLED_FLAGS:
            result = self._settle(policy)
            self._fold_oldest(policy)
            return result
        if not flags & UNUSABLE_FLAGS:
            self._last_good = LastGoodValue(newest.value, time)
            self._is_last_good_current = True
        self._fold_oldest(policy)
        flags &= ~TIME_FLAGS
        if flags == observation.flags:
            return _ACCEPTED
        return ObservationResult(ObservationOutcome.ACCEPTED, [QualityResult(time, flags)])

    def _settle(self, policy: DatastreamPolicy) -> ObservationResult:
        """Check the last observations again if the newest one may change their flags."""
        index = len(self._recent) - 1
        newest, run = self._assessed[index], self._run
        is_found = (
            newest.flags & _STUCK != 0
            and run is not None
            and run.start != self._stuck_start
            and not self._recent[index].flags & _STUCK
        )
        if is_found or self._unsettled:
            self._unsettled = max(0, self._unsettled - 1)
            increases = self._increases(policy)
            quality_results, changed_since = self._assess_from(index, policy, new=index)
            self._mark_recounted(increases, policy)
        else:
            flags, changed_since = newest.flags & ~TIME_FLAGS, None
            is_changed = flags != self._recent[index].flags
            quality_results = [QualityResult(newest.phenomenon_time, flags)] if is_changed else _NONE
            if is_usable(flags):
                self._is_last_good_current = False
        if newest.flags & CLEARABLE_FLAGS:
            self._unsettled = QUALITY_LOOKAHEAD
        return ObservationResult(ObservationOutcome.ACCEPTED, quality_results, None, changed_since)

    def _insert_folded(
        self, index: int, observation: Observation, policy: DatastreamPolicy
    ) -> ObservationResult:
        """Add an observation that is older than the newest folded one; its windows need a repair."""
        time = observation.phenomenon_time
        self._windows.mark_incomplete(time, self._folded_time, policy.sizes)
        if time >= self._recent[0].phenomenon_time - CONTEXT_SPAN_MAX * policy.interval:
            self._windows.mark_incomplete_range(time, self._folded_time)
        if index == 0 and (self._preceding is not None or self._folded_count == CONTEXT_MAX):
            quality_results, changed_since = self._precede(observation, policy)
            return ObservationResult(ObservationOutcome.REPAIR, quality_results, None, changed_since)
        increases = self._increases(policy)
        self._insert(index, observation, policy)
        self._folded_count += 1
        quality_results, changed_since = self._assess_from(index, policy, new=index)
        if self._folded_count > CONTEXT_MAX:
            self._folded_count -= 1
            self._drop_oldest(policy)
        self._mark_recounted(increases, policy)
        return ObservationResult(ObservationOutcome.REPAIR, quality_results, None, changed_since)

    def _precede(
        self, observation: Observation, policy: DatastreamPolicy
    ) -> tuple[list[QualityResult], Instant | None]:
        """Note an observation before those in memory; return as `_assess_from`."""
        time, value = observation.phenomenon_time, observation.value
        preceding = self._preceding
        if preceding is None:
            state = DatastreamState()
            state._append(observation, policy)
            self._preceding = PrecedingHistory.of(observation, state.newest, policy)
            return self._assess_from(0, policy, new=None)
        if preceding.is_changed_by(time, value, policy):
            # What is emitted until storage has answered may be wrong: `adopt` has it repaired.
            first = self._recent[0].phenomenon_time
            self._windows.mark_incomplete_range(time, first - 1)
            if preceding.doubted_since is None:
                preceding.doubted_since = first
        if not preceding.interrupt(time, value):
            return _NONE, None
        return self._assess_from(0, policy, new=None)

    def _observe_again(
        self, index: int, observation: Observation, policy: DatastreamPolicy
    ) -> ObservationResult:
        """Add an observation of a known phenomenon time."""
        known = self._recent[index]
        is_greater = order_of_knowledge(observation) > order_of_knowledge(known)
        if observation.value == known.value and observation.flags == known.flags:
            if not is_greater:
                return ObservationResult(ObservationOutcome.DUPLICATE, _NONE)
            return self._replace_received_time(index, observation, policy)
        if not is_greater:
            return ObservationResult(ObservationOutcome.SUPERSEDED, _NONE)
        time, newest = observation.phenomenon_time, self._recent[-1].phenomenon_time
        increases = self._increases(policy)
        self._recent[index] = observation
        self._points[index] = time, policy.calibrated(observation.value, time)
        is_folded = index < self._folded_count
        if is_folded:
            # Later checks use the correction, and the windows need a repair.
            self._windows.mark_incomplete_range(time, self._folded_time)
        quality_results, changed_since = self._assess_from(index, policy, new=index)
        if not is_folded:
            self._windows.mark_changed(time, newest, policy.sizes)
        self._mark_recounted(increases, policy)
        outcome = ObservationOutcome.REPAIR if is_folded else ObservationOutcome.CORRECTION
        return ObservationResult(outcome, quality_results, None, changed_since)

    def _replace_received_time(
        self, index: int, observation: Observation, policy: DatastreamPolicy
    ) -> ObservationResult:
        """Give a known observation a later reception or rank, and the flags that follow from it."""
        time, received = observation.phenomenon_time, observation.received_time
        self._is_last_good_current = False
        assessed = self._assessed[index]
        flags = assessed.flags & ~TIME_FLAGS | observation.flags
        flags |= check_times(time, received, policy.rules, policy.interval)
        self._recent[index] = observation
        self._assessed[index] = observation._replace(value=assessed.value, flags=flags)
        if flags == assessed.flags:
            return ObservationResult(ObservationOutcome.DUPLICATE, _NONE)
        if index < self._folded_count:
            self._windows.mark_incomplete(time, self._folded_time, policy.sizes)
            return ObservationResult(ObservationOutcome.REPAIR, _NONE)
        self._windows.mark_changed(time, self._recent[-1].phenomenon_time, policy.sizes)
        return ObservationResult(ObservationOutcome.CORRECTION, _NONE)

    @property
    def _folded_time(self) -> Instant:
        """The phenomenon time of the newest folded observation; there is one."""
        return self._recent[self._folded_count - 1].phenomenon_time

    def reassess(self, policy: DatastreamPolicy) -> list[QualityResult]:
        """Check observations again by a new policy; mark the windows of folded ones incomplete."""
        if self._folded_count:
            self._windows.mark_incomplete(self._folded_time, self._folded_time, policy.sizes)
        increases = self._increases(policy)
        self._points = [
            (one.phenomenon_time, policy.calibrated(one.value, one.phenomenon_time)) for one in self._recent
        ]
        if self._preceding is not None:
            self._preceding.reassess(policy)
        quality_results, _ = self._assess_from(0, policy, new=None)
        self._mark_recounted(increases, policy)
        return quality_results

    def adopt(self, history: StoredHistory, policy: DatastreamPolicy) -> ObservationResult | None:
        """Adopt what storage has found, after a repair, of the observations before those in memory.

        None when observations between them have left memory since then: the repair must be requested again.
        """
        if not self._recent or self._preceding is None:
            return ObservationResult(ObservationOutcome.DUPLICATE, _NONE)
        first, preceding = self._recent[0].phenomenon_time, history.preceding
        newest = history.received[-1].phenomenon_time if history.received else INSTANT_MIN
        if newest < self._preceding.time or (preceding is not None and preceding.time >= first):
            return None
        increases = self._increases(policy)
        before = self._preceding
        folded = {one.phenomenon_time: index for index, one in enumerate(self._recent[: self._folded_count])}
        for received, assessed in zip(history.received, history.assessed, strict=True):
            index = folded.get(received.phenomenon_time)
            if received.phenomenon_time >= first:
                if (
                    index is not None
                    and received == self._recent[index]
                    and self._assessed[index] != assessed
                ):
                    self._assessed[index] = assessed
                    self._windows.mark_incomplete_range(received.phenomenon_time, received.phenomenon_time)
            elif preceding is None:
                preceding = PrecedingHistory.of(received, assessed, policy)
            else:
                preceding.add(received, assessed, policy)
        if preceding is not None and preceding.is_stuck != before.is_stuck:
            self._windows.mark_incomplete_range(min(preceding.run.start, before.run.start), first - 1)
        self._preceding = preceding
        quality_results, changed_since = self._assess_from(0, policy, new=None)
        self._mark_recounted(increases, policy)
        doubted_since = before.doubted_since
        if doubted_since is not None and doubted_since < first:
            # What has left memory since then was judged without the late observations.
            self._windows.mark_incomplete_range(doubted_since, first - 1)
            changed_since = doubted_since if changed_since is None else min(changed_since, doubted_since)
        return ObservationResult(ObservationOutcome.CORRECTION, quality_results, None, changed_since)

    # -- checks -----------------------------------------------------------------------------------------

    def _assess_from(
        self, index: int, policy: DatastreamPolicy, new: int | None
    ) -> tuple[list[QualityResult], Instant | None]:
        """Check the observations from an index on again, and those before it that they affect.

        Return the changed and the new results, and from when on folded values have other flags now. The
        observation `new` has just been received or corrected.
        """
        begin = self._first_affected(index, policy)
        after, self._run = self._assessed_again(begin, policy, new)
        changed_since = None
        if begin == 0 and self._preceding is not None:
            changed_since = self._continue_run(self._preceding, after)
        quality_results = []
        last_folded: Instant | None = None
        newest = self._recent[-1].phenomenon_time
        for current, now in enumerate(after, begin):
            before, self._assessed[current] = self._assessed[current], now
            self._points[current] = time, _ = now.phenomenon_time, now.value
            flags = now.flags & ~TIME_FLAGS
            if flags != before.flags & ~TIME_FLAGS or (
                current == new and flags != self._recent[current].flags
            ):
                quality_results.append(QualityResult(time, flags))
            if current == new or (now.flags == before.flags and now.value == before.value):
                continue
            if current >= self._folded_count:
                self._windows.mark_changed(time, newest, policy.sizes)
            else:
                last_folded = time
                changed_since = time if changed_since is None else changed_since
        since = self._folded_since(new, policy)
        if since is not None:
            changed_since = since if changed_since is None else min(since, changed_since)
            last_folded = self._folded_time
        if changed_since is not None:
            last = last_folded if last_folded is not None else self._recent[0].phenomenon_time - 1
            self._windows.mark_incomplete_range(changed_since, last)
        is_stuck = is_stuck_by_itself(self._assessed[-1], self._recent[-1])
        self._stuck_start = self._run.start if is_stuck and self._run is not None else None
        self._is_last_good_current = False
        if begin < self._folded_count:
            self._register = self._register_after_folded(policy)
        for followed_by, one in enumerate(reversed(self._assessed[-QUALITY_LOOKAHEAD:])):
            if one.flags & CLEARABLE_FLAGS:
                self._unsettled = max(self._unsettled, QUALITY_LOOKAHEAD - followed_by)
        return quality_results, changed_since

    def _folded_since(self, new: int | None, policy: DatastreamPolicy) -> Instant | None:
        """Return the first folded observation of which a new one, not folded, may withdraw a finding."""
        if new is None or new < self._folded_count or not has_clearable_rules(policy.rules):
            return None
        first = max(0, new - QUALITY_LOOKAHEAD)
        return self._recent[first].phenomenon_time if first < self._folded_count else None

    def _first_affected(self, index: int, policy: DatastreamPolicy) -> int:
        """Return the first observation whose flags an observation at an index can change."""
        rules, recent = policy.rules, self._recent
        first = max(0, index - QUALITY_LOOKAHEAD) if has_clearable_rules(rules) else index
        if long_run(rules) is not None:
            first = min(first, max(0, index - 1))
            while first > 0 and recent[first - 1].value == recent[first].value:
                first -= 1
        return first

    def _assessed_again(
        self, begin: int, policy: DatastreamPolicy, new: int | None
    ) -> tuple[list[Observation], ConstantRun | None]:
        """Return the observations from an index on, calibrated and checked, and the run that ends with them.

        Whole runs are stuck. Of folded observations only the runs are checked where those before them are not
        in memory.
        """
        run = self._run_before(begin)
        first = self._folded_count if self._preceding is not None else 0
        found: list[Observation] = []
        for current in range(begin, len(self._recent)):
            if current >= first or current == new:
                now, run = self._assess(current, run, policy)
            else:
                now, run = self._assess_run(current, run, policy)
            found.append(now)
        mark_stuck_runs(self._recent[begin:], found)
        return found, run

    def _continue_run(self, preceding: PrecedingHistory, after: Sequence[Observation]) -> Instant | None:
        """Decide whether the run that began before memory is stuck; return its start if that is new."""
        is_stuck = preceding.is_stuck_by_itself
        for received, assessed in zip(self._recent, after, strict=False):
            if received.value != preceding.run.value or is_stuck:
                break
            is_stuck = is_stuck_by_itself(assessed, received)
        if is_stuck == preceding.is_stuck:
            return None
        preceding.is_stuck = is_stuck
        return preceding.run.start

    def _run_before(self, index: int) -> ConstantRun | None:
        """Return the run of equal values, as received, that ends before an index."""
        run = self._preceding.run if self._preceding is not None else None
        return extend_run_over(run, ((one.phenomenon_time, one.value) for one in self._recent[:index]))

    def _assess(
        self, index: int, run: ConstantRun | None, policy: DatastreamPolicy
    ) -> tuple[Observation, ConstantRun]:
        """Return an observation calibrated and checked, and the run of equal values that ends with it."""
        received = self._recent[index]
        time, received_time, value = received.phenomenon_time, received.received_time, received.value
        run = extend_run(run, time, value)
        if policy.calibrations:
            value = policy.calibrated(value, time)
        points, following = self._points, index + 1
        flags = received.flags | check_quality(
            points[index - CONTEXT_MAX if index > CONTEXT_MAX else 0 : index],
            run,
            time,
            received_time,
            value,
            policy.rules,
            policy.interval,
            points[following : following + QUALITY_LOOKAHEAD] if following < len(points) else (),
        )
        if policy.maintenance and policy.is_in_maintenance(time):
            flags |= QualityFlag.MAINTENANCE
        if flags == received.flags and value == received.value:
            return received, run
        return Observation(received.datastream, time, received_time, value, flags, received.rank), run

    def _assess_run(
        self, index: int, run: ConstantRun | None, policy: DatastreamPolicy
    ) -> tuple[Observation, ConstantRun]:
        """Return a folded observation with the flags of its run, and the run that ends with it."""
        received, assessed = self._recent[index], self._assessed[index]
        time, value = self._points[index]
        run = extend_run(run, time, received.value)
        flags = assessed.flags & ~STUCK_FOUND_LATER | received.flags
        if run.count > 1 and is_stuck(run, time, policy.rules):
            flags |= _STUCK
        if flags == assessed.flags and value == assessed.value:
            return assessed, run
        return assessed._replace(value=value, flags=flags), run

    # -- folding ----------------------------------------------------------------------------------------

    def _fold_oldest(self, policy: DatastreamPolicy) -> None:
        """Fold the oldest observation beyond `LATE_MAX`; drop the one that is no context any more."""
        index = self._folded_count
        if len(self._recent) - index <= LATE_MAX:
            return
        oldest, increase = self._assessed[index], 0.0
        if policy.aggregation == "counter":
            increase, self._register = increase_up_to(self._register, oldest, policy)
        self._windows.fold(oldest, policy.aggregation, increase, policy.sizes)
        if index < CONTEXT_MAX:
            self._folded_count += 1
        else:
            self._drop_oldest(policy)

    def _drop_oldest(self, policy: DatastreamPolicy) -> None:
        received, assessed = self._recent[0], self._assessed[0]
        if self._preceding is None:
            self._preceding = PrecedingHistory.of(received, assessed, policy)
        else:
            self._preceding.add(received, assessed, policy)
        del self._recent[0], self._assessed[0], self._points[0]

    def _register_after_folded(self, policy: DatastreamPolicy) -> RegisterReading | None:
        """Return the reading with which the first one that is not folded is compared."""
        register = self._preceding.register_before_memory if self._preceding is not None else None
        if policy.aggregation == "counter":
            for reading in self._assessed[: self._folded_count]:
                register = register_after(register, reading)
        return register

    def due(self, policy: DatastreamPolicy) -> Instant | None:
        """Return the log time at which an open window is emitted without a later observation, or None."""
        if self._recent:
            self._idle = idle_until(self._windows, self._recent[-1].phenomenon_time, policy)
        return self._idle.due if self._idle is not None else None

    def is_idle(self, now: Instant, policy: DatastreamPolicy) -> bool:
        """Return whether no window is due and the last result of `due` still holds; cheap."""
        idle = self._idle
        return idle is not None and idle.applies(self._windows, self._recent[-1].phenomenon_time, now, policy)

    def emit_windows(self, now: Instant, policy: DatastreamPolicy) -> Iterator[EmittedWindow]:
        """Yield each window that is due at the log time `now`, oldest first."""
        windows = self._windows
        if self._recent:
            windows.mark_early(
                self._recent[-1].phenomenon_time, now, live_duration(policy.interval), policy.sizes
            )
        if not windows.pending:
            return
        keys, windows.pending = sorted(windows.pending, key=lambda one: (one[1], one[0])), {}
        folded = self._folded_time if self._folded_count else self._recent[0].phenomenon_time - 1
        for key in keys:
            window = WindowKey(*key)
            content = windows.finished.get(window) or self._content(window, policy)
            yield EmittedWindow(window, content, windows.on_emitted(window, folded))

    def _content(self, window: WindowKey, policy: DatastreamPolicy) -> WindowAccumulator:
        content = self._windows.partial_content(window)
        begin = max(self._folded_count, bisect_left(self._recent, window.start, key=BY_TIME))
        end = bisect_left(self._recent, window.start + window.size, key=BY_TIME)
        increases = self._increases(policy)
        for observation in self._assessed[begin:end]:
            time = observation.phenomenon_time
            content.add(
                time, observation.value, observation.flags, policy.aggregation, increases.get(time, 0.0)
            )
        return content

    def _increases(self, policy: DatastreamPolicy) -> dict[Instant, float]:
        """Return the increase of a counter up to each reading that is not folded; else nothing."""
        return increases_of(self._register, self._assessed[self._folded_count :], policy)

    def _mark_recounted(self, before: dict[Instant, float], policy: DatastreamPolicy) -> None:
        """Mark the windows in which the increases of a counter changed."""
        newest = self._recent[-1].phenomenon_time
        for time, increase in self._increases(policy).items():
            if before.get(time) != increase:
                self._windows.mark_changed(time, newest, policy.sizes)

    @property
    def is_full(self) -> bool:
        """Whether as many observations are in memory as there may be: the next one drops the oldest."""
        return len(self._recent) >= RECENT_MAX

    def set_folded_flags(self, flags: Sequence[int], policy: DatastreamPolicy) -> None:
        """Set the flags of all folded observations to those that are stored, except those of stuck runs.

        When the state is rebuilt, they are judged without the observations before them, which were their
        context. One of them may be the last good value.
        """
        for index, stored in enumerate(flags):
            known = self._assessed[index]
            judged = stored & ~STUCK_FOUND_LATER | known.flags & STUCK_FOUND_LATER
            if judged != known.flags:
                self._assessed[index] = known._replace(flags=judged)
        self._register = self._register_after_folded(policy)
        self._is_last_good_current = False

    def mark_emitted(self, policy: DatastreamPolicy, *, complete: bool) -> None:
        """Mark all windows as emitted, after the state was rebuilt from stored observations.

        `complete`: whether those were all observations. Otherwise windows of the first may lack older ones.
        """
        if self._recent:
            oldest = None if complete else self._recent[0].phenomenon_time
            self._windows.mark_all_emitted(oldest, policy.sizes)

    def snapshot(self) -> DatastreamSnapshot:
        """Return a snapshot for `restored`. It shares the windows: encode it at once."""
        changed = tuple(
            (index, after.value, after.flags)
            for index, (before, after) in enumerate(zip(self._recent, self._assessed, strict=True))
            if after is not before
        )
        return DatastreamSnapshot(
            tuple(self._recent),
            changed,
            self._folded_count,
            None,
            self._windows,
            self._preceding,
            self._register,
        )

    @classmethod
    def restored(cls, snapshot: DatastreamSnapshot) -> DatastreamState:
        """Return the state of a snapshot."""
        state = cls(snapshot.preceding)
        state._recent = list(snapshot.recent)
        state._assessed = snapshot.assessed_observations()
        state._points = [(one.phenomenon_time, one.value) for one in state._assessed]
        state._folded_count = snapshot.folded_count
        state._register = snapshot.register
        if snapshot.folded is not None:
            state._preceding = snapshot.folded.preceding(snapshot.recent[: snapshot.folded_count])
            state._register = snapshot.folded.register
        state._windows = snapshot.windows
        state._run = state._run_before(len(state._points))
        if state._run is not None and is_stuck_by_itself(state._assessed[-1], state._recent[-1]):
            state._stuck_start = state._run.start
        state._unsettled = QUALITY_LOOKAHEAD
        state._is_last_good_current = False
        return state


_ACCEPTED = ObservationResult(ObservationOutcome.ACCEPTED, _NONE)


class FoldedSummary(msgspec.Struct, array_like=True, frozen=True):
    """Summary of all observations up to the newest folded one, as checkpoints of 0.1.0 have it."""

    time: Instant
    run: ConstantRun  #: of equal calibrated values, up to that observation
    last_good: LastGoodValue | None
    register: RegisterReading | None  #: the reading with which a counter's next one is compared

    def preceding(self, folded: Sequence[Observation]) -> PrecedingHistory | None:
        """Return what is known of the observations before the folded ones in memory."""
        if len(folded) < CONTEXT_MAX:
            return None
        first = folded[0].phenomenon_time
        run = ConstantRun(math.nan, 0, first)
        if self.run.start < first:
            run = ConstantRun(folded[-1].value, self.run.count - len(folded), self.run.start)
        good, register = self.last_good, self.register
        good = good if good is not None and good.phenomenon_time < first else None
        register = register if register is not None and register[0] < first else None
        return PrecedingHistory(first - 1, run, good, good, register, register)


def newest_good_value(
    assessed: Sequence[Observation], preceding: PrecedingHistory | None
) -> LastGoodValue | None:
    """Return the newest usable value: of the assessed observations, ascending, or else of preceding ones."""
    for observation in reversed(assessed):
        if is_usable(observation.flags):
            return LastGoodValue(observation.value, observation.phenomenon_time)
    return preceding.last_good_before_memory if preceding is not None else None


class DatastreamSnapshot(msgspec.Struct, array_like=True, frozen=True):
    """The state of a datastream in a checkpoint."""

    recent: tuple[Observation, ...]
    #: those that calibration or quality check changed: (index, value, flags)
    assessed: tuple[tuple[int, float, int], ...]
    folded_count: int
    folded: FoldedSummary | None  #: of 0.1.0; None today
    windows: OpenWindows
    preceding: PrecedingHistory | None = None
    register: RegisterReading | None = None

    def assessed_observations(self) -> list[Observation]:
        """Return the recent observations, calibrated and checked."""
        assessed = list(self.recent)
        for index, value, flags in self.assessed:
            assessed[index] = assessed[index]._replace(value=value, flags=flags)
        return assessed
