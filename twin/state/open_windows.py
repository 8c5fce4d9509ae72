"""The windows of one datastream that are not yet emitted, or may still change. Pure, mutable.

A window is *closed* once an observation of a later window has arrived, by event time; it is then emitted. It
is emitted *early* when no more observations arrive. It is *finished* once an observation after its end is
folded: no later observation can change it here, and it is dropped as soon as it is emitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from twin.instant import INSTANT_MIN, Duration, Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import Aggregation
from twin.state.freshness import live_duration
from twin.state.window import WindowAccumulator, window_start


class WindowKey(NamedTuple):
    """A window of a datastream: start ≤ phenomenon time < start + size."""

    size: Duration
    start: Instant


class EmittedWindow(NamedTuple):
    """A window with its content, as emitted."""

    window: WindowKey
    content: WindowAccumulator
    incomplete: bool  #: whether an observation came too late for it


class OpenWindows(msgspec.Struct, array_like=True):
    """The windows of a datastream, without the observations that are kept one by one."""

    #: by size: start and folded content of the window of the newest folded observation
    folded: dict[Duration, tuple[Instant, WindowAccumulator]] = msgspec.field(default_factory=dict)
    #: finished windows that are not yet emitted
    finished: dict[WindowKey, WindowAccumulator] = msgspec.field(default_factory=dict)
    pending: dict[WindowKey, None] = msgspec.field(default_factory=dict)  #: to be emitted
    early: set[WindowKey] = msgspec.field(default_factory=set)  #: emitted before they were closed
    #: lack an observation that came too late: storage repairs them each time they are emitted
    incomplete: set[WindowKey] = msgspec.field(default_factory=set)

    def fold(
        self, observation: Observation, kind: Aggregation, increase: float, sizes: Iterable[Duration]
    ) -> None:
        """Add an observation, later than all folded ones, to its windows."""
        _, time, _, value, flags, _ = observation
        folded = self.folded
        for size in sizes:
            start = time - time % size  # a call of window_start() for each size costs a tenth of all this
            known = folded.get(size)
            if known is None or known[0] != start:
                if known is not None:
                    self._finish(WindowKey(size, known[0]), known[1])
                known = folded[size] = start, WindowAccumulator()
            known[1].add(time, value, flags, kind, increase)

    def _finish(self, window: WindowKey, content: WindowAccumulator) -> None:
        if window in self.pending:
            self.finished[window] = content
        else:
            self.incomplete.discard(window)

    def close(self, before: Instant, time: Instant, sizes: Sequence[Duration]) -> None:
        """Close the windows of `before` that end at or before `time`, the two newest phenomenon times."""
        # Each window lies in one of the next size: while the smallest continues, they all do.
        if not self.early and sizes and time < before - before % (smallest := sizes[0]) + smallest:
            return
        for size in sizes:
            start = window_start(before, size)
            window = WindowKey(size, start)
            if time < start + size:
                self.early.discard(window)  # it continues, and is emitted again
            elif window in self.early:
                self.early.discard(window)  # it was emitted complete
            else:
                self.pending[window] = None

    def mark_changed(self, time: Instant, newest: Instant, sizes: Iterable[Duration]) -> None:
        """Emit the windows at `time` again, whose content changed; `newest` is the newest phenomenon time."""
        for size in sizes:
            start = window_start(time, size)
            window = WindowKey(size, start)
            if newest >= start + size or window in self.early:
                self.pending[window] = None

    def mark_incomplete(self, time: Instant, folded: Instant, sizes: Iterable[Duration]) -> None:
        """Note that an observation of `time` came too late; `folded` is the newest folded phenomenon time."""
        for size in sizes:
            start = window_start(time, size)
            window = WindowKey(size, start)
            if folded < start + size or window in self.finished:
                self.incomplete.add(window)

    def mark_incomplete_range(self, first: Instant, last: Instant) -> None:
        """Note that folded observations in first ≤ phenomenon time ≤ last have other flags now."""
        folded = {WindowKey(size, start) for size, (start, _) in self.folded.items()}
        for window in folded | self.finished.keys():
            if window.start <= last and window.start + window.size > first:
                self.incomplete.add(window)

    def mark_early(self, newest: Instant, now: Instant, grace: Duration, sizes: Iterable[Duration]) -> None:
        """Emit windows that should be closed by now, but have no later observation."""
        for size in sizes:
            start = window_start(newest, size)
            window = WindowKey(size, start)
            if now >= start + size + grace and window not in self.early:
                self.early.add(window)
                self.pending[window] = None

    def due(self, newest: Instant, grace: Duration, sizes: Iterable[Duration]) -> Instant | None:
        """Return the log time at which `mark_early` next emits a window, or None."""
        ends = [
            start + size + grace
            for size in sizes
            if WindowKey(size, start := window_start(newest, size)) not in self.early
        ]
        return min(ends, default=None)

    def mark_all_emitted(self, oldest: Instant | None, sizes: Iterable[Duration]) -> None:
        """Mark all windows as emitted; `oldest` is the first known observation, None when all are known."""
        self.pending.clear()
        self.finished.clear()
        if oldest is None:
            return
        for size in sizes:
            start = window_start(oldest, size)
            if start < oldest:
                self.incomplete.add(WindowKey(size, start))

    def partial_content(self, window: WindowKey) -> WindowAccumulator:
        """Return a copy of the folded content of a window, to which the rest is added."""
        known = self.folded.get(window.size)
        if known is not None and known[0] == window.start:
            return known[1].copy()
        return WindowAccumulator()

    def on_emitted(self, window: WindowKey, folded: Instant) -> bool:
        """Drop a finished window that is emitted; return whether it is incomplete."""
        is_incomplete = window in self.incomplete
        if window in self.finished or folded >= window.start + window.size:
            self.finished.pop(window, None)
            self.incomplete.discard(window)
        return is_incomplete


class IdlePeriod(NamedTuple):
    """The time of the next early window, and how long that result holds; saves a look at each window."""

    due: Instant  #: log time
    valid_until: Instant  #: end of the smallest window of the newest observation
    policy: DatastreamPolicy  #: used for the result

    def applies(self, windows: OpenWindows, newest: Instant, now: Instant, policy: DatastreamPolicy) -> bool:
        """Return whether no window is due at the log time `now`, and `due` still holds.

        While the newest observation lies in the same smallest window, it lies in the same larger ones, too.
        """
        return (
            now < self.due
            and newest < self.valid_until
            and policy is self.policy
            and not windows.pending
            and not windows.early
        )


def idle_until(windows: OpenWindows, newest: Instant, policy: DatastreamPolicy) -> IdlePeriod | None:
    """Return when the next window is emitted without a later observation; None without such a window."""
    due = windows.due(newest, live_duration(policy.interval), policy.sizes)
    if due is None:
        return None
    size = policy.sizes[0]
    # A window that was emitted early and continues is due again: that would change the result.
    end = window_start(newest, size) + size if not windows.early else INSTANT_MIN
    return IdlePeriod(due, end, policy)
