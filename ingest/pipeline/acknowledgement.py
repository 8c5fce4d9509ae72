"""When a batch of messages is acknowledged to the broker: once it is logged, or once it is stored.

Stored is what the historian has told on the topic `stored`. Ingest never asks the database: it compares the
offsets of what it wrote with what it hears. Offsets mean something in one log alone, so when another log
stands in its place nothing that waits is acknowledged and the process ends: the next one gets all of it again
from the broker, and the numbering of its messages begins anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import FetchPolicy, first_offsets, log_identity, new_consumer
from runtime.kafka.topics import STORED, create_topics
from twin.errors import MessageError, ServiceError
from twin.wire.stored_positions import STORED_POSITIONS, StoredPositions

log = logging.getLogger(__name__)

IDENTITY_CHECK_S = 1.0
RETRY_S = 0.5

# A word is for many messages, and they wait for a commit before it: half of this more is little.
_FETCH_POLICY = FetchPolicy(50)
_POLL_MS = 500

EndOffsets: TypeAlias = Mapping[tuple[str, int], int]
"""(topic, partition) → offset after the last record."""


class AcknowledgementBatch(Protocol):
    """Messages that are on their way to the log."""

    def on_logged(self, ends: EndOffsets) -> None:
        """Learn that Kafka has confirmed all of it, and where."""


class Acknowledger(Protocol):
    """Decides when a batch is acknowledged."""

    def begin_batch(self, acknowledge: Callable[[], None]) -> AcknowledgementBatch:
        """Return a batch that is about to be written; `acknowledge` is called once, when it is due."""

    async def run(self) -> None:
        """Do what is to be done beside the batches, until cancelled."""


class LoggedAcknowledger:
    """Acknowledges what Kafka has confirmed."""

    def begin_batch(self, acknowledge: Callable[[], None]) -> AcknowledgementBatch:
        """Return a batch that is acknowledged when it is logged."""
        return _LoggedBatch(acknowledge)

    async def run(self) -> None:
        """Return: there is nothing to do."""


class _LoggedBatch:
    def __init__(self, acknowledge: Callable[[], None]) -> None:
        self._acknowledge = acknowledge

    def on_logged(self, ends: EndOffsets) -> None:
        self._acknowledge()


class LogReplacedError(ServiceError):
    """Another log stands in the place of the one that messages were written to."""

    def __init__(self, log_id: str, found: str) -> None:
        super().__init__(
            f"the log {log_id} was replaced by {found}; what was not stored is not acknowledged, "
            "and the MQTT broker hands it over again"
        )


class UnstoredBatches:
    """Batches that are on one log and not known to be stored, oldest first. No I/O.

    MQTT wants acknowledgements in the order of arrival ([MQTT-4.6.0-2]), so a batch waits for those before.
    """

    def __init__(self, log_id: str) -> None:
        self._log_id = log_id
        self._stored: dict[tuple[str, int], int] = {}
        self._waiting: deque[tuple[EndOffsets, Callable[[], None]]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def begin_batch(self, acknowledge: Callable[[], None]) -> AcknowledgementBatch:
        """Return a batch that is acknowledged when it, and all that was logged before it, is stored."""
        return _UnstoredBatch(self, acknowledge, dict(self._stored))

    def add(self, acknowledge: Callable[[], None], ends: EndOffsets, stored_before: EndOffsets) -> None:
        """Let a logged batch wait; what was stored before it was written, the `floor`, lies below it.

        Raises LogReplacedError when it does not: its offsets are those of another log.
        """
        for place, end in ends.items():
            if end <= stored_before.get(place, 0):
                raise LogReplacedError(self._log_id, "one that is shorter")
        self._waiting.append((ends, acknowledge))
        self._acknowledge_stored()

    def on_stored(self, message: StoredPositions) -> None:
        """Learn how far the log is stored; a word on another log, say one of before, says nothing here."""
        if message.log != self._log_id:
            return
        for topic, partition, offset in message.positions:
            place = topic, partition
            self._stored[place] = max(offset, self._stored.get(place, 0))
        self._acknowledge_stored()

    def _acknowledge_stored(self) -> None:
        while self._waiting:
            ends, acknowledge = self._waiting[0]
            if any(self._stored.get(place, 0) < end for place, end in ends.items()):
                return
            self._waiting.popleft()
            acknowledge()


class _UnstoredBatch:
    def __init__(self, waiting: UnstoredBatches, acknowledge: Callable[[], None], floor: EndOffsets) -> None:
        self._waiting = waiting
        self._acknowledge = acknowledge
        self._floor = floor

    def on_logged(self, ends: EndOffsets) -> None:
        self._waiting.add(self._acknowledge, ends, self._floor)


class StoredAcknowledger:
    """Acknowledges what the historian has committed.

    `log_id` must have been read before anything was written.
    """

    def __init__(self, kafka: Kafka, log_id: str) -> None:
        self._kafka = kafka
        self._log_id = log_id
        self._unstored = UnstoredBatches(log_id)

    def begin_batch(self, acknowledge: Callable[[], None]) -> AcknowledgementBatch:
        """Return a batch that is acknowledged when it is stored."""
        return self._unstored.begin_batch(acknowledge)

    async def run(self) -> None:
        """Hear how far the log is stored. Raises LogReplacedError when it is replaced."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_log_identity(), name="log identity")
            tasks.create_task(self._follow_stored_positions(), name="stored positions")

    async def _watch_log_identity(self) -> None:
        while True:
            await asyncio.sleep(IDENTITY_CHECK_S)
            try:
                found = await log_identity(self._kafka)
            except ServiceError as error:
                log.warning("%s", error)
                continue
            if found != self._log_id:
                raise LogReplacedError(self._log_id, found)

    async def _follow_stored_positions(self) -> None:
        while True:
            consumer = new_consumer(self._kafka, fetch_policy=_FETCH_POLICY)
            try:
                await create_topics(self._kafka, {STORED: 1})
                await consumer.start()
                await self._consume(consumer)
            except (KafkaError, OSError, ServiceError) as error:
                log.warning("how far the log is stored is not heard, messages wait for it: %r", error)
            finally:
                await consumer.stop()
            await asyncio.sleep(RETRY_S)

    async def _consume(self, consumer: AIOKafkaConsumer) -> None:
        place = TopicPartition(STORED, 0)
        consumer.assign([place])
        await _seek_to_last(consumer, place)
        while True:
            raise_if_cancelled()
            try:
                fetched = await consumer.getmany(place, timeout_ms=_POLL_MS)
            except OffsetOutOfRangeError:
                await _seek_to_last(consumer, place)
                continue
            for record in fetched.get(place, ()):
                try:
                    self._unstored.on_stored(STORED_POSITIONS.decode(record.value or b""))
                except MessageError as error:
                    log.warning("%s", error)


async def _seek_to_last(consumer: AIOKafkaConsumer, place: TopicPartition) -> None:
    """Go before the last word: what those before it say each historian says again."""
    end = (await consumer.end_offsets([place]))[place]
    consumer.seek(place, max(end - 1, (await first_offsets(consumer, [place]))[place]))
