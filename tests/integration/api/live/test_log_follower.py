"""The log follower without HTTP around it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from prometheus_client import CollectorRegistry

from api.app import create_context
from api.entities.selection import EntityFilter
from api.live.subscriber import Subscriber
from api.settings import ApiSettings
from runtime.clock import system_clock
from twin.model.city_model import CityModel

DEADLINE_S = 20.0


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_follower_that_reconnects_to_the_same_log_continues_without_a_gap(
    kafka: str, model: CityModel, log: Any
) -> None:
    settings = ApiSettings(city="city", kafka=kafka, database="postgresql://nobody@127.0.0.1:9/none")
    context = create_context(settings, model, system_clock, CollectorRegistry())
    await log.write_updates("city.1")
    feeding = asyncio.create_task(context.log_follower.run())
    async with asyncio.timeout(DEADLINE_S):
        await context.log_follower.ready.wait()
    subscriber = Subscriber(EntityFilter(), 100_000)
    assert len(context.hub.join(subscriber).values) == 1
    await _stop(feeding)
    await log.write_updates("city.1", "city.1")
    feeding = asyncio.create_task(context.log_follower.run())
    try:
        received = b""
        while received.count(b"event: state") < 2:
            received += await subscriber.next_chunk(DEADLINE_S) or b""
            assert subscriber.lost is None
        assert b'"revision":2,' in received
        assert b'"revision":3,' in received
    finally:
        await _stop(feeding)
