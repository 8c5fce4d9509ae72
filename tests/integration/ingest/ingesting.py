"""A running ingest role for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.structs import ConsumerRecord

from ingest.service import run
from ingest.settings import IngestSettings
from tests.cities import small_city
from twin.messages import (
    OBSERVATIONS,
    MessageHeader,
    ObservationBatch,
    decode_headers,
    decode_payloads,
)
from twin.model import CityModel
from twin.observation import Observation


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
