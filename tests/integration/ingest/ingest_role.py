"""A running ingest role for the tests of this folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.structs import ConsumerRecord

from ingest.service import run
from ingest.settings import IngestSettings
from tests.support.brokers.kafka_reader import read_until
from tests.support.brokers.mqtt_publisher import publish
from tests.support.cities.small_cities import small_city
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.wire.messages import OBSERVATIONS, MessageHeader, ObservationBatch, decode_headers, decode_payloads

NOISE = "livetwin/town/noise-1/observations"


class Model:
    """A city model that follows what it is told."""

    def __init__(self) -> None:
        self._model = small_city()
        self._newer: asyncio.Queue[CityModel] = asyncio.Queue()

    async def load(self) -> CityModel:
        return self._model

    async def watch(self) -> AsyncIterator[CityModel]:
        while True:
            yield await self._newer.get()

    def change(self, model: CityModel) -> None:
        self._newer.put_nowait(model)


@asynccontextmanager
async def ingesting(
    mqtt: tuple[str, int], kafka: str, model: Model | None = None, **settings: object
) -> AsyncIterator[asyncio.Task[None]]:
    options = IngestSettings(mqtt_host=mqtt[0], mqtt_port=mqtt[1], kafka=kafka, **settings)
    task = asyncio.create_task(run(options, model or Model()))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def batches(records: list[ConsumerRecord]) -> list[ObservationBatch]:
    return [OBSERVATIONS.decode(record.value) for record in records]


def all_observations(records: list[ConsumerRecord]) -> list[Observation]:
    return [one for batch in batches(records) for one in batch.observations]


def all_messages(records: list[ConsumerRecord]) -> list[tuple[str, MessageHeader, bytes]]:
    """Return session, header and payload of each message."""
    found: list[tuple[str, MessageHeader, bytes]] = []
    for batch in batches(records):
        if batch.headers:
            headers = decode_headers(batch.headers)
            payloads = decode_payloads(batch.payloads) if batch.payloads else (b"",) * len(headers.messages)
            for header, payload in zip(headers.messages, payloads, strict=True):
                found.append((headers.session, header, payload))
    return found


def native(time: str, value: object) -> bytes:
    return json.dumps({"time": time, "values": {"noise_level": value}}).encode()


MARKER = native("2026-11-23T12:00:00Z", 1.0)
"""What `session_made` publishes."""


@asynccontextmanager
async def session_made(mqtt: tuple[str, int], kafka: str) -> AsyncIterator[None]:
    """Let ingest subscribe once, so that the broker keeps what is published from now on."""
    async with ingesting(mqtt, kafka):
        while True:
            await asyncio.to_thread(publish, mqtt, [(NOISE, MARKER)])
            try:
                await read_until(
                    kafka, "observations", 4, lambda found: bool(all_observations(found)), timeout_s=0.5
                )
            except AssertionError:
                continue
            break
        yield
