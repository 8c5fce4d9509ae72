"""Runs the ingest role for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka.structs import ConsumerRecord

from ingest.service import run
from ingest.settings import IngestSettings
from tests.support.brokers.kafka_reader import read_until
from tests.support.brokers.mqtt_publisher import publish
from tests.support.cities.model_source import FakeModelSource
from tests.support.cities.small_cities import small_city
from twin.model.observation import Observation
from twin.wire.messages import OBSERVATIONS, MessageHeader, ObservationBatch, decode_headers, decode_payloads

NOISE_TOPIC = "livetwin/town/noise-1/observations"


@asynccontextmanager
async def running_ingest(
    mqtt: tuple[str, int],
    kafka: str,
    model: FakeModelSource | None = None,
    session_file: Path | None = None,
    **settings: Any,
) -> AsyncIterator[asyncio.Task[None]]:
    options = IngestSettings(mqtt_host=mqtt[0], mqtt_port=mqtt[1], kafka=kafka, **settings)
    models = model or FakeModelSource(small_city())
    task = asyncio.create_task(run(options, models, session_file=session_file))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def decoded_batches(records: list[ConsumerRecord]) -> list[ObservationBatch]:
    return [OBSERVATIONS.decode(record.value) for record in records]


def all_observations(records: list[ConsumerRecord]) -> list[Observation]:
    return [one for batch in decoded_batches(records) for one in batch.observations]


def all_messages(records: list[ConsumerRecord]) -> list[tuple[str, MessageHeader, bytes]]:
    """Return session, header and payload of each message."""
    found: list[tuple[str, MessageHeader, bytes]] = []
    for batch in decoded_batches(records):
        if batch.headers:
            headers = decode_headers(batch.headers)
            payloads = decode_payloads(batch.payloads) if batch.payloads else (b"",) * len(headers.messages)
            for header, payload in zip(headers.messages, payloads, strict=True):
                found.append((headers.session, header, payload))
    return found


def native_payload(time: str, value: object) -> bytes:
    return json.dumps({"time": time, "values": {"noise_level": value}}).encode()


SESSION_MARKER = native_payload("2026-11-23T12:00:00Z", 1.0)
"""What `created_session` publishes."""


@asynccontextmanager
async def created_session(mqtt: tuple[str, int], kafka: str) -> AsyncIterator[None]:
    """Let ingest subscribe once, so that the broker keeps what is published from now on."""
    async with running_ingest(mqtt, kafka):
        while True:
            await asyncio.to_thread(publish, mqtt, [(NOISE_TOPIC, SESSION_MARKER)])
            try:
                await read_until(
                    kafka, "observations", 4, lambda found: bool(all_observations(found)), timeout_s=0.5
                )
            except AssertionError:
                continue
            break
        yield
