"""Replay requests are sent to ingest once, and its answers are stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

import pytest
import pytest_asyncio
from msgspec.structs import replace

from runtime.kafka import topics
from storage.database import Connection, QueryError, connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.stores.ledger import read_balance
from storage.stores.ledger_counts import OutcomeCounts
from storage.stores.replay_outbox import (
    claim_replays,
    mark_replays_sent,
    request_replays,
    request_replays_of_devices,
)
from tests.support.brokers.kafka_reader import read_until
from tests.support.database.historian import (
    START,
    fetch_rows,
    historian_settings,
    quarantined_message,
    record_with_headers,
    running_historian,
    until_stored,
    until_true,
    write_records,
)
from twin.instant import SECOND
from twin.model.observation import Observation
from twin.quality.plausibility import QuarantineReason
from twin.wire.messages import QUARANTINE, QuarantinedMessage


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def store(database: str, *messages: QuarantinedMessage) -> None:
    writer = BatchWriter(database, HistorianMetrics())
    batch = LogBatch("log")
    for offset, message in enumerate(messages):
        batch.add(LogRecord(topics.QUARANTINE, 0, offset, 0, QUARANTINE.encode(message)))
    try:
        await writer.read_positions(batch.log_id)
        await writer.store(batch)
    finally:
        await writer.close()


def at(number: int, second: int, **others: str) -> QuarantinedMessage:
    return quarantined_message(number, received_time=START + second * SECOND, **others)  # type: ignore[arg-type]


async def waiting(connection: Connection) -> list[str]:
    async with connection.transaction():
        return [one.id for one in await claim_replays(connection)]


async def send(connection: Connection) -> Collection[str]:
    async with connection.transaction():
        sent = [one.id for one in await claim_replays(connection)]
        await mark_replays_sent(connection, sent)
    return sent


async def test_requests_are_claimed_unchanged_in_the_order_of_reception(
    database: str, connection: Connection
) -> None:
    messages = [at(1, 30), replace(at(2, 10), rank=7), at(3, 20)]
    await store(database, *messages)
    assert await request_replays(connection, ids=["id1", "id2", "none"]) == 2
    async with connection.transaction():
        assert await claim_replays(connection) == [messages[1], messages[0]]


async def test_filters_select_the_messages_to_replay(database: str, connection: Connection) -> None:
    await store(
        database,
        at(1, 1, feed="dsmr"),
        at(2, 2, device="d2"),
        at(3, 3, reason=QuarantineReason.MALFORMED),
        replace(at(4, 4, session=""), topic="log:observations/0"),
    )
    assert await request_replays(connection, feed="dsmr") == 1
    assert await request_replays(connection, device="d2", reason=QuarantineReason.UNKNOWN_SENSOR) == 1
    assert await request_replays(connection, device="d2", reason=QuarantineReason.MALFORMED) == 0
    assert await waiting(connection) == ["id1", "id2"]
    assert await request_replays(connection, feed="ttn") == 2
    with pytest.raises(QueryError):
        await request_replays(connection)


async def test_a_new_sensor_receives_the_earlier_messages_of_its_device(
    database: str, connection: Connection
) -> None:
    await store(
        database, at(1, 1), at(2, 2, device="d2"), at(3, 3, reason=QuarantineReason.CHECKSUM), at(4, 4)
    )
    assert await request_replays_of_devices(connection, [("ttn", "d1"), ("ttn", "new")]) == 2
    assert await waiting(connection) == ["id1", "id4"]
    assert await request_replays_of_devices(connection, []) == 0


async def test_an_answer_resolves_the_message_or_gives_the_reason(
    database: str, connection: Connection
) -> None:
    await store(database, at(1, 1), at(2, 2))
    await request_replays(connection, feed="ttn")
    await connection.commit()
    await send(connection)
    good = quarantined_message(11, replay_of="id1", reason="", observations=3)
    bad = replace(
        quarantined_message(12, replay_of="id2", reason=QuarantineReason.MALFORMED, feed="dsmr"),
        detail="torn",
    )
    await store(database, good, bad, bad)
    columns = "id, reason, detail, feed, attempts, observations, resolved_at IS NOT NULL, replay_requested_at"
    rows = [
        ("id1", "unknown-sensor", "why", "ttn", 1, 3, True, None),
        ("id2", "malformed", "torn", "dsmr", 1, 0, False, None),
    ]
    assert await fetch_rows(database, f"SELECT {columns} FROM quarantine ORDER BY id") == rows
    # A repeated answer, or one without a request, changes nothing.
    await store(database, good, bad)
    assert await fetch_rows(database, f"SELECT {columns} FROM quarantine ORDER BY id") == rows
    assert await request_replays(connection, ids=["id1", "id2"]) == 1
    await connection.commit()
    counts = (await read_balance(connection)).counts
    assert counts == OutcomeCounts(received=2, quarantined=2, replayed=2, resolved=1)


async def test_a_sent_request_is_sent_again_only_when_repeated_or_unanswered(
    database: str, connection: Connection
) -> None:
    await store(database, at(1, 1))
    await request_replays(connection, ids=["id1"])
    await connection.commit()
    assert await send(connection) == ["id1"]
    assert await waiting(connection) == []
    await connection.execute("UPDATE quarantine SET replay_sent_at = now() - interval '16 minutes'")
    assert await waiting(connection) == ["id1"]
    await connection.rollback()
    assert await request_replays(connection, ids=["id1"]) == 1
    assert await waiting(connection) == ["id1"]


async def test_the_historian_sends_requests_to_ingest_and_stores_the_answers(
    kafka: str, database: str, connection: Connection
) -> None:
    """The test replaces ingest, whose replay has tests of its own."""
    await write_records(kafka, topics.QUARANTINE, [QUARANTINE.encode(at(n, 10 - n)) for n in range(3)])
    async with running_historian(historian_settings(kafka, database)):
        await until_stored(kafka, database)
        assert await request_replays(connection, feed="ttn") == 3
        await connection.commit()

        async def all_are_sent() -> bool:
            rows = await fetch_rows(database, "SELECT 1 FROM quarantine WHERE replay_sent_at IS NOT NULL")
            return len(rows) == 3

        await until_true(all_are_sent)
        sent = await read_until(kafka, topics.REPLAYS, 1, lambda records: len(records) >= 3)
        requests = [QUARANTINE.decode(one.value) for one in sent]
        assert [one.id for one in requests] == ["id2", "id1", "id0"]
        observations = [Observation(1, one.received_time, one.received_time, 1.0) for one in requests]
        await write_records(kafka, topics.OBSERVATIONS, [record_with_headers(observations, "later", -1)])
        answers = [
            replace(one, id=f"answer{one.id}", reason="", replay_of=one.id, payload=b"") for one in requests
        ]
        await write_records(kafka, topics.QUARANTINE, [QUARANTINE.encode(one) for one in answers])
        await until_stored(kafka, database)
    assert len(await fetch_rows(database, "SELECT 1 FROM quarantine WHERE resolved_at IS NOT NULL")) == 3
    found = await read_balance(connection)
    assert found.balances
    assert found.counts == OutcomeCounts(
        received=3, quarantined=3, observations=3, new=3, replayed=3, resolved=3
    )
