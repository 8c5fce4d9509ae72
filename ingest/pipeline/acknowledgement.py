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
from runtime.kafka.consumer import Pace, beginnings, log_identity, new_consumer
from runtime.kafka.topics import STORED, create_topics
from twin.errors import MessageError, ServiceError
from twin.wire.stored_positions import STORED_POSITIONS, StoredPositions

log = logging.getLogger(__name__)

IDENTITY_CHECK_S = 1.0
RETRY_S = 0.5

# A word is for many messages, and they wait for a commit before it: half of this more is little.
_PACE = Pace(50)
_POLL_MS = 500

Ends: TypeAlias = Mapping[tuple[str, int], int]
"""(topic, partition) → offset after the last record."""


class Batch(Protocol):
    """Messages that are on their way to the log."""

    def logged(self, ends: Ends) -> None:
        """Learn that Kafka has confirmed all of it, and where."""


class Acknowledgement(Protocol):
    """Decides when a batch is acknowledged."""

    def begin(self, acknowledge: Callable[[], None]) -> Batch:
        """Return a batch that is about to be written; `acknowledge` is called once, when it is due."""

    async def run(self) -> None:
        """Do what is to be done beside the batches, until cancelled."""


class WhenLogged:
    """Acknowledges what Kafka has confirmed."""

    def begin(self, acknowledge: Callable[[], None]) -> Batch:
        """Return a batch that is acknowledged when it is logged."""
        return _Logged(acknowledge)

    async def run(self) -> None:
        """Return: there is nothing to do."""


class _Logged:
    def __init__(self, acknowledge: Callable[[], None]) -> None:
        self._acknowledge = acknowledge

    def logged(self, ends: Ends) -> None:
        self._acknowledge()


class LogReplacedError(ServiceError):
    """Another log stands in the place of the one that messages were written to."""

    def __init__(self, log_id: str, found: str) -> None:
        super().__init__(
            f"the log {log_id} was replaced by {found}; what was not stored is not acknowledged, "
            "and the MQTT broker hands it over again"
        )


class Unstored:
    """Batches that are on one log and not known to be stored, oldest first. No I/O.

    MQTT wants acknowledgements in the order of arrival ([MQTT-4.6.0-2]), so a batch waits for those before.
    """

    def __init__(self, log_id: str) -> None:
        self._log_id = log_id
        self._stored: dict[tuple[str, int], int] = {}
        self._waiting: deque[tuple[Ends, Callable[[], None]]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, acknowledge: Callable[[], None]) -> Batch:
        """Return a batch that is acknowledged when it, and all that was logged before it, is stored."""
        return _Unstored(self, acknowledge, dict(self._stored))

    def hold(self, acknowledge: Callable[[], None], ends: Ends, floor: Ends) -> None:
        """Let a logged batch wait; what was stored before it was written, the `floor`, lies below it.

        Raises LogReplacedError when it does not: its offsets are those of another log.
        """
        for place, end in ends.items():
            if end <= floor.get(place, 0):
                raise LogReplacedError(self._log_id, "one that is shorter")
        self._waiting.append((ends, acknowledge))
        self._acknowledge_stored()

    def hear(self, word: StoredPositions) -> None:
        """Learn how far the log is stored; a word on another log, say one of before, says nothing here."""
        if word.log != self._log_id:
            return
        for topic, partition, offset in word.positions:
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


class _Unstored:
    def __init__(self, waiting: Unstored, acknowledge: Callable[[], None], floor: Ends) -> None:
        self._waiting = waiting
        self._acknowledge = acknowledge
        self._floor = floor

    def logged(self, ends: Ends) -> None:
        self._waiting.hold(self._acknowledge, ends, self._floor)


class WhenStored:
    """Acknowledges what the historian has committed.

    `log_id` must have been read before anything was written.
    """

    def __init__(self, kafka: Kafka, log_id: str) -> None:
        self._kafka = kafka
        self._log_id = log_id
        self._unstored = Unstored(log_id)

    def begin(self, acknowledge: Callable[[], None]) -> Batch:
        """Return a batch that is acknowledged when it is stored."""
        return self._unstored.begin(acknowledge)

    async def run(self) -> None:
        """Hear how far the log is stored. Raises LogReplacedError when it is replaced."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="log identity")
            tasks.create_task(self._listen(), name="stored positions")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(IDENTITY_CHECK_S)
            try:
                found = await log_identity(self._kafka)
            except ServiceError as error:
                log.warning("%s", error)
                continue
            if found != self._log_id:
                raise LogReplacedError(self._log_id, found)

    async def _listen(self) -> None:
        while True:
            consumer = new_consumer(self._kafka, pace=_PACE)
            try:
                await create_topics(self._kafka, {STORED: 1})
                await consumer.start()
                await self._hear(consumer)
            except (KafkaError, OSError, ServiceError) as error:
                log.warning("how far the log is stored is not heard, messages wait for it: %r", error)
            finally:
                await consumer.stop()
            await asyncio.sleep(RETRY_S)

    async def _hear(self, consumer: AIOKafkaConsumer) -> None:
        place = TopicPartition(STORED, 0)
        consumer.assign([place])
        await _to_the_last(consumer, place)
        while True:
            raise_if_cancelled()
            try:
                fetched = await consumer.getmany(place, timeout_ms=_POLL_MS)
            except OffsetOutOfRangeError:
                await _to_the_last(consumer, place)
                continue
            for record in fetched.get(place, ()):
                try:
                    self._unstored.hear(STORED_POSITIONS.decode(record.value or b""))
                except MessageError as error:
                    log.warning("%s", error)


async def _to_the_last(consumer: AIOKafkaConsumer, place: TopicPartition) -> None:
    """Go before the last word: what those before it say each historian says again."""
    end = (await consumer.end_offsets([place]))[place]
    consumer.seek(place, max(end - 1, (await beginnings(consumer, [place]))[place]))
