"""Writes alarms to the log and reads the notification events, for tests of the duty loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from runtime.kafka.consumer import end_offsets
from runtime.kafka.topics import ALARMS, NOTIFICATIONS
from tests.support.brokers.kafka_reader import read_until
from tests.support.payloads.alarm_events import alarm_record
from tests.support.pipelines.duty_loop import duty_incident
from twin.alarms.messages import AlarmEvent
from twin.wire.duty_messages import NOTIFICATIONS as NOTIFICATIONS_CODEC
from twin.wire.duty_messages import NotificationEvent

DEADLINE_S = 90.0


async def publish_alarms(bootstrap: str, *alarms: AlarmEvent, revision: int = 1) -> None:
    """Write alarms to the log, each in a record with an incident of its own."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for alarm in alarms:
            record = alarm_record(alarm, incidents=(duty_incident(alarm, revision=revision),))
            await producer.send_and_wait(ALARMS, record, partition=0)
    finally:
        await producer.stop()


async def notifications_until(
    bootstrap: str, condition: Callable[[list[NotificationEvent]], bool], deadline_s: float = DEADLINE_S
) -> list[NotificationEvent]:
    """Return the newest event of each notification, as soon as a condition holds for them."""
    place = TopicPartition(NOTIFICATIONS, 0)
    async with asyncio.timeout(deadline_s):
        while True:
            end = (await end_offsets(bootstrap, [place]))[place]
            if end:
                events = newest_notifications(
                    await read_until(bootstrap, NOTIFICATIONS, 1, partial(_reaches, end))
                )
                if condition(events):
                    return events
            await asyncio.sleep(0.2)


def newest_notifications(records: list[ConsumerRecord]) -> list[NotificationEvent]:
    """Return the newest event of each notification."""
    events = sorted((NOTIFICATIONS_CODEC.decode(one.value) for one in records), key=lambda one: one.revision)
    return list({one.notification: one for one in events}.values())


def _reaches(end: int, records: list[ConsumerRecord]) -> bool:
    return len(records) >= end
