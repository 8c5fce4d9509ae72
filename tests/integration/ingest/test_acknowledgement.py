"""Ingest under `stored`: the broker keeps messages that are not stored, even when ingest or the log ends."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord
from prometheus_client import CollectorRegistry

from cli.embedded.kafka import EmbeddedKafka
from ingest.metrics import IngestMetrics
from ingest.pipeline.acknowledgement import LogReplacedError
from ingest.service import IngestService
from ingest.settings import IngestSettings
from runtime.clock import system_clock
from runtime.kafka.consumer import end_offsets, log_identity
from runtime.kafka.topics import STORED, create_topics, partition_counts
from tests.integration.ingest.ingest_role import (
    NOISE_TOPIC,
    SESSION_MARKER,
    all_messages,
    created_session,
    running_ingest,
)
from tests.support.brokers.kafka_reader import read_until
from tests.support.brokers.mqtt_publisher import publish
from tests.support.cities.small_cities import small_city
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.stored_positions import STORED_POSITIONS, StoredPositions

COUNT = 40
DEADLINE_S = 60
LOOK_S = 0.02


def payload(number: int) -> bytes:
    return f'{{"time": "2026-11-23T12:00:{number:02}Z", "values": {{"noise_level": {40 + number}}}}}'.encode()


@asynccontextmanager
async def storing(mqtt: tuple[str, int], kafka: str) -> AsyncIterator[Callable[[], float]]:
    """Run ingest under `stored`; gives how many messages it has acknowledged."""
    options = IngestSettings(mqtt_host=mqtt[0], mqtt_port=mqtt[1], kafka=kafka, acknowledge="stored")
    registry = CollectorRegistry()
    ingest = IngestService(options, small_city(), system_clock, IngestMetrics(registry), uuid.uuid4().hex)
    task = asyncio.create_task(ingest.run())
    try:
        yield lambda: registry.get_sample_value("livetwin_ingest_acknowledged_total") or 0.0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def publish_stored_positions(kafka: str) -> None:
    """Say what the historian would when it has stored everything."""
    found = await end_offsets(kafka, [TopicPartition("observations", number) for number in range(4)])
    positions = tuple((*partition, end) for partition, end in found.items())
    message = StoredPositions(LAYOUT_VERSION, await log_identity(kafka), positions)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        await producer.send_and_wait(STORED, STORED_POSITIONS.encode(message), partition=0)
    finally:
        await producer.stop()


async def receptions(kafka: str, goal: int) -> list[tuple[str, bytes]]:
    """Return session and payload of each message of a test on the log, once there are so many."""

    def ours(records: list[ConsumerRecord]) -> list[tuple[str, bytes]]:
        return [(session, kept) for session, _, kept in all_messages(records) if kept != SESSION_MARKER]

    return ours(await read_until(kafka, "observations", 4, lambda found: len(ours(found)) >= goal))


async def test_only_messages_that_are_not_stored_are_sent_again(mqtt: tuple[str, int], kafka: str) -> None:
    sent = [payload(number) for number in range(COUNT)]
    async with created_session(mqtt, kafka):
        pass
    await asyncio.to_thread(publish, mqtt, [(NOISE_TOPIC, one) for one in sent])
    async with storing(mqtt, kafka) as acknowledged:
        first = await receptions(kafka, COUNT)
        assert acknowledged() == 0
    async with storing(mqtt, kafka) as acknowledged:
        second = await receptions(kafka, 2 * COUNT)
        assert sorted(kept for _, kept in second) == sorted(2 * sent)
        assert {session for session, _ in second} > {session for session, _ in first}
        assert acknowledged() == 0
        await publish_stored_positions(kafka)
        async with asyncio.timeout(DEADLINE_S):
            while acknowledged() < COUNT:  # noqa: ASYNC110 - the broker and the log make it true
                await asyncio.sleep(LOOK_S)
    last = payload(59)
    await asyncio.to_thread(publish, mqtt, [(NOISE_TOPIC, last)])
    async with storing(mqtt, kafka):
        third = await receptions(kafka, 2 * COUNT + 1)
    assert [kept for _, kept in third].count(last) == 1
    assert len(third) == 2 * COUNT + 1


@pytest_asyncio.fixture
async def broker(service_folder: Path) -> AsyncIterator[EmbeddedKafka]:
    """A log that the test may replace."""
    broker = EmbeddedKafka(service_folder)
    await broker.start()
    await create_topics(broker.bootstrap, partition_counts(4))
    yield broker
    await broker.stop()


async def test_a_replaced_log_ends_ingest_and_the_next_process_gets_everything_again(
    mqtt: tuple[str, int], broker: EmbeddedKafka
) -> None:
    kafka = broker.bootstrap
    async with created_session(mqtt, kafka):
        pass
    sent = [payload(number) for number in range(COUNT)]
    async with running_ingest(mqtt, kafka, acknowledge="stored") as running:
        await asyncio.to_thread(publish, mqtt, [(NOISE_TOPIC, one) for one in sent])
        await receptions(kafka, COUNT)
        await broker.stop()
        await broker.start()
        await create_topics(kafka, partition_counts(4))
        with pytest.RaisesGroup(LogReplacedError, flatten_subgroups=True, allow_unwrapped=True):
            await asyncio.wait_for(running, DEADLINE_S)
    async with storing(mqtt, kafka):
        assert sorted(kept for _, kept in await receptions(kafka, COUNT)) == sorted(sent)
