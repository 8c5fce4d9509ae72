"""The duty loop's side of the log: reads `alarms` and `duty-commands` from where the journal is."""

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
"""Records that wait for the loop; the log is not read beyond."""


class DutyRecord(NamedTuple):
    """A record that was read."""

    place: PartitionKey
    offset: int
    value: bytes


class LogStarted(NamedTuple):
    """From here on records are of this log; the journal's positions in it, if any, were gone on from."""

    log: str


class CaughtUp(NamedTuple):
    """Everything has been read that the log held when reading it began."""


DutyLogEvent: TypeAlias = DutyRecord | LogStarted | CaughtUp


class DutyLogReader:
    """Reads one log after the other and hands over what arrives.

    `known_log` and `position` ask the owner of the journal how far which log was read.
    """

    def __init__(
        self,
        kafka: Kafka,
        partitions: int,
        arrive: Callable[[DutyLogEvent], Awaitable[None]],
        known_log: Callable[[], str],
        position: Callable[[PartitionKey], int],
    ) -> None:
        self._kafka = kafka
        self._count = partitions
        self._arrive = arrive
        self._known_log = known_log
        self._position = position
        self._read: dict[PartitionKey, int] = {}
        self._log = ""

    async def run(self) -> None:
        """Read until cancelled; outlives every outage of the log."""
        away = False
        while True:
            try:
                identity = await log_identity(self._kafka)
                away = False
                await self._follow(identity)
            except (KafkaError, OSError, ServiceError) as error:
                if not away:
                    log.warning("the log is away, what was decided is done all the same: %s", error)
                away = True
                await asyncio.sleep(RETRY_S)

    async def _follow(self, identity: str) -> None:
        """Read one log until another stands in its place."""
        await create_topics(self._kafka, partition_counts(self._count))
        partitions = [TopicPartition(ALARMS, number) for number in range(self._count)]
        partitions.append(TopicPartition(DUTY_COMMANDS, 0))
        if identity != self._log:
            same = identity == self._known_log()
            self._read = {(one.topic, one.partition): 0 for one in partitions}
            if same:
                self._read = {place: self._position(place) for place in self._read}
            self._log = identity
            await self._arrive(LogStarted(identity))
        goal = await end_offsets(self._kafka, partitions)
        consumer = new_consumer(self._kafka, fetch_policy=FETCH_IN_BULK, max_poll_records=POLL_RECORDS_MAX)
        try:
            await consumer.start()
            consumer.assign(partitions)
            await self._seek(consumer, partitions)
            await self._take(consumer, identity, {(one.topic, one.partition): at for one, at in goal.items()})
        finally:
            await consumer.stop()

    async def _take(self, consumer: Any, identity: str, goal: dict[PartitionKey, int]) -> None:
        loop = asyncio.get_running_loop()
        caught_up, look = False, loop.time() + IDENTITY_CHECK_S
        while True:
            if not caught_up and all(self._read[place] >= at for place, at in goal.items()):
                caught_up = True
                await self._arrive(CaughtUp())
            raise_if_cancelled()
            try:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=POLL_RECORDS_MAX)
            except OffsetOutOfRangeError as error:
                await self._seek(consumer, error.args[0])
                continue
            for partition, records in fetched.items():
                place = (partition.topic, partition.partition)
                for one in records:
                    await self._arrive(DutyRecord(place, one.offset, one.value or b""))
                    self._read[place] = one.offset + 1
            if loop.time() >= look:
                if await log_identity(self._kafka) != identity:
                    log.warning("log %s was replaced by another", identity)
                    return
                look = loop.time() + IDENTITY_CHECK_S

    async def _seek(self, consumer: Any, partitions: Iterable[TopicPartition]) -> None:
        for partition, begin in (await first_offsets(consumer, partitions)).items():
            place = (partition.topic, partition.partition)
            if self._read[place] < begin and self._read[place] > 0:
                log.error("%s/%d begins at %d, %d was to be read", *place, begin, self._read[place])
            self._read[place] = max(self._read[place], begin)
            consumer.seek(partition, self._read[place])
