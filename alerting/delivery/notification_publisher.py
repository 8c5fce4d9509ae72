"""Tells on `notifications` what became of messages: what the journal holds and the log does not yet."""

from __future__ import annotations

import asyncio
import logging

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from alerting.incidents.journal import DutyJournal
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import NOTIFICATIONS

log = logging.getLogger(__name__)

PUBLISH_RECORDS_MAX = 200
RETRY_S = 1.0
REQUEST_TIMEOUT_MS = 10_000


async def publish_notifications(kafka: Kafka, journal: DutyJournal, written: asyncio.Event) -> None:
    """Send records in order, at least once, until cancelled; `written` is set when there are new ones.

    The historian knows each by its id and revision, so one that is sent again after a crash does nothing.
    """
    away = False
    while True:
        producer = AIOKafkaProducer(
            **client_options(kafka), acks="all", request_timeout_ms=REQUEST_TIMEOUT_MS
        )
        try:
            await producer.start()
            away = False
            await _follow(producer, journal, written)
        except (KafkaError, OSError) as error:
            if not away:
                log.warning("what became of messages waits in the journal, the log is away: %r", error)
            away = True
        finally:
            await producer.stop()
        await asyncio.sleep(RETRY_S)


async def _follow(producer: AIOKafkaProducer, journal: DutyJournal, written: asyncio.Event) -> None:
    while True:
        written.clear()
        while waiting := journal.unpublished(PUBLISH_RECORDS_MAX):
            sent = [await producer.send(NOTIFICATIONS, event, partition=0) for _, event in waiting]
            await asyncio.gather(*sent)
            journal.mark_published(number for number, _ in waiting)
        await written.wait()
