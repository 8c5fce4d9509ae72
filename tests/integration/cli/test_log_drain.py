"""A log is drained only when the records that stages send each other are processed, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from cli.supervisor.log_drain import STREAM_GROUP, LogDrain
from runtime.kafka import topics
from runtime.kafka.consumer import log_identity
from tests.support.brokers.kafka_reader import read_until
from tests.support.database.historian import PARTITIONS, fetch_rows, historian_settings, running_historian
from tests.support.payloads.alarm_events import alarm_event, alarm_record
from twin.wire.messages import OBSERVATIONS

TIMEOUT_S = 30.0
STALL_S = 4.0
COMMANDED = TopicPartition(topics.ALARM_INPUTS, 2)


@asynccontextmanager
async def command_in_progress(kafka: str) -> AsyncIterator[tuple[AIOKafkaProducer, AIOKafkaConsumer]]:
    """Send a command to the alarm stage; yield a producer and a consumer that commits as the stream does."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=STREAM_GROUP, enable_auto_commit=False)
    observed = [TopicPartition(topics.OBSERVATIONS, number) for number in range(PARTITIONS)]
    await producer.start()
    await consumer.start()
    try:
        consumer.assign([COMMANDED, *observed])
        await producer.send_and_wait(COMMANDED.topic, b"a command", partition=COMMANDED.partition)
        yield producer, consumer
    finally:
        await producer.stop()
        await consumer.stop()


async def commit_closings(kafka: str, consumer: AIOKafkaConsumer) -> None:
    """Commit the record by which the drain closes each partition of observations, as the stream does."""
    places = [TopicPartition(topics.OBSERVATIONS, number) for number in range(PARTITIONS)]
    records = await read_until(kafka, topics.OBSERVATIONS, PARTITIONS, lambda found: len(found) >= PARTITIONS)
    assert all(OBSERVATIONS.decode(record.value).is_closing for record in records)
    await consumer.commit({place: OffsetAndMetadata(1, "") for place in places})


async def test_the_log_is_drained_once_commands_are_processed_and_their_results_stored(
    kafka: str, database: str
) -> None:
    async with (
        command_in_progress(kafka) as (producer, consumer),
        running_historian(historian_settings(kafka, database)),
    ):
        log_id = await log_identity(kafka)
        drained = asyncio.create_task(LogDrain(kafka, database, PARTITIONS).wait_drained(log_id, TIMEOUT_S))
        # What the stage does: it answers, and puts something on its own input, before it commits.
        await producer.send_and_wait(topics.ALARMS, alarm_record(alarm_event()), partition=2)
        await producer.send_and_wait(topics.ALARM_INPUTS, b"what partitions tell each other", partition=2)
        await consumer.commit({COMMANDED: OffsetAndMetadata(1, "")})
        assert not drained.done()
        await producer.send_and_wait(topics.ALARMS, alarm_record(alarm_event("other")), partition=1)
        await consumer.commit({COMMANDED: OffsetAndMetadata(2, "")})
        await commit_closings(kafka, consumer)
        await drained
        assert await fetch_rows(database, "SELECT count(*) FROM alarm") == [(2,)]


async def test_a_drain_goes_on_while_the_log_advances(kafka: str, database: str) -> None:
    async with (
        command_in_progress(kafka) as (producer, consumer),
        running_historian(historian_settings(kafka, database)),
    ):
        drain, log_id = LogDrain(kafka, database, PARTITIONS), await log_identity(kafka)
        drained = asyncio.create_task(drain.wait_drained(log_id, STALL_S, extends=True))
        loop = asyncio.get_running_loop()
        end = loop.time() + 2 * STALL_S
        while loop.time() < end:  # the stage is busy with the command
            await producer.send_and_wait(topics.ALARMS, alarm_record(alarm_event()), partition=2)
        assert not drained.done()
        await consumer.commit({COMMANDED: OffsetAndMetadata(1, "")})
        await commit_closings(kafka, consumer)
        await drained
