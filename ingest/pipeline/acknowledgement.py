"""When a batch of messages is acknowledged to the broker: once it is logged, or once it is stored.

The historian publishes the positions that it has stored on the topic `stored`. Ingest compares them with the
offsets of its records, and never asks the database. Offsets are valid in one log only: when the log is
replaced, no waiting message is acknowledged and the process ends. The broker sends those messages to the next
process, which numbers its messages from 0.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import FetchPolicy, first_offsets, new_consumer, wait_for_another_log
from runtime.kafka.topics import STORED, create_topics
from twin.errors import MessageError, ServiceError
from twin.wire.stored_positions import STORED_POSITIONS, StoredPositions

log = logging.getLogger(__name__)

RETRY_S = 0.5

# One record serves many messages, which have waited for a commit: half of this time more is little.
_FETCH_POLICY = FetchPolicy(50)
_POLL_MS = 500

EndOffsets: TypeAlias = Mapping[tuple[str, int], int]
"""(topic, partition) → offset after the last record."""


OnLogged: TypeAlias = Callable[[EndOffsets], None]
"""To be called when Kafka has confirmed all records of a batch, with the offsets after them."""


class Acknowledger(Protocol):
    """Decides when a batch is acknowledged."""

    def begin_batch(self, acknowledge: Callable[[], None]) -> OnLogged:
        """Begin a batch before it is written; `acknowledge` is called once, when it is due."""

    async def run(self) -> None:
        """Run the work beside the batches, until cancelled."""


class LoggedAcknowledger:
    """Acknowledges a batch once Kafka has confirmed its records."""

    def begin_batch(self, acknowledge: Callable[[], None]) -> OnLogged:
        """Begin a batch that is acknowledged when it is logged."""
        return lambda _ends: acknowledge()

    async def run(self) -> None:
        """Return at once: there is no other work."""


class LogReplacedError(ServiceError):
    """The log that messages were written to was replaced by another one."""

    def __init__(self, log_id: str, found: str) -> None:
        super().__init__(
            f"the log {log_id} was replaced by {found}; messages that were not stored are not acknowledged, "
            "and the MQTT broker sends them again"
        )


class UnstoredBatches:
    """Batches of one log that are logged and not known to be stored, oldest first. No I/O.

    MQTT requires acknowledgements in the order of arrival ([MQTT-4.6.0-2]), so a batch waits for earlier
    ones.
    """

    def __init__(self, log_id: str) -> None:
        self._log_id = log_id
        self._stored: dict[tuple[str, int], int] = {}
        self._waiting: deque[tuple[EndOffsets, Callable[[], None]]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def begin_batch(self, acknowledge: Callable[[], None]) -> OnLogged:
        """Begin a batch that is acknowledged when it, and every batch logged before it, is stored.

        The returned function raises LogReplacedError when the batch lies below the positions that are stored
        now: its offsets belong to another log.
        """
        return partial(self._add, acknowledge, dict(self._stored))

    def _add(self, acknowledge: Callable[[], None], stored_before: EndOffsets, ends: EndOffsets) -> None:
        for partition, end in ends.items():
            if end <= stored_before.get(partition, 0):
                raise LogReplacedError(self._log_id, "one that is shorter")
        self._waiting.append((ends, acknowledge))
        self._acknowledge_stored()

    def on_stored(self, message: StoredPositions) -> None:
        """Acknowledge the batches up to the stored positions; ignore those of another log."""
        if message.log != self._log_id:
            return
        for topic, number, offset in message.positions:
            partition = topic, number
            self._stored[partition] = max(offset, self._stored.get(partition, 0))
        self._acknowledge_stored()

    def _acknowledge_stored(self) -> None:
        while self._waiting:
            ends, acknowledge = self._waiting[0]
            if any(self._stored.get(partition, 0) < end for partition, end in ends.items()):
                return
            self._waiting.popleft()
            acknowledge()


class StoredAcknowledger:
    """Acknowledges a batch once the historian has committed its records.

    `log_id` must have been read before the first record was written.
    """

    def __init__(self, kafka: Kafka, log_id: str) -> None:
        self._kafka = kafka
        self._log_id = log_id
        self._unstored = UnstoredBatches(log_id)

    def begin_batch(self, acknowledge: Callable[[], None]) -> OnLogged:
        """Begin a batch that is acknowledged when it is stored."""
        return self._unstored.begin_batch(acknowledge)

    async def run(self) -> None:
        """Follow the stored positions. Raises LogReplacedError when the log is replaced."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_log_identity(), name="log identity")
            tasks.create_task(self._follow_stored_positions(), name="stored positions")

    async def _watch_log_identity(self) -> None:
        found = await wait_for_another_log(self._kafka, self._log_id, on_check=_log_unreachable)
        raise LogReplacedError(self._log_id, found)

    async def _follow_stored_positions(self) -> None:
        while True:
            consumer = new_consumer(self._kafka, fetch_policy=_FETCH_POLICY)
            try:
                await create_topics(self._kafka, {STORED: 1})
                await consumer.start()
                await self._consume(consumer)
            except (KafkaError, OSError, ServiceError) as error:
                log.warning(
                    "the stored positions cannot be read, messages wait unacknowledged: %r",
                    error,
                    extra={"event": "ingest.stored_positions_unreadable"},
                )
            finally:
                await consumer.stop()
            await asyncio.sleep(RETRY_S)

    async def _consume(self, consumer: AIOKafkaConsumer) -> None:
        partition = TopicPartition(STORED, 0)
        consumer.assign([partition])
        await _seek_to_last(consumer, partition)
        while True:
            raise_if_cancelled()
            try:
                fetched = await consumer.getmany(partition, timeout_ms=_POLL_MS)
            except OffsetOutOfRangeError:
                await _seek_to_last(consumer, partition)
                continue
            for record in fetched.get(partition, ()):
                try:
                    self._unstored.on_stored(STORED_POSITIONS.decode(record.value or b""))
                except MessageError as error:
                    log.warning("%s", error, extra={"event": "ingest.stored_positions_malformed"})


def _log_unreachable(error: ServiceError | None) -> None:
    if error is not None:
        log.warning("%s", error, extra={"event": "ingest.log_unreachable"})


async def _seek_to_last(consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
    """Seek to the last record: each historian repeats the content of the earlier ones."""
    end = (await consumer.end_offsets([partition]))[partition]
    first = (await first_offsets(consumer, [partition]))[partition]
    consumer.seek(partition, max(end - 1, first))
