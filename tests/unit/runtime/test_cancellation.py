"""A loop ends although its client swallows the cancellation."""

from __future__ import annotations

import asyncio

from runtime.cancellation import raise_if_cancelled


async def swallowing() -> None:
    """Wait, and go on when cancelled, as a client of Kafka may."""
    try:
        await asyncio.sleep(3_600)
    except asyncio.CancelledError:
        return


async def reading(turns: list[int]) -> None:
    while True:
        raise_if_cancelled()
        turns.append(len(turns))
        await swallowing()


async def test_a_swallowed_cancellation_ends_the_next_iteration() -> None:
    turns: list[int] = []
    task = asyncio.create_task(reading(turns))
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=30)
    assert done == {task}
    assert task.cancelled()
    assert turns == [0]


async def test_an_expired_timeout_is_not_a_cancellation() -> None:
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(3_600)
    except TimeoutError:
        raise_if_cancelled()
