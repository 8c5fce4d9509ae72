"""The api role as the command line runs it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from api.app import create_context
from api.live.live_view import ViewSeed
from api.service import run, serve
from api.settings import ApiSettings
from runtime.clock import system_clock
from tests.support.cities.model_source import FakeModelSource
from tests.support.http.documented_client import documented_client
from twin.errors import ServiceError
from twin.model.city_model import CityModel

DEADLINE_S = 20.0
AWAY = "postgresql://nobody@127.0.0.1:9/none"


async def _get(url: str) -> httpx.Response:
    async with asyncio.timeout(DEADLINE_S), documented_client() as client:
        while True:
            with suppress(httpx.TransportError):
                response = await client.get(url)
                if response.status_code == 200:
                    return response
            await asyncio.sleep(0.02)


async def test_cancelling_the_role_ends_its_streams_at_once(
    kafka: str, model: CityModel, free_port: int
) -> None:
    settings = ApiSettings(city="city", kafka=kafka, port=free_port, database=AWAY)
    role = asyncio.create_task(run(settings, FakeModelSource(model)))
    base = f"http://127.0.0.1:{free_port}"
    assert (await _get(f"{base}/v1/health/ready")).json()["status"] == "degraded"
    async with documented_client() as client, client.stream("GET", f"{base}/v1/live") as stream:
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("id: ")
        loop = asyncio.get_running_loop()
        began = loop.time()
        role.cancel()
        async for _ in lines:
            pass
        with suppress(asyncio.CancelledError):
            await role
        assert loop.time() - began < 3


async def test_a_port_in_use_is_an_error_with_a_remedy(kafka: str, model: CityModel, free_port: int) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", free_port)
    async with server:
        with pytest.raises(ServiceError, match="LIVETWIN_PORT"):
            await run(
                ApiSettings(city="city", kafka=kafka, port=free_port, database=AWAY), FakeModelSource(model)
            )


async def test_a_view_started_without_the_database_merges_the_stored_state_later(
    kafka: str, model: CityModel, free_port: int, open_log: Any
) -> None:
    async with open_log(kafka) as log:
        stored = log.update("city.2"), log.update("city.3")
        await log.write_updates("city.1")
    back = asyncio.Event()

    async def seeds(log_id: str) -> ViewSeed:
        if not back.is_set():
            raise ServiceError("the database is away")
        return ViewSeed(updates=stored)

    settings = ApiSettings(city="city", kafka=kafka, port=free_port, database=AWAY)
    context = create_context(settings, model, system_clock, CollectorRegistry(), seeds=seeds)
    serving = asyncio.create_task(serve(context, FakeModelSource(model)))
    try:
        await _get(f"http://127.0.0.1:{free_port}/v1/health/ready")
        assert len(context.hub.view) == 1
        back.set()
        async with asyncio.timeout(DEADLINE_S):
            while len(context.hub.view) < 3:  # noqa: ASYNC110 - the view has no event for it
                await asyncio.sleep(0.02)
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def test_an_unreadable_record_is_counted_and_skipped(api: Any, kafka: str, log: Any) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    await producer.send_and_wait("updates", b"\xc1 garbage", partition=0)
    await producer.stop()
    async with api.follow() as events:
        await events.snapshot()
        await log.write_updates("city.0", "city.1", "city.2", "city.3")
        assert {(await events.next())[1] for _ in range(4)} == {"state"}
    text = (await api.client.get("/metrics")).text
    assert "livetwin_api_unreadable_records_total 1.0" in text
