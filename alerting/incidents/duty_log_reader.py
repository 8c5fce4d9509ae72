"""The reader of the duty loop's inputs: `alarms` and `duty-commands`, from the journal's positions on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from alerting.incidents.journal import PartitionKey
from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import FETCH_IN_BULK, end_offsets, first_offsets, log_identity, new_consumer
from runtime.kafka.topics import ALARMS, DUTY_COMMANDS, create_topics, partition_counts
from twin.errors import ServiceError

log = logging.getLogger(__name__)

IDENTITY_CHECK_S = 1.0
RETRY_S = 0.5
POLL_RECORDS_MAX = 100
_POLL_MS = 200

QUEUE_RECORDS_MAX = 200
"""Records that wait for the duty loop; while the queue is full, no more are read."""


class DutyRecord(NamedTuple):
    """A record of the log."""

    partition: PartitionKey
    offset: int
    value: bytes


class LogStarted(NamedTuple):
    """The records from here on are of this log, read from the journal's positions if it has any of it."""

    log: str


class CaughtUp(NamedTuple):
    """Everything that the log contained when reading began has been read."""


DutyLogEvent: TypeAlias = DutyRecord | LogStarted | CaughtUp


class DutyLogReader:
    """Reads one log after the other, and emits its events.

    `known_log` and `position` return the log of the journal, and its next offset of a partition.
    """

    def __init__(
        self,
        kafka: Kafka,
        partitions: int,
        emit: Callable[[DutyLogEvent], Awaitable[None]],
        known_log: Callable[[], str],
        position: Callable[[PartitionKey], int],
    ) -> None:
        self._kafka = kafka
        self._partition_count = partitions
        self._emit = emit
        self._known_log = known_log
        self._position = position
        self._next_offsets: dict[PartitionKey, int] = {}
        self._log = ""

    async def run(self) -> None:
        """Read until cancelled; wait and continue whenever Kafka is unavailable."""
        is_logged = False
        while True:
            try:
                identity = await log_identity(self._kafka)
                is_logged = False
                await self._read_log(identity)
            except (KafkaError, OSError, ServiceError) as error:
                if not is_logged:
                    log.warning(
                        "the log is unavailable, known incidents are still escalated: %s",
                        error,
                        extra={"event": "alerting.log_unavailable"},
                    )
                is_logged = True
                await asyncio.sleep(RETRY_S)

    async def _read_log(self, identity: str) -> None:
        """Read one log until another one replaces it."""
        await create_topics(self._kafka, partition_counts(self._partition_count))
        partitions = [TopicPartition(ALARMS, number) for number in range(self._partition_count)]
        partitions.append(TopicPartition(DUTY_COMMANDS, 0))
        if identity != self._log:
            is_known = identity == self._known_log()
            keys = [(partition.topic, partition.partition) for partition in partitions]
            self._next_offsets = {key: self._position(key) if is_known else 0 for key in keys}
            self._log = identity
            await self._emit(LogStarted(identity))
        ends = await end_offsets(self._kafka, partitions)
        goal = {(partition.topic, partition.partition): offset for partition, offset in ends.items()}
        consumer = new_consumer(self._kafka, fetch_policy=FETCH_IN_BULK, max_poll_records=POLL_RECORDS_MAX)
        try:
            await consumer.start()
            consumer.assign(partitions)
            await self._seek(consumer, partitions)
            await self._poll(consumer, identity, goal)
        finally:
            await consumer.stop()

    async def _poll(self, consumer: Any, identity: str, goal: dict[PartitionKey, int]) -> None:
        loop = asyncio.get_running_loop()
        has_caught_up, next_check = False, loop.time() + IDENTITY_CHECK_S
        while True:
            if not has_caught_up and all(self._next_offsets[key] >= end for key, end in goal.items()):
                has_caught_up = True
                await self._emit(CaughtUp())
            raise_if_cancelled()
            try:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=POLL_RECORDS_MAX)
            except OffsetOutOfRangeError as error:
                await self._seek(consumer, error.args[0])
                continue
            for partition, records in fetched.items():
                key = (partition.topic, partition.partition)
                for record in records:
                    await self._emit(DutyRecord(key, record.offset, record.value or b""))
                    self._next_offsets[key] = record.offset + 1
            if loop.time() >= next_check:
                if await log_identity(self._kafka) != identity:
                    log.warning(
                        "log %s was replaced by another",
                        identity,
                        extra={"event": "alerting.log_replaced", "log": identity},
                    )
                    return
                next_check = loop.time() + IDENTITY_CHECK_S

    async def _seek(self, consumer: Any, partitions: Iterable[TopicPartition]) -> None:
        for partition, first in (await first_offsets(consumer, partitions)).items():
            key = (partition.topic, partition.partition)
            next_offset = self._next_offsets[key]
            if 0 < next_offset < first:
                log.error(
                    "%s/%d begins at offset %d, after the next offset to read, %d; records are lost",
                    *key,
                    first,
                    next_offset,
                    extra={"event": "alerting.records_lost", "topic": key[0], "partition": key[1]},
                )
            self._next_offsets[key] = max(next_offset, first)
            consumer.seek(partition, self._next_offsets[key])
