"""Quiet: that a datastream has no window to tell, known without a look at each. Pure."""

from __future__ import annotations

from typing import NamedTuple

from twin.instant import INSTANT_MIN, Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.state.freshness import live_duration
from twin.state.open_windows import OpenWindows
from twin.state.window import window_start


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
