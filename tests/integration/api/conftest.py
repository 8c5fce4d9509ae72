"""A running api on a real log, used over real HTTP; without a database unless a test provides one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from api.app import create_context
from api.context import BODY_TIMEOUT_S, ApiContext
from api.http.limits.bounded_protocol import HEAD_TIMEOUT_S
from api.service import serve
from api.settings import ApiSettings
from runtime.clock import Clock, system_clock
from runtime.kafka import topics
from storage.database import connect
from storage.model.model_source import ModelSource
from storage.model.model_store import apply_plan, load_model
from tests.integration.api.stored_city import StoredCity
from tests.support.cities.city_builder import CityBuilder, plan_of
from tests.support.cities.model_source import FakeModelSource
from tests.support.database.role_accounts import role_dsn
from tests.support.http.documented_client import documented_answers, documented_client
from tests.support.receivers.live_stream_reader import LiveStreamReader
from twin.instant import MINUTE
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import UPDATES, Update, UpdateBatch, partition_of

PARTITIONS = 4
ENTITIES = [f"city.{number}" for number in range(8)]
DEADLINE_S = 20.0


@pytest.fixture
def model() -> CityModel:
    builder = CityBuilder("city", "City")
    for number, id in enumerate(["city", *ENTITIES]):
        builder.entity(
            id,
            "Municipality" if id == "city" else "Neighbourhood",
            geometry={"type": "Point", "coordinates": [4.7 + number / 100, 52.63]},
        )
    for id in ENTITIES:
        is_meter = id == ENTITIES[-1]
        builder.sensor(
            f"s-{id}",
            id,
            "pm2_5",
            "no2",
            feed="dsmr" if is_meter else "native",
            device=id,
            interval=10 * MINUTE,
            personal=is_meter,
        )
    return builder.model()


class UpdateLog:
    """Writes updates like the stream: each entity to its partition, with revisions rising by one."""

    def __init__(self, producer: AIOKafkaProducer, model: CityModel) -> None:
        self._producer = producer
        self._model = model
        self.revisions: dict[str, int] = {}

    def update(self, entity: str, property: str = "pm2_5", value: float | None = None) -> Update:
        self.revisions[entity] = revision = self.revisions.get(entity, 0) + 1
        now = system_clock()
        datastream = self._model.datastreams_of(entity, property)[0].id
        value = float(revision) if value is None else value
        observation = Observation(datastream, now, now, value, 0)
        return Update(entity, property, revision, value, now, now, 0, (datastream,), observation)

    async def write(self, updates: Sequence[Update]) -> None:
        """Write one record; all updates are of entities of one partition."""
        partition = partition_of(updates[0].entity, PARTITIONS)
        record = UPDATES.encode(UpdateBatch(LAYOUT_VERSION, tuple(updates)))
        await self._producer.send_and_wait(topics.UPDATES, record, partition=partition)

    async def write_updates(self, *entities: str) -> None:
        """Write a record with one update for each entity."""
        for entity in entities:
            await self.write([self.update(entity)])


@asynccontextmanager
async def open_log(bootstrap: str, model: CityModel) -> AsyncIterator[UpdateLog]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        yield UpdateLog(producer, model)
    finally:
        await producer.stop()


@pytest.fixture
async def log(kafka: str, model: CityModel) -> AsyncIterator[UpdateLog]:
    async with open_log(kafka, model) as opened:
        yield opened


class RunningApi:
    """A running api; its client fails on an answer which the OpenAPI document does not describe."""

    def __init__(self, context: ApiContext, client: httpx.AsyncClient) -> None:
        self.context = context
        self.client = client

    async def shows(self, values: int) -> None:
        """Wait until the live view has this number of values."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.context.hub.view) < values:  # noqa: ASYNC110 - the view has no event for it
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def follow(self, cursor: str | None = None, **query: str) -> AsyncIterator[LiveStreamReader]:
        headers = {"Last-Event-ID": cursor} if cursor else {}
        async with self.client.stream("GET", "/v1/live", params=query, headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            yield LiveStreamReader(response, documented_answers().check_event)


StartApi = Callable[..., AbstractAsyncContextManager[RunningApi]]


@pytest.fixture
def start_api(model: CityModel, free_port: int) -> StartApi:
    @asynccontextmanager
    async def start(
        bootstrap: str,
        model: CityModel = model,
        *,
        models: FakeModelSource | ModelSource | None = None,
        head_timeout_s: float = HEAD_TIMEOUT_S,
        body_timeout_s: float = BODY_TIMEOUT_S,
        clock: Clock = system_clock,
        **options: Any,
    ) -> AsyncIterator[RunningApi]:
        # No server listens on port 9: the database is unavailable.
        database = options.pop("database", "postgresql://nobody@127.0.0.1:9/none")
        settings = ApiSettings(
            **{
                "city": "city",
                "kafka": bootstrap,
                "port": free_port,
                "partitions": PARTITIONS,
                "database": role_dsn(database, "api"),
                "operator_key": "sesame",
                **options,
            }
        )
        context = replace(
            create_context(settings, model, clock, CollectorRegistry()),
            head_timeout_s=head_timeout_s,
            body_timeout_s=body_timeout_s,
        )
        serving = asyncio.create_task(serve(context, models or FakeModelSource(model)))
        try:
            ready = asyncio.create_task(context.log_follower.ready.wait())
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            base = f"http://127.0.0.1:{settings.port}"
            async with documented_client(base_url=base, timeout=DEADLINE_S) as client:
                await _listening(settings.port)
                yield RunningApi(context, client)
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving

    return start


async def _listening(port: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with socket.socket() as probe:
                probe.setblocking(False)
                try:
                    await asyncio.get_running_loop().sock_connect(probe, ("127.0.0.1", port))
                    return
                except OSError:
                    await asyncio.sleep(0.01)


@pytest.fixture
async def api(start_api: StartApi, kafka: str) -> AsyncIterator[RunningApi]:
    async with start_api(kafka) as started:
        yield started


@pytest.fixture(name="open_log")
def open_log_fixture(model: CityModel) -> Callable[[str], AbstractAsyncContextManager[UpdateLog]]:
    return lambda bootstrap: open_log(bootstrap, model)


@pytest.fixture
async def stored(database: str, model: CityModel) -> AsyncIterator[StoredCity]:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan_of(model))
        yield StoredCity(database, await load_model(connection, "city"), connection)
