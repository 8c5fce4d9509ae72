"""Quarantine is bounded on disk: a flood leaves heads, then counts, and the ledger balances all the same."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from runtime.kafka import topics
from storage.database import Connection, connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.queries import query
from storage.stores.ledger import read_balance
from storage.stores.quarantine_usage import QuarantineLimits, read_quarantine_usage
from tests.support.database.historian import START, quarantined_message
from twin.instant import to_datetime
from twin.wire.messages import QUARANTINE, QuarantinedMessage

KIB = 1024
LIMITS = QuarantineLimits(total=64 * KIB, feed=48 * KIB, device=32 * KIB)

REAL_BYTES = "SELECT sum(quarantine_row_bytes(topic, detail, payload)) FROM quarantine"
USAGE = "SELECT scope, bytes FROM quarantine_usage ORDER BY scope"
COUNTED = """
SELECT scope, sum(bytes)
FROM (
    SELECT unnest(quarantine_scopes(feed, device)) AS scope,
        quarantine_row_bytes(topic, detail, payload) AS bytes
    FROM quarantine
) AS stored
GROUP BY scope ORDER BY scope
"""


def flood(count: int, first: int = 0, **others: Any) -> list[QuarantinedMessage]:
    """Return messages with payloads of 4 KiB."""
    return [
        structs.replace(
            quarantined_message(number, received_time=START + number, **others),
            payload=b"x" * 4 * KIB,
            payload_bytes=4 * KIB,
        )
        for number in range(first, first + count)
    ]


async def store(writer: BatchWriter, messages: list[QuarantinedMessage], first_offset: int) -> None:
    batch = LogBatch("log")
    for offset, message in enumerate(messages, first_offset):
        batch.add(LogRecord(topics.QUARANTINE, 0, offset, 0, QUARANTINE.encode(message)))
    await writer.store(batch)


async def rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    found = await (await connection.execute(statement)).fetchall()
    await connection.commit()
    return found


@pytest.fixture
def metrics() -> HistorianMetrics:
    return HistorianMetrics()


async def test_a_flood_stays_within_the_limits_and_the_ledger_balances(
    database: str, metrics: HistorianMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    writer = BatchWriter(database, metrics, LIMITS)
    await writer.read_positions("log")
    offset = 0
    for feed, device in (("ttn", "d1"), ("ttn", "d2"), ("native", "d1"), ("dsmr", "d1")):
        sent = flood(200, offset, feed=feed, device=device)
        await store(writer, sent, offset)
        offset += len(sent)
    await writer.close()
    async with await connect(database, role="test") as connection:
        ((real,),) = await rows(connection, REAL_BYTES)
        assert real <= LIMITS.total * 5 // 4
        assert await rows(connection, USAGE) == await rows(connection, COUNTED)
        usage = await read_quarantine_usage(connection)
        stored = await rows(
            connection, "SELECT count(*), count(*) FILTER (WHERE payload = '') FROM quarantine"
        )
        of_one = await rows(
            connection, "SELECT bytes FROM quarantine_usage WHERE scope = 'device: d1 of ttn'"
        )
        heads = await rows(
            connection,
            "SELECT DISTINCT payload_bytes, payload_sha256 <> '' FROM quarantine WHERE payload = ''",
        )
        await connection.commit()
        balance = await read_balance(connection)
    assert balance.balances
    assert (balance.counts.received, balance.counts.quarantined, balance.lost) == (800, 800, 0)
    assert usage.heads == stored[0][1] > 0
    assert usage.counted == 800 - stored[0][0] > 0
    assert of_one[0][0] <= LIMITS.device * 5 // 4
    assert heads == [(4 * KIB, True)]
    assert metrics.quarantine_bytes._value.get() == real == usage.bytes
    limited = metrics.quarantine_limited
    assert limited.labels("head")._value.get() == usage.heads
    assert limited.labels("nothing")._value.get() == usage.counted
    # Four batches left something out within a minute.
    assert sum("quarantine is full" in message for message in caplog.messages) == 1


async def test_removal_and_replay_make_room_again(database: str, metrics: HistorianMetrics) -> None:
    writer = BatchWriter(database, metrics, LIMITS)
    await writer.read_positions("log")
    await store(writer, flood(100), 0)
    async with await connect(database, role="test") as connection:
        answer = structs.replace(flood(1)[0], replay_of="id0", feed="native", device="d7", reason="")
        await connection.execute("UPDATE quarantine SET replay_sent_at = now() WHERE id = 'id0'")
        await connection.commit()
        await store(writer, [answer], 100)
        assert await rows(connection, USAGE) == await rows(connection, COUNTED)
        assert "device: d7 of native" in dict(await rows(connection, USAGE))
        await connection.execute(
            query("maintenance/removal/remove_quarantined"),
            {"end": to_datetime(START + 1_000), "limit": 1_000},
        )
        await connection.commit()
        assert await rows(connection, USAGE) == [("all", 0)]
        await store(writer, flood(1, 200), 200)
        assert await rows(connection, "SELECT octet_length(payload) FROM quarantine") == [(4 * KIB,)]
    await writer.close()


async def test_a_repeated_record_is_neither_stored_nor_counted_again(
    database: str, metrics: HistorianMetrics
) -> None:
    writer = BatchWriter(database, metrics, LIMITS)
    await writer.read_positions("log")
    sent = flood(3)
    await store(writer, sent, 0)
    await store(writer, sent, 3)
    await writer.close()
    async with await connect(database, role="test") as connection:
        assert await rows(connection, "SELECT count(*) FROM quarantine") == [(3,)]
        assert await rows(connection, USAGE) == await rows(connection, COUNTED)


async def test_records_of_the_log_are_stored_whole_beyond_the_limits(
    database: str, metrics: HistorianMetrics
) -> None:
    writer = BatchWriter(database, metrics, LIMITS)
    await writer.read_positions("log")
    await store(writer, flood(100), 0)
    await store(writer, [structs.replace(flood(1, 500)[0], session="")], 100)
    await writer.close()
    async with await connect(database, role="test") as connection:
        kept = await rows(connection, "SELECT octet_length(payload) FROM quarantine WHERE id = 'id500'")
    assert kept == [(4 * KIB,)]
