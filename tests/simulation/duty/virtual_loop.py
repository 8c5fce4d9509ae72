"""Event loops over one virtual time, so that simulated processes can be paused and killed one by one."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any


class _NoSelector:
    """Waits for nothing: there are no sockets."""

    def select(self, _timeout: float | None) -> list[Any]:
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop that its owner steps; `clock` is its time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._selector = _NoSelector()
        self._clock = clock
        self._clock_resolution = 1e-6
        self._is_halted = False

    def time(self) -> float:
        return self._clock()

    def run_due(self) -> None:
        """Run everything that is due by now, until `halt`."""
        self._is_halted = False
        while self._is_due() and not self._is_halted:
            self.call_soon(self.stop)
            self.run_forever()

    def halt(self) -> None:
        """Run no more steps now: what the current step has made ready waits for the next `run_due`."""
        self._is_halted = True

    def next_time(self) -> float | None:
        """Return when the next timer is due, by this loop's clock."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        return timers[0].when() if timers else None

    def _is_due(self) -> bool:
        at = self.next_time()
        ready: Any = self._ready  # type: ignore[attr-defined]
        return bool(ready) or (at is not None and at < self.time() + self._clock_resolution)

    def _process_events(self, _events: list[Any]) -> None:
        return

    def _write_to_self(self) -> None:
        return
