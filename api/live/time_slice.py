"""A bound on how long one task works before the others of the event loop have a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SLICE_S = 0.005
"""A few records, each for many subscribers, and less than a person notices."""

SLICE_BYTES = 8 * 1024
"""Of records. Encoded as events for a subscriber of everything they are some four times as large, and must
find room in its queue."""


class TimeSlice:
    """How long and how much a task works at one stretch.

    A turn of the other tasks takes milliseconds when many requests are in progress. A task that gives way
    after each small step then falls behind what comes in, however little its steps cost.
    """

    def __init__(
        self, clock: Callable[[], float], seconds: float = SLICE_S, bytes_max: int = SLICE_BYTES
    ) -> None:
        self._clock = clock  #: in seconds, monotonic
        self._seconds = seconds
        self._bytes_max = bytes_max
        self._end = clock() + seconds
        self._bytes = 0  # of this slice

    async def give_way(self, done: int) -> None:
        """Let the others have a turn if this slice is over, after work on so many bytes."""
        self._bytes += done
        if self._bytes >= self._bytes_max or self._clock() >= self._end:
            await asyncio.sleep(0)
            self._bytes, self._end = 0, self._clock() + self._seconds
