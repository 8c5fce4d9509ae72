"""The windows of one datastream that are not yet told, or may still change. Pure, mutable.

A window is *closed* once a later one has begun in its datastream, by event time; it is then told. It is *told
early* when nothing comes any more. It is *finished* once an observation behind its end was folded: nothing
that reaches this state can change it then, and it is forgotten as soon as it is told.
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
    """The content of a window as it is told."""

    window: WindowKey
    content: WindowAccumulator
    incomplete: bool  #: whether something came too late to be in it


class OpenWindows(msgspec.Struct, array_like=True):
    """What is known of the windows of a datastream beside the observations that are kept one by one."""

    #: of each size the window that the newest folded observation lies in, with what was folded into it
    folded: dict[Duration, tuple[Instant, WindowAccumulator]] = msgspec.field(default_factory=dict)
    #: whole windows that wait to be told
    finished: dict[WindowKey, WindowAccumulator] = msgspec.field(default_factory=dict)
    pending: dict[WindowKey, None] = msgspec.field(default_factory=dict)  #: closed, and to be told
    early: set[WindowKey] = msgspec.field(default_factory=set)  #: told before they were closed
    #: what came too late for these is not in the numbers here: they are repaired each time they are told
    incomplete: set[WindowKey] = msgspec.field(default_factory=set)

    def fold(self, one: Observation, kind: Aggregation, increase: float, sizes: Iterable[Duration]) -> None:
        """Add an observation, later than all that were folded, to its windows."""
        time = one.phenomenon_time
        for size in sizes:
            start = window_start(time, size)
            known = self.folded.get(size)
            if known is None or known[0] != start:
                if known is not None:
                    self._finish(WindowKey(size, known[0]), known[1])
                known = self.folded[size] = start, WindowAccumulator()
            known[1].add(time, one.value, one.flags, kind, increase)

    def _finish(self, window: WindowKey, content: WindowAccumulator) -> None:
        if window in self.pending:
            self.finished[window] = content
        else:
            self.incomplete.discard(window)

    def close(self, before: Instant, time: Instant, sizes: Sequence[Duration]) -> None:
        """Learn that the newest observation, of `before`, was followed by one of `time`."""
        # Each window lies in one of the next size: where the smallest goes on, they all do.
        if not self.early and sizes and time < window_start(before, sizes[0]) + sizes[0]:
            return
        for size in sizes:
            start = window_start(before, size)
            window = WindowKey(size, start)
            if time < start + size:
                self.early.discard(window)  # it goes on, and is told again
            elif window in self.early:
                self.early.discard(window)  # it was told as it is
            else:
                self.pending[window] = None

    def mark_changed(self, time: Instant, newest: Instant, sizes: Iterable[Duration]) -> None:
        """Learn that what is in the windows at `time` changed; `newest` is the newest phenomenon time."""
        for size in sizes:
            start = window_start(time, size)
            window = WindowKey(size, start)
            if newest >= start + size or window in self.early:
                self.pending[window] = None

    def mark_incomplete(self, time: Instant, folded: Instant, sizes: Iterable[Duration]) -> None:
        """Learn that an observation came too late; `folded` is the newest folded phenomenon time."""
        for size in sizes:
            start = window_start(time, size)
            window = WindowKey(size, start)
            if folded < start + size or window in self.finished:
                self.incomplete.add(window)

    def mark_early(self, newest: Instant, now: Instant, grace: Duration, sizes: Iterable[Duration]) -> None:
        """Have those windows told that should have been closed by now, but nothing came."""
        for size in sizes:
            start = window_start(newest, size)
            window = WindowKey(size, start)
            if now >= start + size + grace and window not in self.early:
                self.early.add(window)
                self.pending[window] = None

    def due(self, newest: Instant, grace: Duration, sizes: Iterable[Duration]) -> Instant | None:
        """Return from when on `mark_early` has something to do, or None when never."""
        ends = [
            start + size + grace
            for size in sizes
            if WindowKey(size, start := window_start(newest, size)) not in self.early
        ]
        return min(ends, default=None)

    def mark_all_emitted(self, newest: Instant, oldest: Instant | None, sizes: Iterable[Duration]) -> None:
        """Count all windows as told; `oldest` is the first observation that is known, None if of all."""
        self.pending.clear()
        self.finished.clear()
        for size in sizes:
            start = window_start(newest, size)
            if oldest is not None and start < oldest:
                self.incomplete.add(WindowKey(size, start))

    def partial_content(self, window: WindowKey) -> WindowAccumulator:
        """Return what was folded into a window, to add the rest to: a copy."""
        known = self.folded.get(window.size)
        if known is not None and known[0] == window.start:
            return known[1].copy()
        return WindowAccumulator()

    def on_emitted(self, window: WindowKey, folded: Instant) -> bool:
        """Forget that a window waits to be told; return whether something is lacking in it."""
        lacks = window in self.incomplete
        if window in self.finished or folded >= window.start + window.size:
            self.finished.pop(window, None)
            self.incomplete.discard(window)
        return lacks


# Quiet: that a datastream has no window to tell, known without a look at each. Pure.


class IdlePeriod(NamedTuple):
    """When a window is told although nothing closes it, and for how long that is the answer."""

    due: Instant  #: log time
    valid_until: (
        Instant  #: of the smallest window that the newest observation lay in; before that the answer holds
    )
    policy: DatastreamPolicy  #: by which it was found

    def applies(self, windows: OpenWindows, newest: Instant, now: Instant, terms: DatastreamPolicy) -> bool:
        """Whether no window is to be told at a log time, and the answer is the same.

        While the newest observation lies in the same smallest window, it lies in the same larger ones, too.
        """
        return (
            now < self.due
            and newest < self.valid_until
            and terms is self.policy
            and not windows.pending
            and not windows.early
        )


def idle_until(windows: OpenWindows, newest: Instant, terms: DatastreamPolicy) -> IdlePeriod | None:
    """Return from when on a window is told although nothing closes it; None: none is."""
    due = windows.due(newest, live_duration(terms.interval), terms.sizes)
    if due is None:
        return None
    size = terms.sizes[0]
    # A window that was told early and goes on is due again: that would be another answer.
    end = window_start(newest, size) + size if not windows.early else INSTANT_MIN
    return IdlePeriod(due, end, terms)
