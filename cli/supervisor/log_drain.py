"""Wait until the stream and the historian have processed the whole log; then the log may be dropped."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from runtime.kafka.access import Kafka, client_options
from runtime.kafka.admin import open_admin_client
from runtime.kafka.consumer import end_offsets
from runtime.kafka.topics import ALARM_INPUTS, AREA_INPUTS, OBSERVATIONS, partition_counts
from storage.database import Connection, connect
from storage.historian.log_reader import STORED_TOPICS
from storage.stores.log_positions import read_positions
from twin.errors import ServiceError
from twin.wire.messages import encode_closing

STREAM_GROUP = "livetwin-stream"
STREAM_INPUT_TOPICS = (OBSERVATIONS, AREA_INPUTS, ALARM_INPUTS)
_POLL_INTERVAL_S = 0.1
_WATCH_INTERVAL_S = 1.0

CLOSINGS_MAX = 6
"""How often the log is closed: a verdict of neighbours may change an area, and that a verdict."""

PASSES_MAX = 10
"""How often the ends of the inputs are read: a value passes through so many areas, and then to alarms.

Repairs from storage may add records without end; the next log goes on with them.
"""


class LogDrain:
    """The progress of the stream and the historian on one log."""

    def __init__(self, kafka: Kafka, dsn: str, partitions: int) -> None:
        self._kafka = kafka
        self._dsn = dsn
        self._counts = partition_counts(partitions)

    async def wait_drained(self, log_id: str, timeout_s: float, *, extends: bool = False) -> None:
        """Wait until every record is processed and stored. Ingest must have stopped before.

        With `extends` the timeout begins anew whenever the log advances, so that a long one is drained, too.

        The stream writes all results of a record before it commits that record. So once it has committed all
        its inputs, also the records that its stages exchanged meanwhile, the ends of its output topics are
        final. What it would emit at a later time, it emits when the log is closed: the next log does not know
        of it. Raises ServiceError after `timeout_s`, or when Kafka or the database is unavailable.
        """
        awaited = "the stream to process everything"
        try:
            async with (
                asyncio.timeout(timeout_s) as limit,
                self._watched(limit, timeout_s, log_id, extends),
            ):
                loop = asyncio.get_running_loop()
                observed = self._partitions_of([OBSERVATIONS])
                before: Mapping[TopicPartition, int] = await end_offsets(self._kafka, observed)
                for _ in range(CLOSINGS_MAX):
                    await self._close()
                    closed = await self._wait_processed()
                    is_late = loop.time() > (limit.when() or math.inf) - timeout_s / 2
                    if is_late or all(closed[one] == before[one] + 1 for one in observed):
                        break
                    before = closed
                awaited = "the historian to store all records"
                outputs = self._partitions_of(STORED_TOPICS)
                await self._wait_stored(log_id, await end_offsets(self._kafka, outputs))
        except TimeoutError as error:
            raise ServiceError(f"waited {timeout_s:.0f} s for {awaited}") from error
        except (KafkaError, OSError) as error:
            raise ServiceError(f"while waiting for {awaited}: {error!r}") from error

    def _partitions_of(self, topics: Iterable[str]) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic in topics for number in range(self._counts[topic])]

    @asynccontextmanager
    async def _watched(
        self, limit: asyncio.Timeout, timeout_s: float, log_id: str, extends: bool
    ) -> AsyncIterator[None]:
        """Let a timeout begin anew, while the block runs, whenever the log advances."""
        if not extends:
            yield
            return
        watch = asyncio.create_task(self._extend(limit, timeout_s, log_id))
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _extend(self, limit: asyncio.Timeout, timeout_s: float, log_id: str) -> None:
        places = self._partitions_of(STORED_TOPICS)
        before: object = None
        async with await connect(self._dsn, role="up") as connection:
            while not limit.expired():
                stored = await stored_offsets(connection, log_id)
                await connection.rollback()
                now = await end_offsets(self._kafka, places), stored
                if now != before:
                    before = now
                    limit.reschedule(asyncio.get_running_loop().time() + timeout_s)
                await asyncio.sleep(_WATCH_INTERVAL_S)

    async def _wait_processed(self) -> Mapping[TopicPartition, int]:
        """Wait until the stream has committed its inputs, or all but what repairs add; return the ends."""
        inputs = self._partitions_of(STREAM_INPUT_TOPICS)
        committed: Mapping[TopicPartition, int] = {}
        for _ in range(PASSES_MAX):
            ends = await end_offsets(self._kafka, inputs)
            if ends == committed:
                break
            await self._wait_committed(ends)
            committed = ends
        return committed

    async def _close(self) -> None:
        """Write a closing record to every partition of observations."""
        producer = AIOKafkaProducer(**client_options(self._kafka), acks="all")
        try:
            await producer.start()
            for place in self._partitions_of([OBSERVATIONS]):
                await producer.send_and_wait(OBSERVATIONS, encode_closing(), partition=place.partition)
        finally:
            await producer.stop()

    async def _wait_committed(self, ends: Mapping[TopicPartition, int]) -> None:
        async with open_admin_client(self._kafka) as admin:
            while not _reached(ends, await committed_offsets(admin, ends)):  # noqa: ASYNC110 - offsets have no event
                await asyncio.sleep(_POLL_INTERVAL_S)

    async def _wait_stored(self, log_id: str, ends: Mapping[TopicPartition, int]) -> None:
        async with await connect(self._dsn, role="up") as connection:
            while True:
                stored = await stored_offsets(connection, log_id)
                await connection.rollback()
                if _reached(ends, stored):
                    return
                await asyncio.sleep(_POLL_INTERVAL_S)


async def committed_offsets(
    admin: AIOKafkaAdminClient, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the offset that the stream has committed in each partition; -1 without a commit."""
    offsets = await admin.list_consumer_group_offsets(STREAM_GROUP, partitions=list(partitions))
    return {partition: found.offset for partition, found in offsets.items()}


async def stored_offsets(connection: Connection, log_id: str) -> dict[TopicPartition, int]:
    """Return the offset up to which the historian has stored each partition of a log."""
    positions = await read_positions(connection, log_id)
    return {TopicPartition(*place): offset for place, offset in positions.items()}


def _reached(ends: Mapping[TopicPartition, int], offsets: Mapping[TopicPartition, int]) -> bool:
    # A group without a commit is at -1, which suffices for an empty partition.
    return all(max(0, offsets.get(partition, 0)) >= end for partition, end in ends.items())
