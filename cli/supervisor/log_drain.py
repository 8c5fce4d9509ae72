"""Waiting until everything that is on the log is in the database; then the log may go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from runtime.kafka.access import Kafka, client_options
from runtime.kafka.consumer import end_offsets
from runtime.kafka.topics import ALARM_INPUTS, AREA_INPUTS, OBSERVATIONS, partition_counts
from storage.database import connect
from storage.historian.log_reader import STORED_TOPICS
from storage.stores.log_positions import read_positions
from twin.errors import ServiceError

STREAM_GROUP = "livetwin-stream"
STREAM_INPUT_TOPICS = (OBSERVATIONS, AREA_INPUTS, ALARM_INPUTS)
_PAUSE_S = 0.1


class LogDrain:
    """Whether the stream and the historian have worked off one log."""

    def __init__(self, kafka: Kafka, dsn: str, partitions: int) -> None:
        self._kafka = kafka
        self._dsn = dsn
        self._counts = partition_counts(partitions)

    async def wait_drained(self, log_id: str, timeout_s: float) -> None:
        """Return when nothing on the log is left to do. Ingest must have stopped before.

        The stream writes all that follows from a record before it commits it. So once everything is
        committed that it reads, also what its stages told each other meanwhile, the ends of what it writes
        are final. Raises ServiceError when it takes longer than `timeout_s`, or a service is away.
        """
        doing = "reading the ends of the log"
        try:
            async with asyncio.timeout(timeout_s):
                doing = "the stream to process everything"
                read = self._of(STREAM_INPUT_TOPICS)
                told: Mapping[TopicPartition, int] = {}
                while (found := await end_offsets(self._kafka, read)) != told:
                    told = found
                    await self._until_committed(told)
                doing = "the historian to store all records"
                await self._until_stored(log_id, await end_offsets(self._kafka, self._of(STORED_TOPICS)))
        except TimeoutError as error:
            raise ServiceError(f"waited {timeout_s:.0f} s for {doing}") from error
        except (KafkaError, OSError) as error:
            raise ServiceError(f"while waiting for {doing}: {error!r}") from error

    def _of(self, topics: Iterable[str]) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic in topics for number in range(self._counts[topic])]

    async def _until_committed(self, wanted: Mapping[TopicPartition, int]) -> None:
        admin = AIOKafkaAdminClient(**client_options(self._kafka))
        try:
            await admin.start()
            while True:
                answer = await admin.list_consumer_group_offsets(STREAM_GROUP, partitions=list(wanted))
                if _reached(wanted, {one: found.offset for one, found in answer.items()}):
                    return
                await asyncio.sleep(_PAUSE_S)
        finally:
            await admin.close()

    async def _until_stored(self, log_id: str, wanted: Mapping[TopicPartition, int]) -> None:
        connection = await connect(self._dsn, role="up")
        async with connection:
            while True:
                stored = await read_positions(connection, log_id)
                await connection.rollback()
                if _reached(wanted, {TopicPartition(*one): offset for one, offset in stored.items()}):
                    return
                await asyncio.sleep(_PAUSE_S)


def _reached(wanted: Mapping[TopicPartition, int], found: Mapping[TopicPartition, int]) -> bool:
    # A group that has committed nothing is at -1; of an empty partition nothing is wanted.
    return all(max(0, found.get(one, 0)) >= end for one, end in wanted.items())
