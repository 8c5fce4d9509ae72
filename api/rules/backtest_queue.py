"""The queue of back-tests: one at a time, since each takes a core for seconds, and few that wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from api.http.problems import ProblemError

WAITING_MAX = 3

SECONDS_MAX = 180.0
"""So long one may take: a month of a hundred sensors takes seconds."""

RETRY_AFTER_S = 30


class BacktestQueue:
    """Lets one back-test run at a time."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the block; raise a problem (503) when many wait, or it lasts."""
        if self._waiting > WAITING_MAX:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._waiting} back-tests are under way or waiting already; ask again in a while.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        self._waiting += 1
        try:
            async with self._lock, asyncio.timeout(SECONDS_MAX):
                yield
        except TimeoutError as error:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"The back-test took longer than {SECONDS_MAX:.0f} s; ask for a shorter time, or a rule for "
                "fewer entities.",
            ) from error
        finally:
            self._waiting -= 1
