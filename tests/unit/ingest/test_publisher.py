"""The publisher with a failing Kafka: messages wait, and ticks go to idle partitions."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from aiokafka.errors import KafkaConnectionError

from ingest.pipeline.publisher import LogPublisher
from ingest.pipeline.records import RecordBuilder
from tests.support.pipelines.intake import SESSION, make_intake, make_message, noise_payload
from twin.wire.messages import OBSERVATIONS, ObservationBatch

PARTITIONS = 4


class Place(NamedTuple):
    """Where a record was written."""

    topic: str
    partition: int
    offset: int


class Kafka:
    """Stands for aiokafka's producer: keeps what is sent, confirms it or fails, or leaves it open."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, bytes]] = []
        self.failing = False
        self.open: asyncio.Future[Place] | None = None

    async def send(self, topic: str, value: bytes, partition: int) -> asyncio.Future[Place]:
        confirmation = asyncio.get_running_loop().create_future()
        if self.failing:
            confirmation.set_exception(KafkaConnectionError())
            return confirmation
        self.sent.append((topic, partition, value))
        if self.open is not None:
            return self.open
        confirmation.set_result(Place(topic, partition, len(self.sent) - 1))
        return confirmation

    def batches(self) -> list[tuple[int, ObservationBatch]]:
        return [
            (partition, OBSERVATIONS.decode(value))
            for topic, partition, value in self.sent
            if topic == "observations"
        ]

    def ticks(self) -> list[int]:
        return [partition for partition, batch in self.batches() if not batch.observations]


class Clock:
    """A clock that stands still until it is set."""

    now = 1_000

    def __call__(self) -> int:
        return self.now


def publisher_to(kafka: Kafka, clock: Clock) -> LogPublisher:
    return LogPublisher(kafka, RecordBuilder(SESSION, clock), PARTITIONS)


TAKEN = make_intake().process(make_message(noise_payload(61.5)), 0)
REFUSED = make_intake().process(make_message(b"{"), 1)


async def test_a_tick_writes_the_time_to_partitions_without_records() -> None:
    kafka, clock = Kafka(), Clock()
    publisher = publisher_to(kafka, clock)
    assert await publisher.publish_ticks() == PARTITIONS
    assert kafka.ticks() == [0, 1, 2, 3]
    for _, tick in kafka.batches():
        assert (tick.time, tick.headers, tick.payloads) == (1_000, b"", b"")


async def test_a_partition_with_a_record_gets_its_next_tick_one_interval_later() -> None:
    kafka, clock = Kafka(), Clock()
    publisher = publisher_to(kafka, clock)
    await publisher.publish([TAKEN, REFUSED])
    kafka.sent.clear()
    assert await publisher.publish_ticks() == PARTITIONS - 1
    assert kafka.ticks() == [one for one in range(PARTITIONS) if one != TAKEN.partition]
    kafka.sent.clear()
    clock.now = 2_000
    assert await publisher.publish_ticks() == PARTITIONS
    assert {batch.time for _, batch in kafka.batches()} == {2_000}


async def test_a_quarantined_message_does_not_replace_a_tick() -> None:
    kafka = Kafka()
    publisher = publisher_to(kafka, Clock())
    await publisher.publish([REFUSED])
    assert await publisher.publish_ticks() == PARTITIONS


async def test_while_kafka_fails_messages_wait_and_no_tick_is_written() -> None:
    kafka = Kafka()
    publisher = publisher_to(kafka, Clock())
    kafka.failing = True
    publishing = asyncio.create_task(publisher.publish([TAKEN]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not publishing.done()
    kafka.failing = False
    assert await publisher.publish_ticks() == 0
    assert kafka.sent == []
    async with asyncio.timeout(5):
        await publishing
    ((partition, batch),) = kafka.batches()
    assert partition == TAKEN.partition
    assert list(batch.observations) == TAKEN.observations
    assert await publisher.publish_ticks() == PARTITIONS - 1


async def test_an_unconfirmed_tick_is_replaced_by_the_next() -> None:
    kafka = Kafka()
    publisher = publisher_to(kafka, Clock())
    kafka.failing = True
    assert await publisher.publish_ticks() == 0
    kafka.failing = False
    assert await publisher.publish_ticks() == PARTITIONS


async def test_no_message_waits_for_a_tick() -> None:
    kafka = Kafka()
    publisher = publisher_to(kafka, Clock())
    kafka.open = asyncio.get_running_loop().create_future()
    ticking = asyncio.create_task(publisher.publish_ticks())
    await asyncio.sleep(0)
    tick_confirmation, kafka.open = kafka.open, None
    await publisher.publish([TAKEN])
    assert not ticking.done()
    tick_confirmation.set_result(Place("observations", 0, 0))
    assert await ticking == PARTITIONS


async def test_a_retry_sends_the_same_records_again() -> None:
    kafka = Kafka()
    publisher = publisher_to(kafka, Clock())
    kafka.open = asyncio.get_running_loop().create_future()
    publishing = asyncio.create_task(publisher.publish([TAKEN, REFUSED]))
    await asyncio.sleep(0)
    refusal, kafka.open = kafka.open, None
    refusal.set_exception(KafkaConnectionError())
    async with asyncio.timeout(5):
        await publishing
    assert len(kafka.sent) == 4
    assert kafka.sent[:2] == kafka.sent[2:]


async def test_an_empty_batch_returns_at_once() -> None:
    kafka = Kafka()
    assert await publisher_to(kafka, Clock()).publish([]) == {}
    assert kafka.sent == []


async def test_publishing_returns_the_end_offsets() -> None:
    kafka = Kafka()
    ends = await publisher_to(kafka, Clock()).publish([TAKEN, REFUSED])
    assert ends == {(topic, partition): offset + 1 for offset, (topic, partition, _) in enumerate(kafka.sent)}
