"""The historian stores every record of the log exactly once, across crashes and outages."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.postgres import EmbeddedPostgres
from runtime.kafka import topics
from runtime.kafka.consumer import log_identity
from storage.database import connect
from storage.schema.database_roles import apply_roles
from storage.schema.migrate import migrate
from storage.stores.current_state import read_current_state
from tests.support.database.historian import (
    START,
    fetch_rows,
    historian_settings,
    make_observations,
    observation_records,
    quarantined_message,
    running_historian,
    stored_observations,
    until_stored,
    until_true,
    write_records,
)
from tests.support.database.role_accounts import let_test_roles_log_in
from twin.model.observation import LastGoodValue, Observation
from twin.quality.plausibility import QuarantineReason
from twin.wire import messages
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import Update, UpdateBatch, UpdateKind

TABLES = ("observation", "property_state", "datastream_state", "quarantine")


@pytest_asyncio.fixture
async def broker(service_folder: Path) -> AsyncIterator[EmbeddedKafka]:
    """Return a log that the test may restart."""
    broker = EmbeddedKafka(service_folder)
    await broker.start()
    yield broker
    await broker.stop()


def update(entity: str, revision: int, observation: Observation) -> Update:
    return Update(
        entity,
        "pm10",
        revision,
        observation.value,
        observation.phenomenon_time,
        observation.received_time,
        observation.flags,
        (observation.datastream,),
        observation,
    )


def updates_of(observations: list[Observation]) -> list[bytes]:
    """Return one update for each observation; each datastream is an entity."""
    revisions: dict[int, int] = {}
    records = []
    for observation in observations:
        revisions[observation.datastream] = revisions.get(observation.datastream, 0) + 1
        record = update(f"e{observation.datastream}", revisions[observation.datastream], observation)
        records.append(messages.UPDATES.encode(UpdateBatch(LAYOUT_VERSION, (record,))))
    return records


def refused(number: int) -> bytes:
    message = quarantined_message(number, reason=QuarantineReason.MALFORMED, device="\0")
    return messages.QUARANTINE.encode(
        replace(message, topic="a/\0b", detail="no\0 JSON", payload=b"\0{", payload_bytes=2)
    )


async def contents(database: str) -> dict[str, list[tuple[object, ...]]]:
    return {table: sorted(await fetch_rows(database, f"SELECT * FROM {table}"), key=repr) for table in TABLES}


async def test_every_topic_is_stored_in_its_table(kafka: str, database: str) -> None:
    observations = make_observations(100)
    await write_records(kafka, topics.OBSERVATIONS, observation_records(observations))
    newest = observations[-1]
    last = replace(
        update(f"e{newest.datastream}", len(observations) // 7 + 1, newest),
        last_good=LastGoodValue(4.5, START),
        deviating=(9, 11),
        count=3,
    )
    indicator = Update("e", "eaqi", 4, 2.0, START, START, 0, (1, 2), None, UpdateKind.INDICATOR, count=12)
    record = messages.UPDATES.encode(UpdateBatch(LAYOUT_VERSION, (last, indicator)))
    await write_records(kafka, topics.UPDATES, [record])
    await write_records(kafka, topics.QUARANTINE, [refused(1), refused(2)])
    async with running_historian(historian_settings(kafka, database)):
        await until_stored(kafka, database)
    assert await stored_observations(database) == sorted(observations)
    assert await fetch_rows(database, "SELECT id, topic, detail, payload FROM quarantine ORDER BY id") == [
        (f"id{number}", "a/\N{SYMBOL FOR NULL}b", "no\N{SYMBOL FOR NULL} JSON", b"\0{") for number in (1, 2)
    ]
    log_id = await log_identity(kafka)
    async with await connect(database, role="test") as connection:
        state = await read_current_state(connection, log_id)
        of_another_log = await read_current_state(connection, "another")
    assert state.updates == [indicator, last]
    assert state.datastreams == [newest]
    assert state.revisions == {last.entity: last.revision, "e": 4}
    assert state.positions[topics.OBSERVATIONS, 0] == 3
    assert of_another_log.positions == {}
    assert of_another_log.updates == state.updates


@pytest.mark.parametrize(("seed", "hold_ms"), [(1, 0), (2, 60_000)])
async def test_crashes_at_any_moment_neither_lose_nor_duplicate_rows(
    kafka: str, database: str, seed: int, hold_ms: int
) -> None:
    dice = random.Random(seed)
    observations = make_observations(8_000)
    await write_records(kafka, topics.OBSERVATIONS, observation_records(observations, 5))
    await write_records(kafka, topics.UPDATES, updates_of(observations[:300]))
    # Small batches and pauses, so that crashes occur between and within transactions.
    # Held states are written when no record arrives any more, and are read again after a crash.
    options = historian_settings(
        kafka, database, historian_rows_max=50, historian_pause_ms=40, historian_hold_ms=hold_ms
    )
    stored = 0

    async def has_progressed() -> bool:
        return stored < len(await stored_observations(database))

    for _ in range(4):
        async with running_historian(options, held_rows_min=1) as task:
            await until_true(has_progressed)
            # This does not wait for a condition: the moment of the crash is the input.
            await asyncio.wait([task], timeout=dice.uniform(0, 0.08))
            assert not task.done()
        stored = len(await stored_observations(database))
        assert stored < len(observations), "the crash came too late to interrupt anything"
    async with running_historian(options, held_rows_min=1):
        await until_stored(kafka, database)
    assert await stored_observations(database) == sorted(observations)
    states = await fetch_rows(database, "SELECT datastream_id, value FROM datastream_state ORDER BY 1")
    assert states == sorted({one.datastream: one.value for one in observations[:300]}.items())


async def test_a_crash_between_rows_and_positions_stores_neither(kafka: str, database: str) -> None:
    observations = make_observations(50)
    await write_records(kafka, topics.OBSERVATIONS, observation_records(observations))

    async def waits_for_the_lock() -> bool:
        return bool(await fetch_rows(database, "SELECT 1 FROM pg_locks WHERE NOT granted"))

    async with await connect(database, role="test") as locker:
        await locker.execute("LOCK TABLE log_position IN EXCLUSIVE MODE")
        async with running_historian(historian_settings(kafka, database)):
            await until_true(waits_for_the_lock)
        await locker.rollback()
    assert await stored_observations(database) == []
    assert await fetch_rows(database, "SELECT * FROM log_position") == []
    async with running_historian(historian_settings(kafka, database)):
        await until_stored(kafka, database)
    assert await stored_observations(database) == sorted(observations)


async def test_reading_the_log_again_from_its_beginning_changes_nothing(kafka: str, database: str) -> None:
    observations = make_observations(200)
    corrections = [one._replace(received_time=one.received_time + 9, value=-1.0) for one in observations[::5]]
    await write_records(
        kafka, topics.OBSERVATIONS, observation_records(observations + corrections + observations[:20])
    )
    await write_records(kafka, topics.UPDATES, updates_of(observations))
    await write_records(kafka, topics.QUARANTINE, [refused(1), b"not a record"])
    async with running_historian(historian_settings(kafka, database)):
        await until_stored(kafka, database)
    first = await contents(database)
    assert len(first["quarantine"]) == 2
    async with await connect(database, role="test") as connection:
        await connection.execute("DELETE FROM log_position")
    async with running_historian(historian_settings(kafka, database)):
        await until_stored(kafka, database)
    assert await contents(database) == first


async def test_an_unreadable_record_does_not_stop_the_others(kafka: str, database: str) -> None:
    observations = make_observations(20)
    good = observation_records(observations)
    await write_records(kafka, topics.OBSERVATIONS, [b"", b"\xc1", *good, b"\x93\x01\x02"])
    async with running_historian(historian_settings(kafka, database)):
        await until_stored(kafka, database)
    assert await stored_observations(database) == sorted(observations)
    assert await fetch_rows(
        database, "SELECT DISTINCT reason, feed FROM quarantine WHERE topic LIKE 'log:observations/%'"
    ) == [("decoder-failed", "")]
    assert len(await fetch_rows(database, "SELECT id FROM quarantine")) == 3


async def test_a_database_restart_loses_nothing(kafka: str, service_folder: Path) -> None:
    cluster = EmbeddedPostgres(service_folder)
    await cluster.start()
    try:
        await cluster.create_database("city")
        database = cluster.dsn("city")
        await migrate(database)
        async with await connect(database, role="test") as connection:
            await let_test_roles_log_in(connection)
        observations = make_observations(900)
        async with running_historian(historian_settings(kafka, database, historian_rows_max=50)):
            await write_records(kafka, topics.OBSERVATIONS, observation_records(observations[:600]))

            async def some_are_stored() -> bool:
                return bool(await stored_observations(database))

            await until_true(some_are_stored)
            await cluster.stop()
            await write_records(kafka, topics.OBSERVATIONS, observation_records(observations[600:]))
            await cluster.start()
            await until_stored(kafka, database)
        assert await stored_observations(database) == sorted(observations)
    finally:
        await cluster.stop()


async def test_the_historian_waits_for_a_database_that_is_unavailable_at_its_start(
    kafka: str, database: str, postgres: EmbeddedPostgres
) -> None:
    name = database.rpartition("/")[2].partition("?")[0]
    observations = make_observations(50)
    await write_records(kafka, topics.OBSERVATIONS, observation_records(observations))
    async with await postgres.connect_as_administrator() as connection:
        await connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        async with running_historian(historian_settings(kafka, database)) as task:
            await asyncio.wait([task], timeout=0.5)
            assert not task.done()
            await connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
            await until_stored(kafka, database)
    assert await stored_observations(database) == sorted(observations)


async def test_a_new_log_is_read_from_its_beginning(broker: EmbeddedKafka, database: str) -> None:
    observations = make_observations(120)
    await topics.create_topics(broker.bootstrap, topics.partition_counts(4))
    await write_records(broker.bootstrap, topics.OBSERVATIONS, observation_records(observations[:100]))
    first = await log_identity(broker.bootstrap)
    async with running_historian(historian_settings(broker.bootstrap, database)):
        await until_stored(broker.bootstrap, database)
        await broker.stop()
        await broker.start()
        # Fewer records than before: a consumer with its old offsets would wait forever.
        await topics.create_topics(broker.bootstrap, topics.partition_counts(4))
        await write_records(broker.bootstrap, topics.OBSERVATIONS, observation_records(observations[100:]))
        await until_stored(broker.bootstrap, database)
    assert await stored_observations(database) == sorted(observations)
    logs = {row[0] for row in await fetch_rows(database, "SELECT log_id FROM log_position")}
    assert logs == {first, await log_identity(broker.bootstrap)}


async def test_the_historian_waits_for_kafka_that_is_unavailable_at_its_start(
    broker: EmbeddedKafka, database: str
) -> None:
    observations = make_observations(30)
    await broker.stop()
    async with running_historian(historian_settings(broker.bootstrap, database)) as task:
        await asyncio.wait([task], timeout=0.5)
        assert not task.done()
        await broker.start()
        await topics.create_topics(broker.bootstrap, topics.partition_counts(4))
        await write_records(broker.bootstrap, topics.OBSERVATIONS, observation_records(observations))
        await until_stored(broker.bootstrap, database)
    assert await stored_observations(database) == sorted(observations)


async def test_the_historian_waits_for_a_missing_schema(kafka: str, postgres: EmbeddedPostgres) -> None:
    observations = make_observations(30)
    await write_records(kafka, topics.OBSERVATIONS, observation_records(observations))
    await postgres.create_database("not_migrated")
    database = postgres.dsn("not_migrated")
    async with running_historian(historian_settings(kafka, database)) as task:
        await asyncio.wait([task], timeout=0.5)
        assert not task.done()
        await migrate(database)
        await until_stored(kafka, database)
    assert await stored_observations(database) == sorted(observations)


async def test_the_historian_waits_for_its_rights(kafka: str, database: str) -> None:
    # Between the migrations and the rights, which `livetwin migrate` gives last.
    async with await connect(database, role="test") as connection:
        await connection.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM livetwin_historian")
    observations = make_observations(30)
    await write_records(kafka, topics.OBSERVATIONS, observation_records(observations))
    async with running_historian(historian_settings(kafka, database)) as task:
        await asyncio.wait([task], timeout=0.5)
        assert not task.done()
        async with await connect(database, role="test") as connection:
            await apply_roles(connection)
        await until_stored(kafka, database)
    assert await stored_observations(database) == sorted(observations)
