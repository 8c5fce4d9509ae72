"""The embedded log drops only records that all readers passed some time ago."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from cli.supervisor.log_drain import STREAM_GROUP
from cli.supervisor.log_retention import MIN_AGE, LogTrimmer
from runtime.kafka import topics
from runtime.kafka.consumer import first_offsets, log_identity, new_consumer
from storage.database import connect
from storage.stores.log_positions import move_positions
from tests.support.services.service_source import PARTITIONS
from twin.instant import SECOND, Instant

OBSERVATIONS, UPDATES, INPUTS = (
    TopicPartition(topic, 0) for topic in (topics.OBSERVATIONS, topics.UPDATES, topics.AREA_INPUTS)
)
LOOKED_AT = [OBSERVATIONS, UPDATES, INPUTS]
RECORDS = 10


async def fill(kafka: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        for place in LOOKED_AT:
            for _ in range(RECORDS):
                await producer.send_and_wait(place.topic, b"record", partition=place.partition)
    finally:
        await producer.stop()


async def commit(kafka: str, offsets: dict[TopicPartition, int]) -> None:
    """Commit offsets for the stream's group."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=STREAM_GROUP, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    finally:
        await consumer.stop()


async def store(database: str, log_id: str, offsets: dict[TopicPartition, int]) -> None:
    """Store positions as the historian does."""
    async with await connect(database, role="test") as connection:
        assert await move_positions(
            connection, log_id, {}, {(one.topic, one.partition): at for one, at in offsets.items()}
        )
        await connection.commit()


async def begins(kafka: str) -> list[int]:
    consumer = new_consumer(kafka)
    await consumer.start()
    try:
        found = await first_offsets(consumer, LOOKED_AT)
        return [found[one] for one in LOOKED_AT]
    finally:
        await consumer.stop()


async def test_old_records_that_stream_and_historian_have_read_are_dropped(kafka: str, database: str) -> None:
    now: Instant = 0
    log_id = await log_identity(kafka)
    trimmer = LogTrimmer(kafka, database, PARTITIONS, lambda: now)
    await fill(kafka)
    await trimmer.trim(log_id, MIN_AGE)
    await commit(kafka, {OBSERVATIONS: 7, INPUTS: 9})
    await store(database, log_id, {OBSERVATIONS: 5, UPDATES: 4})
    now += MIN_AGE
    await trimmer.trim(log_id, MIN_AGE)
    assert await begins(kafka) == [0, 0, 0], "when it was looked at before, nobody had read anything"

    now += MIN_AGE - SECOND
    await trimmer.trim(log_id, MIN_AGE)
    assert await begins(kafka) == [0, 0, 0], "it is young"
    now += SECOND
    await trimmer.trim(log_id, None)
    assert await begins(kafka) == [0, 0, 0], "there is room"
    await trimmer.trim(log_id, MIN_AGE)
    assert await begins(kafka) == [5, 4, 9]

    await commit(kafka, {OBSERVATIONS: 8, INPUTS: 10})
    await trimmer.trim(log_id, MIN_AGE)
    assert await begins(kafka) == [5, 4, 9]
    await trimmer.trim(log_id, 0)
    assert await begins(kafka) == [5, 4, 10], "of what is read by both nothing is kept when there is no room"


async def test_positions_of_another_log_are_ignored(kafka: str, database: str) -> None:
    now: Instant = 0
    trimmer = LogTrimmer(kafka, database, PARTITIONS, lambda: now)
    await fill(kafka)
    await store(database, "another", {OBSERVATIONS: 5, UPDATES: 4})
    for _ in range(3):
        await trimmer.trim(await log_identity(kafka), MIN_AGE)
        now += MIN_AGE
    assert await begins(kafka) == [0, 0, 0]
