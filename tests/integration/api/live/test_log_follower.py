"""The log follower without HTTP around it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from api.app import create_context
from api.entities.selection import EntityFilter
from api.live.events import HEARTBEAT, decode_events
from api.live.models import HeartbeatData
from api.live.subscriber import Subscriber
from api.live.time_slice import TimeSlice
from api.settings import ApiSettings
from cli.embedded.kafka import EmbeddedKafka
from runtime.clock import system_clock
from twin.model.city_model import CityModel

DEADLINE_S = 20.0


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def heartbeat(subscriber: Subscriber) -> HeartbeatData:
    """Return the next heartbeat; other events are left out."""
    while True:
        chunk = await subscriber.next_chunk(DEADLINE_S)
        assert chunk is not None
        for event in decode_events(chunk):
            if event.name == HEARTBEAT:
                return msgspec.json.decode(event.data, type=HeartbeatData)


async def heartbeat_that(subscriber: Subscriber, is_wanted: Callable[[HeartbeatData], bool]) -> HeartbeatData:
    async with asyncio.timeout(DEADLINE_S):
        while not is_wanted(found := await heartbeat(subscriber)):
            pass
        return found


@asynccontextmanager
async def following(bootstrap: str, model: CityModel) -> AsyncIterator[Subscriber]:
    """Follow a log, and yield a subscriber with a heartbeat a second."""
    settings = ApiSettings(city="city", kafka=bootstrap, database="postgresql://nobody@127.0.0.1:9/none")
    context = create_context(settings, model, system_clock, CollectorRegistry())
    feeding = asyncio.create_task(context.log_follower.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await context.log_follower.ready.wait()
        subscriber = Subscriber(EntityFilter(), 100_000, 1.0)
        context.hub.join(subscriber)
        yield subscriber
    finally:
        await _stop(feeding)


async def test_heartbeats_tell_of_a_log_that_does_not_answer(
    service_folder: Path, model: CityModel, open_log: Any
) -> None:
    broker = EmbeddedKafka(service_folder)
    await broker.start()
    try:
        async with open_log(broker.bootstrap) as log, following(broker.bootstrap, model) as subscriber:
            await log.write_updates("city.1")
            read = await heartbeat_that(subscriber, lambda one: one.update_time is not None)
            caught_up = await heartbeat_that(
                subscriber, lambda one: (one.caught_up_time or "") >= (read.update_time or "")
            )
            assert broker.child is not None
            os.kill(broker.child.pid, signal.SIGSTOP)
            try:
                stopped = await heartbeat_that(subscriber, lambda one: one.time > caught_up.time)
                for _ in range(2):
                    later = await heartbeat(subscriber)
                    assert later.time > stopped.time
                    assert (later.caught_up_time or "") <= stopped.time
            finally:
                os.kill(broker.child.pid, signal.SIGCONT)
            await heartbeat_that(subscriber, lambda one: (one.caught_up_time or "") > later.time)
    finally:
        await broker.stop()


async def test_heartbeats_tell_of_a_follower_that_does_not_read(
    kafka: str, model: CityModel, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = asyncio.Event()

    async def give_way(*_: object) -> None:
        await goes_on.wait()

    async with following(kafka, model) as subscriber:
        await heartbeat_that(subscriber, lambda one: one.caught_up_time is not None)
        monkeypatch.setattr(TimeSlice, "give_way", give_way)
        await log.write_updates("city.1")
        while b"event: state" not in (await subscriber.next_chunk(DEADLINE_S) or b""):
            pass
        first, second = await heartbeat(subscriber), await heartbeat(subscriber)
        assert second.time > first.time
        assert second.caught_up_time == first.caught_up_time
        goes_on.set()
        await heartbeat_that(subscriber, lambda one: (one.caught_up_time or "") > second.time)


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
