"""The ledger counts every message and observation once, across repeated writes and records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest_asyncio
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ingest.mqtt.continuity import Interruption
from ingest.pipeline.interruptions import interruption_record
from runtime.kafka import topics
from storage.database import connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.stores.ledger import (
    UNCONFIRMED_MAX,
    LedgerBalance,
    read_balance,
    read_interruptions,
    read_ledger,
    read_sessions,
)
from storage.stores.ledger_counts import OutcomeCounts
from tests.support.database.historian import (
    START,
    fetch_rows,
    historian_settings,
    make_observations,
    quarantined_message,
    record_with_headers,
    running_historian,
    until_stored,
    until_true,
    write_records,
)
from twin.instant import MINUTE
from twin.model.observation import Observation
from twin.quality.plausibility import QuarantineReason
from twin.wire.messages import QUARANTINE, QuarantinedMessage

FIRST_MINUTE = START // MINUTE * MINUTE


@pytest_asyncio.fixture
async def writer(database: str) -> AsyncIterator[BatchWriter]:
    writer = BatchWriter(database, HistorianMetrics())
    yield writer
    await writer.close()


def observed(*records: bytes, offset: int = 0) -> LogBatch:
    batch = LogBatch("log")
    for number, value in enumerate(records):
        batch.add(LogRecord(topics.OBSERVATIONS, 0, offset + number, 0, value))
    return batch


def refused(*messages: QuarantinedMessage) -> LogBatch:
    batch = LogBatch("log")
    for number, message in enumerate(messages):
        batch.add(LogRecord(topics.QUARANTINE, 0, number, 0, QUARANTINE.encode(message)))
    return batch


async def balance_of(database: str) -> LedgerBalance:
    async with await connect(database, role="test") as connection:
        return await read_balance(connection)


async def test_rows_are_by_feed_and_minute_of_reception(writer: BatchWriter, database: str) -> None:
    observations = [
        Observation(1, n, START + n * MINUTE // 2, float(n)) for n in range(4)
    ]  # two in each minute, or one in the first and the last
    await writer.store(observed(record_with_headers(observations, "run", feed="ttn")))
    await writer.store(refused(quarantined_message(4, feed="dsmr", received_time=START)))
    async with await connect(database, role="test") as connection:
        rows = await read_ledger(connection, FIRST_MINUTE, FIRST_MINUTE + 3 * MINUTE)
        of_one = await read_ledger(connection, FIRST_MINUTE, FIRST_MINUTE + MINUTE, "dsmr")
    assert all(row.counts.balances for row in rows)
    assert sum(row.counts.new for row in rows if row.feed == "ttn") == 4
    assert of_one == [("dsmr", FIRST_MINUTE, OutcomeCounts(received=1, quarantined=1))]


async def test_a_message_that_is_written_twice_counts_once(writer: BatchWriter, database: str) -> None:
    record = record_with_headers(make_observations(20), "run")
    rest = record_with_headers(make_observations(30)[20:], "run", 20)
    await writer.store(observed(record, record))
    await writer.store(observed(record, rest, offset=2))
    found = await balance_of(database)
    assert found.counts == OutcomeCounts(received=30, accepted=30, observations=70, new=30, duplicate=40)
    assert found.balances
    assert found.stored == 30
    async with await connect(database, role="test") as connection:
        (session,) = await read_sessions(connection)
    assert (session.first_sequence, session.last_sequence, session.messages) == (0, 29, 30)
    assert session.holes == ()


async def test_a_partly_usable_message_counts_by_its_header(writer: BatchWriter, database: str) -> None:
    await writer.store(refused(quarantined_message(0, observations=1), quarantined_message(1)))
    await writer.store(observed(record_with_headers(make_observations(1), "run", 0)))
    found = await balance_of(database)
    assert found.counts == OutcomeCounts(received=2, accepted=1, quarantined=1, observations=1, new=1)
    assert found.missing == 0


async def test_interruptions_of_the_session_are_listed_and_count_as_no_message(
    writer: BatchWriter, database: str
) -> None:
    reports = [
        Interruption(QuarantineReason.SESSION_LOST, 1, START, START),
        Interruption(QuarantineReason.SESSION_TAKEN_OVER, 13, START, START + MINUTE),
    ]
    entries = [one for report in reports if (one := interruption_record(report).quarantined) is not None]
    await writer.store(refused(*entries, quarantined_message(0)))
    async with await connect(database, role="test") as connection:
        found = await read_interruptions(connection)
    assert [(one.reason, one.time) for one in found] == [
        ("session-taken-over", START + MINUTE),
        ("session-lost", START),
    ]
    assert "13 times" in found[0].detail
    assert (await balance_of(database)).counts == OutcomeCounts(received=1, quarantined=1)


async def test_missing_message_numbers_are_reported(writer: BatchWriter, database: str) -> None:
    count = UNCONFIRMED_MAX + 100
    await writer.store(observed(record_with_headers(make_observations(3), "run", 10)))
    await writer.store(observed(record_with_headers(make_observations(5)[3:], "run", count - 2)))
    found = await balance_of(database)
    assert found.missing == count - 5
    assert found.lost == 97
    assert not found.balances
    async with await connect(database, role="test") as connection:
        (session,) = await read_sessions(connection)
    assert session.holes == ((0, 10), (13, count - 2))
    assert (session.missing, session.lost) == (count - 5, 97)


async def test_the_end_of_a_session_that_was_killed_is_not_lost(writer: BatchWriter, database: str) -> None:
    await writer.store(observed(record_with_headers(make_observations(3), "run", 0)))
    await writer.store(observed(record_with_headers(make_observations(5)[3:], "run", 7)))
    found = await balance_of(database)
    assert (found.missing, found.lost) == (4, 0)
    assert found.balances


async def test_removing_rows_without_counting_them_does_not_balance(
    writer: BatchWriter, database: str
) -> None:
    await writer.store(observed(record_with_headers(make_observations(10), "run")))
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute("DELETE FROM observation WHERE datastream_id = 1")
    assert not (await balance_of(database)).balances
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute("UPDATE ledger_removed SET observations = observations + 2")
    found = await balance_of(database)
    assert (found.stored, found.removed) == (8, 2)
    assert found.balances


@asynccontextmanager
async def losing_a_confirmation(database: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A connection that breaks once, after a commit and before its confirmation arrives."""
    place = conninfo_to_dict(database)
    broken: list[bytes] = []

    async def carry(client: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(str(place["host"]), int(str(place["port"])))

        async def back() -> None:
            while data := await server.read(65_536):
                if committing.is_set() and not broken:
                    broken.append(data)
                    break
                writer.write(data)
            writer.close()

        committing = asyncio.Event()
        answers = asyncio.create_task(back())
        while data := await client.read(65_536):
            # A batch moves its positions. Earlier commits created the staging tables.
            if b"log_position" in data:
                batch_is_written.set()
            if b"COMMIT" in data and batch_is_written.is_set():
                committing.set()
            to_server.write(data)
        to_server.close()
        await answers

    batch_is_written = asyncio.Event()
    async with await asyncio.start_server(carry, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield make_conninfo(database, host="127.0.0.1", port=port, sslmode="disable"), broken


async def test_an_unconfirmed_commit_is_not_counted_again(database: str) -> None:
    async with losing_a_confirmation(database) as (dsn, broken):
        writer = BatchWriter(dsn, HistorianMetrics())
        try:
            await writer.store(observed(record_with_headers(make_observations(10), "run")))
        finally:
            await writer.close()
    assert broken
    found = await balance_of(database)
    assert found.counts == OutcomeCounts(received=10, accepted=10, observations=10, new=10)


async def test_a_crash_of_the_historian_changes_no_count(kafka: str, database: str) -> None:
    observations = make_observations(6_000)
    records = [record_with_headers(observations[n : n + 2], "run", n) for n in range(0, 6_000, 2)]
    await write_records(kafka, topics.OBSERVATIONS, records)
    await write_records(
        kafka, topics.QUARANTINE, [QUARANTINE.encode(quarantined_message(6_000 + n)) for n in range(20)]
    )
    # Small batches and pauses, so that crashes occur between and within transactions.
    options = historian_settings(kafka, database, historian_rows_max=50, historian_pause_ms=40)
    stored = 0

    async def has_progressed() -> bool:
        return len(await fetch_rows(database, "SELECT 1 FROM observation")) > stored

    for _ in range(3):
        async with running_historian(options):
            await until_true(has_progressed)
        stored = len(await fetch_rows(database, "SELECT 1 FROM observation"))
        assert stored < len(observations), "the crash came too late to interrupt anything"
    async with running_historian(options):
        await until_stored(kafka, database)
    found = await balance_of(database)
    assert found.counts == OutcomeCounts(
        received=6_020, accepted=6_000, quarantined=20, observations=6_000, new=6_000
    )
    assert found.missing == 0
    assert found.balances
