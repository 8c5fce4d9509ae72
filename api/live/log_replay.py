"""Re-reads part of `updates` and `alarms` for a subscriber whose cursor is older than the replay buffer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from api.live.cursor import PartitionPosition
from api.live.models import GapReason
from api.live.partition_order import ordered_partitions
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import first_offsets, new_consumer
from runtime.kafka.topics import ALARMS as ALARM_TOPIC
from twin.alarms.messages import ALARMS, AlarmEvent
from twin.errors import MessageError, TwinError
from twin.wire.messages import UPDATES, Update

# After a crash the stream repeats its last updates. Reading from a little before the cursor shows which
# revisions the subscriber has. A checkpoint covers 20 s, with some tens of records a second at most.
LOOKBACK_RECORDS = 2_000

RECORDS_MAX = 200
PROGRESS_TIMEOUT_S = 5.0
_POLL_MS = 200


class ReplayError(TwinError):
    """The log cannot be read from a cursor on; `reason` is that of the gap event."""

    def __init__(self, reason: GapReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class ReplayedRecord(NamedTuple):
    """One record of `updates` or `alarms`."""

    partition_index: int
    offset: int
    changes: Sequence[Update | AlarmEvent]


class LogReplay:
    """Re-reads the log, with one consumer for each replay and a limit on their number."""

    def __init__(self, kafka: Kafka, replays_max: int) -> None:
        self._kafka = kafka
        self._free = asyncio.Semaphore(replays_max)

    async def first_offsets(self, partitions: int) -> list[int]:
        """Return the first offset of each partition, of so many, that the log still has.

        They are in the order of `api.live.partition_order`. Raises ReplayError when the log does not answer.
        """
        order = ordered_partitions(partitions // 2)
        self._raise_if_busy()
        async with self._free:
            consumer, first = await self._open(order)
            await consumer.stop()
        return [first[each] for each in order]

    def _raise_if_busy(self) -> None:
        if self._free.locked():
            raise ReplayError(GapReason.LOG_UNREADABLE)

    async def records(
        self,
        start: Sequence[PartitionPosition],
        end: Sequence[PartitionPosition],
        *,
        lookback: int = LOOKBACK_RECORDS,
    ) -> AsyncGenerator[ReplayedRecord, None]:
        """Yield the records from `lookback` before `start` up to `end`, in order within each partition.

        Raises ReplayError when the log begins after `start` or stops answering.
        """
        order = ordered_partitions(len(start) // 2)
        ranges = {
            partition: (first[0], last[0])
            for partition, first, last in zip(order, start, end, strict=True)
            if first[0] < last[0]
        }
        if not ranges:
            return
        self._raise_if_busy()
        ends = {partition: last for partition, (_, last) in ranges.items()}
        indexes = {partition: index for index, partition in enumerate(order)}
        async with (
            self._free,
            self._consumer(ranges, lookback) as consumer,
            aclosing(_read(consumer, ends)) as records,
        ):
            async for partition, offset, value in records:
                try:
                    yield ReplayedRecord(indexes[partition], offset, _decode(partition.topic, value))
                except MessageError:
                    continue  # the log follower has counted it

    @asynccontextmanager
    async def _consumer(
        self, ranges: dict[TopicPartition, tuple[int, int]], lookback: int
    ) -> AsyncIterator[Any]:
        consumer, first = await self._open(ranges)
        try:
            if any(start < first[partition] for partition, (start, _) in ranges.items()):
                raise ReplayError(GapReason.LOG_TRUNCATED)
            consumer.assign(list(ranges))
            for partition, (start, _) in ranges.items():
                consumer.seek(partition, max(first[partition], start - lookback))
            yield consumer
        except OffsetOutOfRangeError as error:
            raise ReplayError(GapReason.LOG_TRUNCATED) from error
        except KafkaError as error:
            raise ReplayError(GapReason.LOG_UNREADABLE) from error
        finally:
            await consumer.stop()

    async def _open(self, partitions: Iterable[TopicPartition]) -> tuple[Any, dict[TopicPartition, int]]:
        """Return a started consumer, and the first offset of each partition."""
        consumer = new_consumer(self._kafka)
        try:
            async with asyncio.timeout(PROGRESS_TIMEOUT_S):
                await consumer.start()
                return consumer, await first_offsets(consumer, partitions)
        except (KafkaError, OSError, TimeoutError) as error:
            await consumer.stop()
            raise ReplayError(GapReason.LOG_UNREADABLE) from error


def _decode(topic: str, value: bytes) -> Sequence[Update | AlarmEvent]:
    return ALARMS.decode(value).alarms if topic == ALARM_TOPIC else UPDATES.decode(value).updates


async def _read(
    consumer: Any, remaining: dict[TopicPartition, int]
) -> AsyncGenerator[tuple[TopicPartition, int, bytes], None]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PROGRESS_TIMEOUT_S
    while remaining:
        fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=RECORDS_MAX)
        if not fetched and loop.time() > deadline:
            raise ReplayError(GapReason.LOG_UNREADABLE)
        for partition, records in fetched.items():
            for record in records:
                if partition not in remaining or record.offset >= remaining[partition]:
                    break
                yield partition, record.offset, record.value
        for partition in [each for each, end in remaining.items() if await consumer.position(each) >= end]:
            del remaining[partition]
            consumer.pause(partition)
        if fetched:
            deadline = loop.time() + PROGRESS_TIMEOUT_S
