"""The timers of a stage: the log times at which something is due although no record concerns it. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from twin.instant import INSTANT_MAX, Instant

K = TypeVar("K", bound=Hashable)


class Timers(Generic[K]):
    """The earliest due time of each key. Not part of the state: a stage rebuilds it from its contents."""

    def __init__(self) -> None:
        self._heap: list[tuple[Instant, K]] = []
        # The valid entry of each key; other entries of the heap are skipped when they fall due.
        self._due: dict[K, Instant] = {}

    def schedule(self, key: K, due: Instant | None) -> None:
        """Make a key due at a log time, unless it is due earlier; do nothing for None.

        A key that is due too early is scheduled again when it is evaluated. A key that is due too late would
        be evaluated later than by a worker that starts from a checkpoint.
        """
        if due is not None and due < self._due.get(key, INSTANT_MAX):
            self._due[key] = due
            heapq.heappush(self._heap, (due, key))

    def __contains__(self, key: K) -> bool:
        return key in self._due

    def pop_due(self, now: Instant) -> Iterator[tuple[Instant, K]]:
        """Yield the keys that are due at a log time, earliest first, and remove them."""
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                yield due, key
