"""A task gives way by time and amount, not by steps: in a busy process small steps would fall behind."""

from __future__ import annotations

import asyncio

import pytest

from api.live.time_slice import TimeSlice


@pytest.mark.parametrize(
    ("step_s", "step_bytes", "turns"),
    [(0.0001, 10, 0), (0.001, 10, 2), (0.01, 10, 10), (0.0001, 500, 5), (0.0001, 2_000, 10)],
)
async def test_other_tasks_have_a_turn_after_each_slice(step_s: float, step_bytes: int, turns: int) -> None:
    now, found = 0.0, 0

    async def others() -> None:
        nonlocal found
        while True:
            await asyncio.sleep(0)
            found += 1

    running = asyncio.create_task(others())
    await asyncio.sleep(0)
    time_slice = TimeSlice(lambda: now, seconds=0.005, bytes_max=1_000)
    for _ in range(10):
        now += step_s
        await time_slice.give_way(step_bytes)
    running.cancel()
    assert found == turns
