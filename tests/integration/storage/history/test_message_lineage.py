"""An observation leads back to its message, and to the payload while it is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest_asyncio

from runtime.kafka import topics
from storage.database import Connection, connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.history.lineage import find_message
from tests.support.database.historian import START, fetch_rows, payload_of, record_with_headers
from twin.instant import DAY, SECOND
from twin.model.observation import Observation

PARTITION = 3


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def store(database: str, *records: bytes) -> None:
    writer = BatchWriter(database, HistorianMetrics())
    batch = LogBatch("log")
    for offset, value in enumerate(records):
        batch.add(LogRecord(topics.OBSERVATIONS, PARTITION, offset, 0, value))
    try:
        await writer.read_positions(batch.log_id)
        await writer.store(batch)
    finally:
        await writer.close()


def received(second: int, datastream: int) -> Observation:
    return Observation(datastream, START - DAY, START + second * SECOND, float(second))


async def test_the_message_of_an_observation_is_found_among_many(
    database: str, connection: Connection
) -> None:
    # Several are received at the same time; they differ in their datastreams.
    records = [[received(10 * record + n // 2, n + 1) for n in range(20)] for record in range(3)]
    await store(database, *(record_with_headers(one, "run", 20 * n) for n, one in enumerate(records)))
    for number, record in enumerate(records):
        for place, observation in enumerate(record):
            found = await find_message(
                connection, PARTITION, observation.datastream, observation.received_time
            )
            assert found is not None
            assert found.header.sequence == 20 * number + place
            assert found.payload == payload_of(observation)
            assert (found.session, found.log_id, found.log_offset) == ("run", "log", number)
    assert await find_message(connection, PARTITION, 99, START) is None
    assert await find_message(connection, 0, 1, START) is None
    assert await find_message(connection, PARTITION, 1, START - 1) is None


async def test_messages_replayed_after_days_are_found(database: str, connection: Connection) -> None:
    observations = [received(n * 86_400, 1) for n in range(5)]
    await store(database, record_with_headers(observations, "run", -1))
    for observation in observations:
        found = await find_message(connection, PARTITION, 1, observation.received_time)
        assert found is not None
        assert found.payload == payload_of(observation)
    assert len(await fetch_rows(database, "SELECT 1 FROM message_batch")) == 5


async def test_each_version_of_a_value_leads_to_its_own_message(
    database: str, connection: Connection
) -> None:
    played = [received(0, 1)._replace(value=float(rank), rank=rank) for rank in (20, 10, 30)]
    await store(database, *(record_with_headers([one], "run", n) for n, one in enumerate(played)))
    for observation in played:
        for rank in (observation.rank, observation.rank + 1):  # a repetition within the message
            found = await find_message(connection, PARTITION, 1, observation.received_time, rank)
            assert found is not None
            assert found.payload == payload_of(observation)
    assert await find_message(connection, PARTITION, 1, START, 9) is None


async def test_the_header_is_kept_longer_than_the_payload(database: str, connection: Connection) -> None:
    one, other = received(0, 1), received(1, 2)
    await store(
        database, record_with_headers([one], "run"), record_with_headers([other], "run", 1, payloads=False)
    )
    async with await psycopg.AsyncConnection.connect(database) as dropper:
        await dropper.execute("UPDATE message_batch SET payloads = NULL")
    for observation in (one, other):
        found = await find_message(connection, PARTITION, observation.datastream, observation.received_time)
        assert found is not None
        assert found.payload is None
        assert found.header.payload_bytes == len(payload_of(observation))


async def test_a_record_that_is_read_again_is_stored_once(database: str) -> None:
    record = record_with_headers([received(0, 1)], "run")
    await store(database, record)
    await store(database, record)
    assert len(await fetch_rows(database, "SELECT 1 FROM message_batch")) == 1
