"""Several historians divide the log, and each record is stored once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from runtime.kafka import topics
from storage.database import connect
from storage.historian.batch_writer import BatchWriter, PositionConflictError
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.historian.partition_assignment import AssignmentTracker, PartitionAssignment
from storage.queries import query
from storage.stores.ledger import read_balance
from tests.support.database.historian import (
    fetch_rows,
    historian_settings,
    make_observations,
    quarantined_message,
    record_with_headers,
    running_historian,
    stored_observations,
    until_stored,
    until_true,
    write_records,
)
from tests.support.services.service_source import PostgresServer
from tests.support.services.spare_databases import SpareDatabases
from twin.wire.messages import QUARANTINE

COUNT = 6_000
RECORD = 2


def observed(first: int, partition: int = 0) -> LogBatch:
    """Return a batch of one record, a message with an observation at each of three offsets."""
    batch = LogBatch("log")
    for offset in range(first, first + 3):
        value = record_with_headers([make_observations(offset + 1)[offset]], "run", offset)
        batch.add(LogRecord(topics.OBSERVATIONS, partition, offset, 0, value))
    return batch


async def test_of_two_historians_with_the_same_records_one_stores_them(database: str) -> None:
    writers = [BatchWriter(database, HistorianMetrics()) for _ in range(2)]
    try:
        for writer in writers:
            await writer.read_positions("log")
        first, second = writers
        await first.store(observed(0))
        with pytest.raises(PositionConflictError):
            await second.store(observed(0))
        assert await second.read_positions("log") == {("observations", 0): 3}
        await second.store(observed(3))
        with pytest.raises(PositionConflictError):
            await first.store(observed(3))
        for writer in writers:
            await writer.read_positions("log")
        # Of two simultaneous writers, the later one may find everything stored.
        done = await asyncio.gather(*(one.store(observed(6)) for one in writers), return_exceptions=True)
        assert set(map(type, done)) <= {type(None), PositionConflictError}
    finally:
        for writer in writers:
            await writer.close()
    assert len(await stored_observations(database)) == 9
    async with await connect(database, role="test") as connection:
        found = await read_balance(connection)
    assert (found.counts.received, found.counts.observations, found.balances) == (9, 9, True)


@asynccontextmanager
async def registered(database: str, city: str = "alkmaar") -> AsyncIterator[AssignmentTracker]:
    tracker = AssignmentTracker(database, city)
    task = asyncio.create_task(tracker.run())
    try:
        yield tracker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_each_historian_of_a_city_has_its_own_assignment(database: str) -> None:
    async with AsyncExitStack() as stack:
        others = await stack.enter_async_context(registered(database, "another"))
        three = [await stack.enter_async_context(registered(database)) for _ in range(3)]

        async def divided() -> bool:
            return {await one.current() for one in three} == {
                PartitionAssignment(number, 3) for number in range(3)
            }

        await until_true(divided)
        async with registered(database) as late:
            four = [*three, late]

            async def divided_again() -> bool:
                return {await one.current() for one in four} == {
                    PartitionAssignment(number, 4) for number in range(4)
                }

            await until_true(divided_again)
        await until_true(divided)
        assert await others.current() == PartitionAssignment(0, 1)


async def test_an_idle_session_loses_its_assignment(database: str) -> None:
    """A historian hangs, or its host is lost: its session stays until the database ends it."""
    async with await connect(database, role="test") as silent:
        async with silent.transaction():
            await silent.execute(query("historian/register_historian"), ("1s", "alkmaar"))
        async with registered(database) as other:
            seen = []

            async def is_alone() -> bool:
                seen.append(await other.current())
                return seen[-1] == PartitionAssignment(0, 1)

            await until_true(is_alone)
        assert seen[0].total == 2
        with suppress(psycopg.OperationalError):
            await silent.rollback()


async def swap(server: PostgresServer, one: str, other: str) -> None:
    """Swap the names of two databases, while their users are disconnected and locked out."""
    first, second = (conninfo_to_dict(dsn)["dbname"] for dsn in (one, other))
    names = [str(first), str(second)]
    async with await server.connect_as_administrator() as connection:
        for name in names:
            await connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = ANY(%s)"
        await (await connection.execute(ended, (names,))).fetchall()
        for old, new in ((names[0], "swapped"), (names[1], names[0]), ("swapped", names[1])):
            await connection.execute(f"ALTER DATABASE {old} RENAME TO {new}")
        for name in names:
            await connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")


async def test_storing_continues_from_the_positions_of_a_lagging_standby(
    kafka: str, database: str, postgres: PostgresServer, spare_databases: SpareDatabases
) -> None:
    name = await asyncio.wrap_future(spare_databases.take())
    standby = postgres.dsn(name)
    observations = make_observations(900)
    records = [record_with_headers(observations[n : n + RECORD], "run", n) for n in range(0, 900, RECORD)]
    options = historian_settings(kafka, database, historian_rows_max=50)
    try:
        await write_records(kafka, topics.OBSERVATIONS, records[:200])
        async with running_historian(historian_settings(kafka, standby)):
            await until_stored(kafka, standby)
        await write_records(kafka, topics.OBSERVATIONS, records[200:400])
        async with running_historian(options), running_historian(options):
            await until_stored(kafka, database)
            await swap(postgres, database, standby)
            await write_records(kafka, topics.OBSERVATIONS, records[400:])
            await until_stored(kafka, database)
    finally:
        spare_databases.release(name)
    assert await stored_observations(database) == sorted(observations)
    async with await connect(database, role="test") as connection:
        found = await read_balance(connection)
    assert (found.counts.received, found.counts.new, found.missing, found.balances) == (900, 900, 0, True)


async def test_starting_and_ending_historians_neither_lose_nor_duplicate_rows(
    kafka: str, database: str
) -> None:
    """One, two, three, two others, one historian; each ends as in a crash. Too many are harmless."""
    observations = make_observations(COUNT)
    records = [record_with_headers(observations[n : n + RECORD], "run", n) for n in range(0, COUNT, RECORD)]
    await write_records(kafka, topics.OBSERVATIONS, records)
    await write_records(
        kafka, topics.QUARANTINE, [QUARANTINE.encode(quarantined_message(COUNT + n)) for n in range(20)]
    )
    # Small batches and pauses, so that historians start and end between and within transactions.
    options = historian_settings(kafka, database, historian_rows_max=50, historian_pause_ms=30)
    stored = 0

    async def has_progressed() -> bool:
        return len(await fetch_rows(database, "SELECT 1 FROM observation")) > stored + 300

    for together in (1, 2, 3, 2, 5):
        async with AsyncExitStack() as stack:
            for _ in range(together):
                await stack.enter_async_context(running_historian(options))
            await until_true(has_progressed)
        stored = len(await fetch_rows(database, "SELECT 1 FROM observation"))
        assert stored < COUNT, "the historians were through before they had to divide anything"
    async with running_historian(options), running_historian(options):
        await until_stored(kafka, database)
    assert await stored_observations(database) == sorted(observations)
    async with await connect(database, role="test") as connection:
        found = await read_balance(connection)
    counts = found.counts
    assert (counts.received, counts.accepted, counts.quarantined) == (COUNT + 20, COUNT, 20)
    assert (counts.observations, counts.new, found.missing, found.balances) == (COUNT, COUNT, 0, True)
