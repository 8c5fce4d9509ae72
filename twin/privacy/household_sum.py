"""The published value of one property of households on one entity: window by window, over a cohort.

Readings of single connections are collected here until their window is complete; what may be told of them is
decided by `twin.privacy.cohort`. Nothing else of them leaves the entity.
"""

from __future__ import annotations

import msgspec

from twin.instant import MINUTE, Duration, Instant
from twin.privacy.cohort import Cohort, PublishedSum, advance_cohort
from twin.state.window import Aggregate

HOUSEHOLD_WINDOW: Duration = 10 * MINUTE

# How much longer than its connections' interval a window waits, by log time, for those that have not closed
# it: the next reading does. A gateway that is away for longer has its readings carried by the cohort.
PENDING_MAX: Duration = 2 * MINUTE

# Windows that wait at a time; with more, the oldest are complete as they are. A simulation that runs fast
# may have a few.
PENDING_WINDOWS_MAX = 16


class PendingWindow(msgspec.Struct, array_like=True):
    """The readings of one window so far."""

    since: Instant  #: log time of the first
    values: dict[int, float]


class HouseholdSum(msgspec.Struct, array_like=True):
    """What is known of one personal property of one entity. Mutable; goes into a checkpoint."""

    cohort: Cohort | None = None
    pending: dict[Instant, PendingWindow] = msgspec.field(default_factory=dict)

    def add(self, aggregate: Aggregate, now: Instant) -> None:
        """Take in a connection's window of size `HOUSEHOLD_WINDOW`; one that is published already changes
        nothing.
        """
        value = aggregate.mean
        if value is None or (self.cohort is not None and aggregate.start <= self.cohort.window):
            return
        waiting = self.pending.get(aggregate.start)
        if waiting is None:
            waiting = self.pending[aggregate.start] = PendingWindow(now, {})
        waiting.values[aggregate.datastream] = value

    def publish(self, now: Instant, registered: int, interval: Duration) -> list[PublishedSum]:
        """Return what may be told of the windows that are complete, oldest first.

        `registered` connections are known to the city model; the slowest reports each `interval`.
        """
        published = []
        for start in sorted(self.pending):
            one = self.pending[start]
            waited = now - max(one.since, start + HOUSEHOLD_WINDOW)
            missing = len(one.values) < registered
            if missing and waited < PENDING_MAX + interval and len(self.pending) <= PENDING_WINDOWS_MAX:
                break  # a later window is not published before this one
            del self.pending[start]
            self.cohort, told = advance_cohort(self.cohort, one.values, start, registered)
            if told is not None:
                published.append(told)
        return published
