"""The state of a datastream: its newest observations, calibrated and checked, and their windows.

The state is a function of the *set* of observations, so any order of arrival ends in the same state. Three
rules ensure that:

- Of two observations with the same phenomenon time the one that became known later stays
  (`twin.model.observation.order_of_knowledge`).
- The newest `RECENT_MAX` observations are kept one by one. Older ones are *folded* into accumulators, in the
  order of phenomenon times. Which observations of a set are the newest N does not depend on their arrival.
- The quality check of an observation uses those measured before it. After a late observation the later ones
  are checked again; the last `CONTEXT_MAX` folded observations are kept for that.

An observation older than the newest folded one changes nothing here: its outcome is REPAIR, and storage
recomputes its windows from all stored observations.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import msgspec

from twin.instant import INSTANT_MIN, Duration, Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import BY_TIME, LastGoodValue, Observation, order_of_knowledge
from twin.quality.constant_run import ConstantRun, extend_run, extend_run_over
from twin.quality.quality_check import CONTEXT_MAX, QualityResult, check_quality, check_times
from twin.quality.quality_flags import TIME_FLAGS, QualityFlag, is_usable
from twin.state.counter import counter_increase
from twin.state.freshness import live_duration
from twin.state.open_windows import EmittedWindow, IdlePeriod, OpenWindows, WindowKey, idle_until
from twin.state.window import WindowAccumulator
from twin.wire.messages import Update

LATE_MAX = 32
"""How many observations may overtake a late one before it is too late for the windows in memory."""

RECENT_MAX = CONTEXT_MAX + LATE_MAX

RegisterReading: TypeAlias = tuple[Instant, float]
"""The reading with which the next one is compared: phenomenon time and value."""

_NONE: list[QualityResult] = []


class ObservationOutcome(StrEnum):
    """The effect of an observation on the state of its datastream; exactly one for each observation."""

    ACCEPTED = "accepted"  #: newer than the state: it is the state now
    CORRECTION = "correction"  #: same time as a known one, other value, known later: it replaces it
    DUPLICATE = "duplicate"  #: same time, same value
    SUPERSEDED = "superseded"  #: same time as a known one, other value, known earlier: it is ignored
    LATE = "late"  #: older than the state: it enters windows and history
    REPAIR = "repair"  #: too old for the windows in memory: they are recomputed from history
    FUTURE = "future"  #: dated too far after its reception: refused


class ObservationResult(NamedTuple):
    """The effect of one observation."""

    outcome: ObservationOutcome
    quality_results: list[QualityResult]  #: the new and the changed ones
    update: Update | None = None  #: set by `EntityState`: the change of its entity


class DatastreamState:
    """The state of one datastream. Mutable, owned by one partition of one worker."""

    __slots__ = (
        "_assessed",
        "_folded",
        "_folded_count",
        "_idle",
        "_is_last_good_current",
        "_last_good",
        "_points",
        "_recent",
        "_run",
        "_windows",
    )

    def __init__(self) -> None:
        self._recent: list[Observation] = []  # as received, ascending
        # calibrated and checked; the same object where nothing changes
        self._assessed: list[Observation] = []
        self._points: list[tuple[Instant, float]] = []  # the same as (time, value), for the quality check
        self._folded_count = 0  # how many of the first observations are folded
        self._folded: FoldedSummary | None = None
        self._run: ConstantRun | None = None  # ends with the newest
        self._last_good: LastGoodValue | None = None
        self._is_last_good_current = True
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
            self._last_good = newest_good_value(self._assessed[self._folded_count :], self._folded)
            self._is_last_good_current = True
        return self._last_good

    @property
    def assessed(self) -> Sequence[Observation]:
        """Return the observations in memory, calibrated and checked, ascending; read only."""
        return self._assessed

    @property
    def complete_from(self) -> Instant:
        """Return the time from which all observations are in memory."""
        return self._recent[0].phenomenon_time if self._folded is not None else INSTANT_MIN

    def observe(
        self, observation: Observation, policy: DatastreamPolicy, future_max: Duration
    ) -> ObservationResult:
        """Add one observation."""
        time = observation.phenomenon_time
        if time - observation.received_time > future_max:
            return ObservationResult(ObservationOutcome.FUTURE, _NONE)
        recent = self._recent
        if not recent or time > recent[-1].phenomenon_time:
            return ObservationResult(ObservationOutcome.ACCEPTED, self._append(observation, policy))
        index = bisect_left(recent, time, key=BY_TIME)
        if recent[index].phenomenon_time == time:
            return self._observe_again(index, observation, policy)
        if self._folded is not None and time < self._folded.time:
            self._windows.mark_incomplete(time, self._folded.time, policy.sizes)
            return ObservationResult(ObservationOutcome.REPAIR, _NONE)
        newest = recent[-1].phenomenon_time
        increases = self._increases(policy)
        recent.insert(index, observation)
        self._assessed.insert(index, observation)
        self._points.insert(index, (time, observation.value))
        quality_results = self._assess_from(index, policy, new=index)
        self._windows.mark_changed(time, newest, policy.sizes)
        self._mark_recounted(increases, policy)
        self._fold_oldest(policy)
        return ObservationResult(ObservationOutcome.LATE, quality_results)

    def _append(self, observation: Observation, policy: DatastreamPolicy) -> list[QualityResult]:
        recent, assessed = self._recent, self._assessed
        if recent:
            self._windows.close(recent[-1].phenomenon_time, observation.phenomenon_time, policy.sizes)
        recent.append(observation)
        newest, self._run = self._assess(len(recent) - 1, self._run, policy)
        assessed.append(newest)
        if is_usable(newest.flags):
            self._last_good = LastGoodValue(newest.value, newest.phenomenon_time)
            self._is_last_good_current = True
        self._points.append((newest.phenomenon_time, newest.value))
        self._fold_oldest(policy)
        flags = newest.flags & ~TIME_FLAGS
        return _NONE if flags == observation.flags else [QualityResult(newest.phenomenon_time, flags)]

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
        if self._folded is not None and index < self._folded_count:
            # Folded already: later checks use the correction, and the windows need a repair.
            value = policy.calibrated(observation.value, time)
            self._assessed[index] = observation._replace(value=value)
            self._points[index] = time, value
            self._windows.mark_incomplete(time, self._folded.time, policy.sizes)
            return ObservationResult(
                ObservationOutcome.REPAIR, self._assess_from(self._folded_count, policy, new=None)
            )
        quality_results = self._assess_from(index, policy, new=index)
        self._windows.mark_changed(time, newest, policy.sizes)
        self._mark_recounted(increases, policy)
        return ObservationResult(ObservationOutcome.CORRECTION, quality_results)

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
        if self._folded is not None and index < self._folded_count:
            self._windows.mark_incomplete(time, self._folded.time, policy.sizes)
            return ObservationResult(ObservationOutcome.REPAIR, _NONE)
        self._windows.mark_changed(time, self._recent[-1].phenomenon_time, policy.sizes)
        return ObservationResult(ObservationOutcome.DUPLICATE, _NONE)

    def reassess(self, policy: DatastreamPolicy) -> list[QualityResult]:
        """Check observations again by a new policy; mark the windows of folded ones incomplete."""
        if self._folded is not None:
            self._windows.mark_incomplete(self._folded.time, self._folded.time, policy.sizes)
        increases = self._increases(policy)
        quality_results = self._assess_from(self._folded_count, policy, new=None)
        self._mark_recounted(increases, policy)
        return quality_results

    def _assess_from(self, index: int, policy: DatastreamPolicy, new: int | None) -> list[QualityResult]:
        """Check the observations from an index on again; return the changed and the new results."""
        quality_results = []
        self._is_last_good_current = False
        run = self._run_before(index)
        newest = self._recent[-1].phenomenon_time
        for current in range(index, len(self._recent)):
            before = self._assessed[current]
            after, run = self._assess(current, run, policy)
            self._assessed[current] = after
            self._points[current] = after.phenomenon_time, after.value
            flags = after.flags & ~TIME_FLAGS
            if flags != before.flags & ~TIME_FLAGS or (
                current == new and flags != self._recent[current].flags
            ):
                quality_results.append(QualityResult(after.phenomenon_time, flags))
            if current != new and (after.flags != before.flags or after.value != before.value):
                self._windows.mark_changed(after.phenomenon_time, newest, policy.sizes)
        self._run = run
        return quality_results

    def _run_before(self, index: int) -> ConstantRun | None:
        """Return the run of equal values that ends before an index; the index is not folded."""
        run = self._folded.run if self._folded is not None else None
        return extend_run_over(run, self._points[self._folded_count : index])

    def _assess(
        self, index: int, run: ConstantRun | None, policy: DatastreamPolicy
    ) -> tuple[Observation, ConstantRun]:
        """Return an observation calibrated and checked, and the run of equal values that ends with it."""
        received = self._recent[index]
        time, received_time = received.phenomenon_time, received.received_time
        value = policy.calibrated(received.value, time)
        run = extend_run(run, time, value)
        context = self._points[max(0, index - CONTEXT_MAX) : index]
        flags = received.flags | check_quality(
            context, run, time, received_time, value, policy.rules, policy.interval
        )
        if policy.maintenance and policy.is_in_maintenance(time):
            flags |= QualityFlag.MAINTENANCE
        if flags == received.flags and value == received.value:
            return received, run
        return Observation(received.datastream, time, received_time, value, flags, received.rank), run

    def _fold_oldest(self, policy: DatastreamPolicy) -> None:
        """Fold the oldest observation beyond `LATE_MAX`; drop the one that is no context any more."""
        if len(self._recent) - self._folded_count <= LATE_MAX:
            return
        index = self._folded_count
        oldest, before = self._assessed[index], self._folded
        increase, register = increase_up_to(before.register if before is not None else None, oldest, policy)
        self._windows.fold(oldest, policy.aggregation, increase, policy.sizes)
        self._folded = summary_after(before, oldest, register)
        if index < CONTEXT_MAX:
            self._folded_count += 1
        else:
            del self._recent[0], self._assessed[0], self._points[0]

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
        folded = self._folded.time if self._folded is not None else self._recent[0].phenomenon_time - 1
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
        register = self._folded.register if self._folded is not None else None
        return increases_of(register, self._assessed[self._folded_count :], policy)

    def _mark_recounted(self, before: dict[Instant, float], policy: DatastreamPolicy) -> None:
        """Mark the windows in which the increases of a counter changed."""
        newest = self._recent[-1].phenomenon_time
        for time, increase in self._increases(policy).items():
            if before.get(time) != increase:
                self._windows.mark_changed(time, newest, policy.sizes)

    def mark_emitted(self, policy: DatastreamPolicy, *, complete: bool) -> None:
        """Mark all windows as emitted, after the state was rebuilt from stored observations.

        `complete`: whether those were all observations. Otherwise the open windows lack the older ones.
        """
        if self._recent:
            oldest = None if complete else self._recent[0].phenomenon_time
            self._windows.mark_all_emitted(self._recent[-1].phenomenon_time, oldest, policy.sizes)

    def snapshot(self) -> DatastreamSnapshot:
        """Return a snapshot for `restored`. It shares the windows: encode it at once."""
        return DatastreamSnapshot.of(
            self._recent, self._assessed, self._folded_count, self._folded, self._windows
        )

    @classmethod
    def restored(cls, snapshot: DatastreamSnapshot) -> DatastreamState:
        """Return the state of a snapshot."""
        state = cls()
        state._recent = list(snapshot.recent)
        state._assessed = snapshot.assessed_observations()
        state._points = [(one.phenomenon_time, one.value) for one in state._assessed]
        state._folded_count = snapshot.folded_count
        state._folded = snapshot.folded
        state._windows = snapshot.windows
        state._run = state._run_before(len(state._points))
        state._is_last_good_current = False
        return state


class FoldedSummary(msgspec.Struct, array_like=True, frozen=True):
    """Summary of all observations up to the newest folded one."""

    time: Instant
    run: ConstantRun  #: of equal values, up to that observation
    last_good: LastGoodValue | None
    register: tuple[Instant, float] | None  #: the reading with which a counter's next one is compared


def summary_after(
    before: FoldedSummary | None, observation: Observation, register: RegisterReading | None
) -> FoldedSummary:
    """Return the summary after one more folded observation; `register` is the reading of a counter."""
    time, value = observation.phenomenon_time, observation.value
    if is_usable(observation.flags):
        last_good: LastGoodValue | None = LastGoodValue(value, time)
    else:
        last_good = before.last_good if before is not None else None
    run = extend_run(before.run if before is not None else None, time, value)
    return FoldedSummary(time, run, last_good, register)


def newest_good_value(assessed: Sequence[Observation], folded: FoldedSummary | None) -> LastGoodValue | None:
    """Return the newest usable value: of the assessed observations, ascending, or else of the folded ones."""
    for observation in reversed(assessed):
        if is_usable(observation.flags):
            return LastGoodValue(observation.value, observation.phenomenon_time)
    return folded.last_good if folded is not None else None


class DatastreamSnapshot(msgspec.Struct, array_like=True, frozen=True):
    """The state of a datastream in a checkpoint."""

    recent: tuple[Observation, ...]
    #: those that calibration or quality check changed: (index, value, flags)
    assessed: tuple[tuple[int, float, int], ...]
    folded_count: int
    folded: FoldedSummary | None
    windows: OpenWindows

    @classmethod
    def of(
        cls,
        recent: Sequence[Observation],
        assessed: Sequence[Observation],
        folded_count: int,
        folded: FoldedSummary | None,
        windows: OpenWindows,
    ) -> DatastreamSnapshot:
        """Return a snapshot; an assessed observation is the recent object itself where nothing changed."""
        changed = tuple(
            (index, after.value, after.flags)
            for index, (before, after) in enumerate(zip(recent, assessed, strict=True))
            if after is not before
        )
        return cls(tuple(recent), changed, folded_count, folded, windows)

    def assessed_observations(self) -> list[Observation]:
        """Return the recent observations, calibrated and checked."""
        assessed = list(self.recent)
        for index, value, flags in self.assessed:
            assessed[index] = assessed[index]._replace(value=value, flags=flags)
        return assessed


def increase_up_to(
    register: RegisterReading | None, reading: Observation, policy: DatastreamPolicy
) -> tuple[float, RegisterReading | None]:
    """Return the increase up to a reading, and the reading for the next comparison; 0 for other properties.

    A suspect reading adds nothing, and the next reading is not compared with it.
    """
    if policy.aggregation != "counter" or not is_usable(reading.flags):
        return 0.0, register
    time, value = reading.phenomenon_time, reading.value
    if register is None:
        return 0.0, (time, value)
    increase = counter_increase(register, (time, value), wraps_at=policy.wraps_at, rate_max=policy.rate_max)
    return increase.amount, (time, increase.register)


def increases_of(
    register: RegisterReading | None, readings: Iterable[Observation], policy: DatastreamPolicy
) -> dict[Instant, float]:
    """Return the increase up to each reading, by its phenomenon time; empty for other properties."""
    increases: dict[Instant, float] = {}
    if policy.aggregation == "counter":
        for reading in readings:
            increases[reading.phenomenon_time], register = increase_up_to(register, reading, policy)
    return increases
