"""What LiveTwin requires of a broker with Kafka's protocol: the embedded one, or one in a container."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata

from runtime.kafka.consumer import end_offsets, first_offsets, log_identity, new_consumer
from runtime.kafka.topics import create_topics
from twin.errors import ServiceError

DEADLINE_S = 60.0
SESSION_MS = 6_000
PARTITIONS = 4


@pytest.fixture
def topic() -> str:
    """A name that no other test has."""
    return f"contract-{uuid.uuid4().hex}"


@asynccontextmanager
async def producing(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def reading(kafka: str, partition: TopicPartition, offset: int) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = new_consumer(kafka)
    await consumer.start()
    try:
        consumer.assign([partition])
        consumer.seek(partition, offset)
        yield consumer
    finally:
        await consumer.stop()


async def read(consumer: AIOKafkaConsumer, count: int) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < count:
            one = await consumer.getone()
            found.append((one.offset, one.value))
    return found


async def test_confirmed_records_are_read_in_order_from_any_offset(kafka: str, topic: str) -> None:
    await create_topics(kafka, {topic: 1})
    partition = TopicPartition(topic, 0)
    values = [f"{number}".encode() * (1 + number % 50) for number in range(300)]
    async with producing(kafka) as producer:
        for begin in range(0, len(values), 7):  # batches of several records
            sent = [await producer.send(topic, one, partition=0) for one in values[begin : begin + 7]]
            confirmed = await asyncio.gather(*sent)
            assert [one.offset for one in confirmed] == list(range(begin, min(begin + 7, len(values))))
    for offset in (0, 3, 150, 299):
        async with reading(kafka, partition, offset) as consumer:
            assert await read(consumer, len(values) - offset) == list(enumerate(values))[offset:]


async def test_a_waiting_reader_gets_new_records(kafka: str, topic: str) -> None:
    await create_topics(kafka, {topic: 1})
    async with producing(kafka) as producer, reading(kafka, TopicPartition(topic, 0), 0) as consumer:
        for number in range(20):
            waiting = asyncio.ensure_future(read(consumer, 1))
            await producer.send_and_wait(topic, b"%d" % number, partition=0)
            assert await waiting == [(number, b"%d" % number)]


async def test_partitions_are_independent(kafka: str, topic: str) -> None:
    await create_topics(kafka, {topic: PARTITIONS})
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    async with producing(kafka) as producer:
        for number in range(PARTITIONS):
            for _ in range(number):
                await producer.send_and_wait(topic, b"%d" % number, partition=number)
        assert await producer.partitions_for(topic) == set(range(PARTITIONS))
    assert await end_offsets(kafka, partitions) == {
        partition: partition.partition for partition in partitions
    }
    async with reading(kafka, partitions[3], 0) as consumer:
        assert await first_offsets(consumer, partitions) == dict.fromkeys(partitions, 0)
        assert await read(consumer, 3) == [(0, b"3"), (1, b"3"), (2, b"3")]


async def test_reading_at_a_missing_offset_is_an_error(kafka: str, topic: str) -> None:
    await create_topics(kafka, {topic: 1})
    partition = TopicPartition(topic, 0)
    async with producing(kafka) as producer:
        await producer.send_and_wait(topic, b"only", partition=0)
    async with reading(kafka, partition, 1_000) as consumer:
        with pytest.raises(OffsetOutOfRangeError):
            async with asyncio.timeout(DEADLINE_S):
                await consumer.getone()


async def test_the_log_has_one_identity_and_a_topic_is_created_once(kafka: str, topic: str) -> None:
    assert await log_identity(kafka) == await log_identity(kafka) != ""
    await create_topics(kafka, {topic: 2})
    await create_topics(kafka, {topic: 2})
    async with producing(kafka) as producer:
        assert await producer.partitions_for(topic) == {0, 1}


async def test_topics_with_another_number_of_partitions_are_refused(kafka: str, topic: str) -> None:
    await create_topics(kafka, {topic: 2})
    with pytest.raises(ServiceError, match=f"`{topic}` has 2 partitions instead of 4"):
        await create_topics(kafka, {topic: 4, f"{topic}-more": 1})


async def test_a_group_shares_partitions_and_the_survivor_takes_all(kafka: str, topic: str) -> None:
    await create_topics(kafka, {topic: PARTITIONS})
    everything = {TopicPartition(topic, number) for number in range(PARTITIONS)}
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(member(kafka, topic)) for _ in range(2)]
        await until(
            lambda: (
                bool(first.assignment())
                and bool(second.assignment())
                and first.assignment() | second.assignment() == everything
                and not first.assignment() & second.assignment()
            )
        )
        await second.stop()
        await until(lambda: first.assignment() == everything)


async def test_a_group_resumes_at_its_committed_offset(kafka: str, topic: str) -> None:
    await create_topics(kafka, {topic: 1})
    partition = TopicPartition(topic, 0)
    async with producing(kafka) as producer:
        for number in range(5):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)
    async with member(kafka, topic) as consumer:
        assert await read(consumer, 2) == [(0, b"0"), (1, b"1")]
        await consumer.commit({partition: OffsetAndMetadata(2, "")})
    async with member(kafka, topic) as consumer:
        assert await read(consumer, 3) == [(2, b"2"), (3, b"3"), (4, b"4")]
        assert await consumer.committed(partition) == 2


@asynccontextmanager
async def member(kafka: str, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A member of the topic's group."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        group_id=f"{topic}-group",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=SESSION_MS // 6,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if holds():
                return
            await asyncio.sleep(0.05)
