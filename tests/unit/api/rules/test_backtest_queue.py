"""The queue of back-tests: one runs at a time, and few may wait."""

from __future__ import annotations

import asyncio

import pytest

from api.http.problems import ProblemError
from api.rules.backtest_queue import WAITING_MAX, BacktestQueue


async def test_one_back_test_runs_at_a_time_and_few_wait() -> None:
    queue, running, most, ended = BacktestQueue(), 0, 0, asyncio.Event()

    async def test() -> None:
        nonlocal running, most
        async with queue.turn():
            running += 1
            most = max(most, running)
            await ended.wait()
            running -= 1

    tasks = [asyncio.create_task(test()) for _ in range(1 + WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(ProblemError, match="4 back-tests are running or waiting") as refused:
        async with queue.turn():
            pass
    assert refused.value.headers["Retry-After"]
    ended.set()
    await asyncio.gather(*tasks)
    assert most == 1
    async with queue.turn():
        pass


async def test_a_back_test_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ProblemError, match="took longer"):
        async with BacktestQueue(timeout_s=0.001).turn():
            await asyncio.Event().wait()
