"""Waits until the system has nothing more to do: the log is stored, and all repairs are done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka import TopicPartition

from cli.supervisor.log_drain import STREAM_INPUT_TOPICS, committed_offsets, stored_offsets
from runtime.kafka.admin import open_admin_client
from runtime.kafka.consumer import end_offsets
from runtime.kafka.topics import partition_counts
from storage.database import Connection, connect
from storage.historian.log_reader import STORED_TOPICS

POLL_S = 0.5

ROUNDS_EQUAL = 3
"""What is stored must not change in so many rounds: a repair may have effects that go over the log again."""

# What storage still has to do. Alarms on changed series get their requests in a later round; repaired windows
# are told to the stream, which may answer.
_OPEN_REPAIRS = """
SELECT
    (SELECT count(*) FROM repair_request)
    + (SELECT count(*) FROM series_repair_request)
    + (SELECT count(*) FROM alarm_repair_request)
    + (SELECT count(*) FROM changed_series)
    + (SELECT count(*) FROM repaired_window)
    + (SELECT count(*) FROM recompute_request WHERE done_at IS NULL)
"""

_LOG = "SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1"

# Revisions rise with every change, so their sums tell whether anything changed.
_DIGEST = """
SELECT
    (SELECT count(*) FROM observation),
    (SELECT coalesce(sum(revision % 1000003), 0) + count(*) FROM assessment),
    (SELECT coalesce(sum(revision % 1000003), 0) + count(*) FROM aggregate_hour),
    (SELECT coalesce(sum(revision % 1000003), 0) + count(*) FROM entity_value),
    (SELECT count(*) FROM alarm_event)
"""


async def wait_stored(kafka: str, dsn: str, timeout_s: float, partitions: int = 1) -> None:
    """Wait until the stream has processed the log of now, and the historian has stored what follows.

    The stream commits with its checkpoints, so it may have been ready some seconds before. Raises
    TimeoutError.
    """
    counts = partition_counts(partitions)
    async with asyncio.timeout(timeout_s), await connect(dsn, role="benchmark") as connection:
        await _wait_committed(kafka, _partitions(STREAM_INPUT_TOPICS, counts))
        await _wait_stored(connection, kafka, _partitions(STORED_TOPICS, counts))


async def wait_settled(kafka: str, dsn: str, timeout_s: float, partitions: int = 1) -> None:
    """Wait until the system is idle, while ticks go on. Raises TimeoutError, which says what was awaited."""
    counts = partition_counts(partitions)
    awaited = "the stream"
    try:
        async with asyncio.timeout(timeout_s), await connect(dsn, role="benchmark") as connection:
            last: tuple[object, ...] | None = None
            equal = 0
            while equal < ROUNDS_EQUAL:
                awaited = "the stream to process the log"
                await _wait_committed(kafka, _partitions(STREAM_INPUT_TOPICS, counts))
                awaited = "the historian to store the log"
                await _wait_stored(connection, kafka, _partitions(STORED_TOPICS, counts))
                while repairs := await open_repairs(connection):
                    awaited = f"{repairs} repairs"
                    await asyncio.sleep(POLL_S)
                digest = await _digest(connection)
                equal, last = (equal + 1 if digest == last else 0), digest
                awaited = "changes to end"
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise TimeoutError(f"waited {timeout_s:.0f} s for {awaited}") from error


def _partitions(topics: Iterable[str], counts: dict[str, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic in topics for number in range(counts[topic])]


async def _wait_committed(kafka: str, partitions: list[TopicPartition]) -> None:
    ends = await end_offsets(kafka, partitions)
    async with open_admin_client(kafka) as admin:
        while True:
            reached = await committed_offsets(admin, partitions)
            if all(max(0, reached.get(one, 0)) >= end for one, end in ends.items()):
                return
            await asyncio.sleep(POLL_S)


async def _wait_stored(connection: Connection, kafka: str, partitions: list[TopicPartition]) -> None:
    ends = await end_offsets(kafka, partitions)
    while True:
        async with connection.transaction():
            row = await (await connection.execute(_LOG)).fetchone()
            reached = await stored_offsets(connection, row[0]) if row is not None else {}
        if all(reached.get(one, 0) >= end for one, end in ends.items()):
            return
        await asyncio.sleep(POLL_S)


async def open_repairs(connection: Connection) -> int:
    """Return how much storage still has to repair, or to tell the stream."""
    async with connection.transaction():
        row = await (await connection.execute(_OPEN_REPAIRS)).fetchone()
    assert row is not None
    return int(row[0])


async def _digest(connection: Connection) -> tuple[object, ...]:
    async with connection.transaction():
        row = await (await connection.execute(_DIGEST)).fetchone()
    assert row is not None
    return tuple(row)
