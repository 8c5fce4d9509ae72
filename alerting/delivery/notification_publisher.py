"""Publishes the events of messages on `notifications`: those that the journal has and the log has not."""

from __future__ import annotations

import asyncio
import logging

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from alerting.incidents.journal import Journal
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import NOTIFICATIONS

log = logging.getLogger(__name__)

PUBLISH_RECORDS_MAX = 200
RETRY_S = 1.0
REQUEST_TIMEOUT_MS = 10_000


async def publish_notifications(kafka: Kafka, journal: Journal) -> None:
    """Publish events in order, at least once, until cancelled.

    The historian identifies each event by its id and revision, and ignores one that is sent again.
    """
    is_logged = False
    while True:
        producer = AIOKafkaProducer(
            **client_options(kafka), acks="all", request_timeout_ms=REQUEST_TIMEOUT_MS
        )
        try:
            await producer.start()
            is_logged = False
            await _publish(producer, journal)
        except (KafkaError, OSError) as error:
            if not is_logged:
                log.warning(
                    "events of messages wait in the journal, the log is unavailable: %r",
                    error,
                    extra={"event": "alerting.publishing_failed"},
                )
            is_logged = True
        finally:
            await producer.stop()
        await asyncio.sleep(RETRY_S)


async def _publish(producer: AIOKafkaProducer, journal: Journal) -> None:
    while True:
        journal.has_unpublished.clear()
        while events := journal.unpublished(PUBLISH_RECORDS_MAX):
            sent = [await producer.send(NOTIFICATIONS, event, partition=0) for _, event in events]
            await asyncio.gather(*sent)
            journal.mark_published(number for number, _ in events)
        await journal.has_unpublished.wait()
