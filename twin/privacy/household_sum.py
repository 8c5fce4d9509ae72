"""The published sum of one property of the households on one entity, for one window after the other.

Readings of single connections are collected here until their window is complete. `twin.privacy.cohort`
decides which sum may be published. Nothing else of them leaves the entity.

Where all connections report, the sums follow from the readings, in whatever order and speed they arrive: a
window waits for the missing ones. It cannot wait for ever, and it is final once it is published. So a sum
stays without a connection that is late for longer than `PENDING_MAX` and its interval (docs/decisions/0009).
"""

from __future__ import annotations

import msgspec

from twin.instant import MINUTE, Duration, Instant
from twin.privacy.cohort import Cohort, PublishedSum, advance_cohort
from twin.state.window import Aggregate

HOUSEHOLD_WINDOW: Duration = 10 * MINUTE

# How long a window waits for missing connections, in log time beyond their interval: the next reading closes
# it. The cohort carries forward the readings of a gateway that is away for longer.
PENDING_MAX: Duration = 2 * MINUTE

# Pending windows at a time; beyond, the oldest are published as they are. Two days: the meters of a gateway
# that was offline for a day may send their readings one after the other.
PENDING_WINDOWS_MAX = 288


class PendingWindow(msgspec.Struct, array_like=True):
    """The readings of one window until it is published."""

    since: Instant  #: log time of the first
    values: dict[int, float]


class HouseholdSum(msgspec.Struct, array_like=True):
    """The state of one personal property of one entity. Mutable; goes into a checkpoint."""

    cohort: Cohort | None = None
    pending: dict[Instant, PendingWindow] = msgspec.field(default_factory=dict)

    def add(self, aggregate: Aggregate, now: Instant) -> None:
        """Add a connection's window of size `HOUSEHOLD_WINDOW`; ignore windows that are already published."""
        value = aggregate.mean
        if value is None or (self.cohort is not None and aggregate.start <= self.cohort.window):
            return
        pending = self.pending.get(aggregate.start)
        if pending is None:
            pending = self.pending[aggregate.start] = PendingWindow(now, {})
        pending.values[aggregate.datastream] = value

    def publish(self, now: Instant, registered: int, interval: Duration) -> list[PublishedSum]:
        """Return the sums of complete windows that may be published, oldest first.

        The city model has `registered` connections; `interval` is the longest of their intervals.
        """
        published = []
        for start in sorted(self.pending):
            pending = self.pending[start]
            waited = now - max(pending.since, start + HOUSEHOLD_WINDOW)
            is_incomplete = len(pending.values) < registered
            if is_incomplete and waited < PENDING_MAX + interval and len(self.pending) <= PENDING_WINDOWS_MAX:
                break  # a later window is not published before this one
            del self.pending[start]
            self.cohort, total = advance_cohort(self.cohort, pending.values, start, registered)
            if total is not None:
                published.append(total)
        return published
