"""Counts of the ledger: results of messages and observations, by feed and minute of reception."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple, dataclass
from typing import NamedTuple

from twin.instant import MINUTE, Instant


class FeedMinute(NamedTuple):
    """The key of a row of the ledger: feed and minute of reception."""

    feed: str  #: empty when no feed knows the topic
    minute: Instant

    @classmethod
    def of(cls, feed: str, received_time: Instant) -> FeedMinute:
        """Return the key for a feed and a time of reception."""
        return cls(feed, received_time - received_time % MINUTE)


@dataclass(slots=True)
class OutcomeCounts:
    """The counts in a row of the ledger; its migration describes each of them."""

    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    observations: int = 0
    new: int = 0
    corrected: int = 0
    superseded: int = 0
    duplicate: int = 0
    replayed: int = 0
    resolved: int = 0

    def add(self, other: OutcomeCounts) -> None:
        """Add another row to this one."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def values(self) -> tuple[int, ...]:
        """The counts in the order of their columns."""
        return astuple(self)

    @property
    def balances(self) -> bool:
        """Whether both equations hold."""
        return (
            self.received == self.accepted + self.quarantined
            and self.observations == self.new + self.corrected + self.superseded + self.duplicate
        )


class LedgerCounts(defaultdict[FeedMinute, OutcomeCounts]):
    """The counts that one transaction adds to the ledger."""

    def __init__(self) -> None:
        super().__init__(OutcomeCounts)

    @property
    def total(self) -> OutcomeCounts:
        """The sum of all rows."""
        total = OutcomeCounts()
        for counts in self.values():
            total.add(counts)
        return total
