"""The queue of back-tests: one runs at a time, since each takes a core for seconds; few may wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.http.problems import unavailable

WAITING_MAX = 3

TIMEOUT_S = 180.0
"""The longest run of a back-test: a month of a hundred sensors takes seconds."""

RETRY_AFTER_S = 30


class BacktestQueue:
    """Lets one back-test run at a time."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it; raise a problem (503) when the queue is full or the run takes long."""
        if self._waiting > WAITING_MAX:
            raise unavailable(
                f"{self._waiting} back-tests are running or waiting; try again later.", RETRY_AFTER_S
            )
        self._waiting += 1
        try:
            async with self._lock, asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as error:
            raise unavailable(
                f"The back-test took longer than {self._timeout_s:.0f} s; ask for a shorter time, or a rule "
                "for fewer entities.",
                RETRY_AFTER_S,
            ) from error
        finally:
            self._waiting -= 1
