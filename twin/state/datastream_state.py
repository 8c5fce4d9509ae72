"""The state of a datastream: its newest observations, judged, and the windows that they fall in.

The law: the state is a function of the *set* of observations, so any order of arrival ends in the same state.
Three things make it hold.

- Of two observations with one phenomenon time the greater (received_time, value, flags) stays.
- The newest `RECENT_MAX` observations are kept one by one. What they push out was *folded* into accumulators,
  in the order of phenomenon times. The newest N of a set do not depend on the order in which they came.
- An observation is judged by those measured before it. One that comes late has those behind it judged again;
  the last `CONTEXT_MAX` folded ones are still kept for that.

What comes older than the newest folded observation changes nothing here: its outcome is REPAIR, and storage
makes its windows again from everything that was stored.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import msgspec

from twin.instant import Duration, Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import BY_TIME, LastGoodValue, Observation
from twin.quality.quality_check import (
    CONTEXT_MAX,
    ConstantRun,
    QualityResult,
    check_quality,
    check_times,
    extend_run,
    extend_run_over,
)
from twin.quality.quality_flags import TIME_FLAGS, QualityFlag, is_usable
from twin.state.counter import counter_increase
from twin.state.freshness import live_duration
from twin.state.open_windows import EmittedWindow, IdlePeriod, OpenWindows, WindowKey, idle_until
from twin.state.window import WindowAccumulator
from twin.wire.messages import Update

LATE_MAX = 32
"""How many observations may overtake one before it is too late for the windows in memory."""

RECENT_MAX = CONTEXT_MAX + LATE_MAX

_NONE: list[QualityResult] = []


class ObservationOutcome(StrEnum):
    """What an observation did to the state of its datastream. Each ends in exactly one."""

    ACCEPTED = "accepted"  #: newer than what was known: it is the state now
    CORRECTION = "correction"  #: as old as the state, received later, another value: it is the state now
    DUPLICATE = "duplicate"  #: same time, same value
    SUPERSEDED = "superseded"  #: as old as the state, another value, received earlier: it lost
    LATE = "late"  #: older than the state: part of its windows and of history
    REPAIR = "repair"  #: too old for the windows in memory: history, from which they are made again
    FUTURE = "future"  #: dated too far ahead of its reception: refused


class ObservationResult(NamedTuple):
    """What an observation did."""

    outcome: ObservationOutcome
    quality_results: list[QualityResult]  #: new ones, and those that changed
    update: Update | None = None  #: what it changed in the state of its entity


class DatastreamState:
    """What is known of one datastream. Mutable, owned by one partition of one worker."""

    __slots__ = (
        "_folded",
        "_folded_count",
        "_good",
        "_judged",
        "_kept",
        "_points",
        "_quiet",
        "_run",
        "_sought",
        "_windows",
    )

    def __init__(self) -> None:
        self._kept: list[Observation] = []  # as sent, ascending
        self._judged: list[Observation] = []  # the same, calibrated and judged; the same object where it can
        self._points: list[tuple[Instant, float]] = []  # the same, as judgement looks at them
        self._folded_count = 0  # how many of the first ones are folded
        self._folded: FoldedSummary | None = None
        self._run: ConstantRun | None = None  # that ends with the newest
        self._good: LastGoodValue | None = None  # the last good one, if it was sought
        self._sought = True
        self._windows = OpenWindows()
        self._quiet: IdlePeriod | None = None

    @property
    def newest(self) -> Observation:
        """Return the newest observation, calibrated and judged; raises IndexError while there is none."""
        return self._judged[-1]

    @property
    def last_good(self) -> LastGoodValue | None:
        """Return the newest value that takes part, or None."""
        if not self._sought:
            self._good = newest_good_value(self._judged[self._folded_count :], self._folded)
            self._sought = True
        return self._good

    @property
    def assessed(self) -> Sequence[Observation]:
        """Return what is kept, calibrated and judged, ascending by phenomenon time; not to be changed."""
        return self._judged

    def observe(
        self, observation: Observation, terms: DatastreamPolicy, future_max: Duration
    ) -> ObservationResult:
        """Take in one observation."""
        time = observation.phenomenon_time
        if time - observation.received_time > future_max:
            return ObservationResult(ObservationOutcome.FUTURE, _NONE)
        kept = self._kept
        if not kept or time > kept[-1].phenomenon_time:
            return ObservationResult(ObservationOutcome.ACCEPTED, self._append(observation, terms))
        place = bisect_left(kept, time, key=BY_TIME)
        if kept[place].phenomenon_time == time:
            return self._meet(place, observation, terms)
        if self._folded is not None and time < self._folded.time:
            self._windows.mark_incomplete(time, self._folded.time, terms.sizes)
            return ObservationResult(ObservationOutcome.REPAIR, _NONE)
        newest = kept[-1].phenomenon_time
        counted = self._counts(terms)
        kept.insert(place, observation)
        self._judged.insert(place, observation)
        self._points.insert(place, (time, observation.value))
        judgements = self._judge_from(place, terms, new=place)
        self._windows.mark_changed(time, newest, terms.sizes)
        self._touch_counted(counted, terms)
        self._shorten(terms)
        return ObservationResult(ObservationOutcome.LATE, judgements)

    def _append(self, observation: Observation, terms: DatastreamPolicy) -> list[QualityResult]:
        kept, judged = self._kept, self._judged
        if kept:
            self._windows.close(kept[-1].phenomenon_time, observation.phenomenon_time, terms.sizes)
        kept.append(observation)
        one, self._run = self._judge(len(kept) - 1, self._run, terms)
        judged.append(one)
        if is_usable(one.flags):
            self._good, self._sought = LastGoodValue(one.value, one.phenomenon_time), True
        self._points.append((one.phenomenon_time, one.value))
        self._shorten(terms)
        flags = one.flags & ~TIME_FLAGS
        return _NONE if flags == observation.flags else [QualityResult(one.phenomenon_time, flags)]

    def _meet(self, place: int, observation: Observation, terms: DatastreamPolicy) -> ObservationResult:
        """Take in an observation of a phenomenon time that is known."""
        known = self._kept[place]
        wins = observation[2:] > known[2:]
        if observation.value == known.value and observation.flags == known.flags:
            return (
                self._move(place, observation, terms)
                if wins
                else ObservationResult(ObservationOutcome.DUPLICATE, _NONE)
            )
        if not wins:
            return ObservationResult(ObservationOutcome.SUPERSEDED, _NONE)
        time, newest = observation.phenomenon_time, self._kept[-1].phenomenon_time
        counted = self._counts(terms)
        self._kept[place] = observation
        if self._folded is not None and place < self._folded_count:
            # Folded already: later judgements see the correction, the windows need a repair.
            value = terms.calibrated(observation.value, time)
            self._judged[place] = observation._replace(value=value)
            self._points[place] = time, value
            self._windows.mark_incomplete(time, self._folded.time, terms.sizes)
            return ObservationResult(
                ObservationOutcome.REPAIR, self._judge_from(self._folded_count, terms, new=None)
            )
        judgements = self._judge_from(place, terms, new=place)
        self._windows.mark_changed(time, newest, terms.sizes)
        self._touch_counted(counted, terms)
        return ObservationResult(ObservationOutcome.CORRECTION, judgements)

    def _move(self, place: int, observation: Observation, terms: DatastreamPolicy) -> ObservationResult:
        """Move the time of reception of a known observation on, and with it what follows from its times."""
        time, received = observation.phenomenon_time, observation.received_time
        self._sought = False
        judged = self._judged[place]
        flags = judged.flags & ~TIME_FLAGS | observation.flags
        flags |= check_times(time, received, terms.rules, terms.interval)
        self._kept[place] = observation
        self._judged[place] = judged._replace(received_time=received, flags=flags)
        if flags == judged.flags:
            return ObservationResult(ObservationOutcome.DUPLICATE, _NONE)
        if self._folded is not None and place < self._folded_count:
            self._windows.mark_incomplete(time, self._folded.time, terms.sizes)
            return ObservationResult(ObservationOutcome.REPAIR, _NONE)
        self._windows.mark_changed(time, self._kept[-1].phenomenon_time, terms.sizes)
        return ObservationResult(ObservationOutcome.DUPLICATE, _NONE)

    def reassess(self, terms: DatastreamPolicy) -> list[QualityResult]:
        """Judge what is not folded by new terms; what was folded under others is lacking in its windows."""
        if self._folded is not None:
            self._windows.mark_incomplete(self._folded.time, self._folded.time, terms.sizes)
        counted = self._counts(terms)
        judgements = self._judge_from(self._folded_count, terms, new=None)
        self._touch_counted(counted, terms)
        return judgements

    def _judge_from(self, place: int, terms: DatastreamPolicy, new: int | None) -> list[QualityResult]:
        """Judge the observations from a place on again; return what changed, the new one's if it tells."""
        judgements = []
        self._sought = False
        run = self._run_before(place)
        newest = self._kept[-1].phenomenon_time
        for number in range(place, len(self._kept)):
            before = self._judged[number]
            after, run = self._judge(number, run, terms)
            self._judged[number] = after
            self._points[number] = after.phenomenon_time, after.value
            flags = after.flags & ~TIME_FLAGS
            if flags != before.flags & ~TIME_FLAGS or (number == new and flags != self._kept[number].flags):
                judgements.append(QualityResult(after.phenomenon_time, flags))
            if number != new and (after.flags != before.flags or after.value != before.value):
                self._windows.mark_changed(after.phenomenon_time, newest, terms.sizes)
        self._run = run
        return judgements

    def _run_before(self, place: int) -> ConstantRun | None:
        """Return the run that ends with the observation before a place that is not folded."""
        run = self._folded.run if self._folded is not None else None
        return extend_run_over(run, self._points[self._folded_count : place])

    def _judge(
        self, place: int, run: ConstantRun | None, terms: DatastreamPolicy
    ) -> tuple[Observation, ConstantRun]:
        """Return an observation calibrated and judged, and the run that ends with it, from the one before."""
        sent = self._kept[place]
        time, received = sent.phenomenon_time, sent.received_time
        value = terms.calibrated(sent.value, time)
        run = extend_run(run, time, value)
        context = self._points[max(0, place - CONTEXT_MAX) : place]
        flags = sent.flags | check_quality(context, run, time, received, value, terms.rules, terms.interval)
        if terms.maintenance and terms.is_in_maintenance(time):
            flags |= QualityFlag.MAINTENANCE
        if flags == sent.flags and value == sent.value:
            return sent, run
        return Observation(sent.datastream, time, received, value, flags), run

    def _shorten(self, terms: DatastreamPolicy) -> None:
        """Fold what more than `LATE_MAX` others have overtaken; drop what is not context any more."""
        if len(self._kept) - self._folded_count <= LATE_MAX:
            return
        place = self._folded_count
        one, before = self._judged[place], self._folded
        counted, register = increase_up_to(before.register if before is not None else None, one, terms)
        self._windows.fold(one, terms.aggregation, counted, terms.sizes)
        self._folded = summary_after(before, one, register)
        if place < CONTEXT_MAX:
            self._folded_count += 1
        else:
            del self._kept[0], self._judged[0], self._points[0]

    def due(self, terms: DatastreamPolicy) -> Instant | None:
        """Return the log time from which on a window is told although nothing closes it; None: none is."""
        if self._kept:
            self._quiet = idle_until(self._windows, self._kept[-1].phenomenon_time, terms)
        return self._quiet.due if self._quiet is not None else None

    def is_idle(self, now: Instant, terms: DatastreamPolicy) -> bool:
        """Whether no window is to be told, and `due` would answer as last time; quick, and mostly so."""
        quiet = self._quiet
        return quiet is not None and quiet.applies(self._windows, self._kept[-1].phenomenon_time, now, terms)

    def emit_windows(self, now: Instant, terms: DatastreamPolicy) -> Iterator[EmittedWindow]:
        """Yield each window that is to be told at the log time `now`, oldest first."""
        windows = self._windows
        if self._kept:
            windows.mark_early(
                self._kept[-1].phenomenon_time, now, live_duration(terms.interval), terms.sizes
            )
        if not windows.pending:
            return
        waiting, windows.pending = sorted(windows.pending, key=lambda one: (one[1], one[0])), {}
        folded = self._folded.time if self._folded is not None else self._kept[0].phenomenon_time - 1
        for key in waiting:
            window = WindowKey(*key)
            content = windows.finished.get(window) or self._content(window, terms)
            yield EmittedWindow(window, content, windows.on_emitted(window, folded))

    def _content(self, window: WindowKey, terms: DatastreamPolicy) -> WindowAccumulator:
        content = self._windows.partial_content(window)
        begin = max(self._folded_count, bisect_left(self._kept, window.start, key=BY_TIME))
        end = bisect_left(self._kept, window.start + window.size, key=BY_TIME)
        counts = self._counts(terms)
        for one in self._judged[begin:end]:
            time = one.phenomenon_time
            content.add(time, one.value, one.flags, terms.aggregation, counts.get(time, 0.0))
        return content

    def _counts(self, terms: DatastreamPolicy) -> dict[Instant, float]:
        """Return what a counter counted up to each reading that is not folded; nothing of others."""
        register = self._folded.register if self._folded is not None else None
        return increases_of(register, self._judged[self._folded_count :], terms)

    def _touch_counted(self, before: dict[Instant, float], terms: DatastreamPolicy) -> None:
        """Have windows told in which a counter counted otherwise than before."""
        newest = self._kept[-1].phenomenon_time
        for time, counted in self._counts(terms).items():
            if before.get(time) != counted:
                self._windows.mark_changed(time, newest, terms.sizes)

    def mark_emitted(self, terms: DatastreamPolicy, *, complete: bool) -> None:
        """Count all windows as told, after the state was made again from stored observations.

        `complete` says whether those were all that there are; otherwise what the open windows hold of older
        ones is lacking.
        """
        if self._kept:
            oldest = None if complete else self._kept[0].phenomenon_time
            self._windows.mark_all_emitted(self._kept[-1].phenomenon_time, oldest, terms.sizes)

    def snapshot(self) -> DatastreamSnapshot:
        """Return what `restored` makes this state of again. Shares the windows: encode it at once."""
        return DatastreamSnapshot.of(
            self._kept, self._judged, self._folded_count, self._folded, self._windows
        )

    @classmethod
    def restored(cls, snapshot: DatastreamSnapshot) -> DatastreamState:
        """Return the state that a snapshot was made of."""
        state = cls()
        state._kept = list(snapshot.recent)
        state._judged = snapshot.assessed_observations()
        state._points = [(one.phenomenon_time, one.value) for one in state._judged]
        state._folded_count = snapshot.folded_count
        state._folded = snapshot.folded
        state._windows = snapshot.windows
        state._run = state._run_before(len(state._points))
        state._sought = False
        return state


# How a datastream lies in a checkpoint.


class FoldedSummary(msgspec.Struct, array_like=True, frozen=True):
    """What is remembered of everything up to the newest folded observation."""

    time: Instant
    run: ConstantRun  #: of equal values, ending there
    last_good: LastGoodValue | None
    register: tuple[Instant, float] | None  #: what a counter's next reading is compared with


def summary_after(
    before: FoldedSummary | None, one: Observation, register: tuple[Instant, float] | None
) -> FoldedSummary:
    """Return what is remembered once one more observation is folded; `register` is what a counter reads."""
    if is_usable(one.flags):
        good: LastGoodValue | None = LastGoodValue(one.value, one.phenomenon_time)
    else:
        good = before.last_good if before is not None else None
    run = extend_run(before.run if before is not None else None, one.phenomenon_time, one.value)
    return FoldedSummary(one.phenomenon_time, run, good, register)


def newest_good_value(judged: Sequence[Observation], folded: FoldedSummary | None) -> LastGoodValue | None:
    """Return the newest good value of those that are not folded, ascending, or else of those that are."""
    for one in reversed(judged):
        if is_usable(one.flags):
            return LastGoodValue(one.value, one.phenomenon_time)
    return folded.last_good if folded is not None else None


class DatastreamSnapshot(msgspec.Struct, array_like=True, frozen=True):
    """A datastream in a checkpoint."""

    recent: tuple[Observation, ...]
    #: what judgement and calibration made of some of them: (place, value, flags)
    assessed: tuple[tuple[int, float, int], ...]
    folded_count: int
    folded: FoldedSummary | None
    windows: OpenWindows

    @classmethod
    def of(
        cls,
        kept: Sequence[Observation],
        judged: Sequence[Observation],
        folded_count: int,
        folded: FoldedSummary | None,
        windows: OpenWindows,
    ) -> DatastreamSnapshot:
        """Return the snapshot of what is kept, and of the same judged: the same object where it can be."""
        changed = tuple(
            (place, after.value, after.flags)
            for place, (before, after) in enumerate(zip(kept, judged, strict=True))
            if after is not before
        )
        return cls(tuple(kept), changed, folded_count, folded, windows)

    def assessed_observations(self) -> list[Observation]:
        """Return what is kept as it was judged."""
        judged = list(self.recent)
        for place, value, flags in self.assessed:
            judged[place] = judged[place]._replace(value=value, flags=flags)
        return judged


# Counting: how much a counter counted up to each of its readings, one after the other.

RegisterReading: TypeAlias = tuple[Instant, float]
"""A reading that the next one is compared with: phenomenon time and value."""


def increase_up_to(
    register: RegisterReading | None, one: Observation, terms: DatastreamPolicy
) -> tuple[float, RegisterReading | None]:
    """Return what was counted up to a reading, and what the next is compared with; 0 for other properties.

    A reading that is suspect counts nothing, and nothing is compared with it.
    """
    if terms.aggregation != "counter" or not is_usable(one.flags):
        return 0.0, register
    if register is None:
        return 0.0, (one.phenomenon_time, one.value)
    reading = one.phenomenon_time, one.value
    counted = counter_increase(register, reading, wraps_at=terms.wraps_at, rate_max=terms.rate_max)
    return counted.amount, (one.phenomenon_time, counted.register)


def increases_of(
    register: RegisterReading | None, readings: Iterable[Observation], terms: DatastreamPolicy
) -> dict[Instant, float]:
    """Return what was counted up to each reading, by its phenomenon time; nothing of other properties."""
    counts: dict[Instant, float] = {}
    if terms.aggregation == "counter":
        for one in readings:
            counts[one.phenomenon_time], register = increase_up_to(register, one, terms)
    return counts
