"""The agenda of a stage: what is to be looked at although nothing comes, and from which log time on. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from twin.instant import INSTANT_MAX, Instant

K = TypeVar("K", bound=Hashable)


class Timers(Generic[K]):
    """Of each key the earliest time counts. It is no state: a stage makes it anew from its contents."""

    def __init__(self) -> None:
        self._due: list[tuple[Instant, K]] = []
        # The entry that counts of each key; others are passed over when their time comes.
        self._scheduled: dict[K, Instant] = {}

    def schedule(self, key: K, due: Instant | None) -> None:
        """Have a key looked at from a log time on, unless it is sooner anyway; None: there is nothing to see.

        One that is looked at too early is scheduled anew then. One that is too late would do later what a
        worker does in time that starts from a checkpoint.
        """
        if due is not None and due < self._scheduled.get(key, INSTANT_MAX):
            self._scheduled[key] = due
            heapq.heappush(self._due, (due, key))

    def __contains__(self, key: K) -> bool:
        return key in self._scheduled

    def pop_due(self, now: Instant) -> Iterator[tuple[Instant, K]]:
        """Yield what is due at a log time, earliest first; it is not scheduled any more."""
        while self._due and self._due[0][0] <= now:
            due, key = heapq.heappop(self._due)
            if self._scheduled.get(key) == due:
                del self._scheduled[key]
                yield due, key
