"""The replay relay: sends the requests of the replay outbox to ingest, on the topic `replays`."""

from __future__ import annotations

import asyncio
import logging

import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import REPLAYS
from storage.database import DATABASE_UNAVAILABLE, NOT_MIGRATED, Connection, connect
from storage.historian.metrics import HistorianMetrics
from storage.settings import HistorianSettings
from storage.stores.replay_outbox import REPLAYS_PER_SEND_MAX, claim_replays, mark_replays_sent
from twin.wire.messages import QUARANTINE

log = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_S = 5.0
# A quarantined message with its payload; `ingest.pipeline.publisher` bounds both.
REQUEST_BYTES_MAX = 1024 * 1024

_WITHOUT_SCHEMA = (*NOT_MIGRATED, psycopg.errors.UndefinedColumn)


async def run_replay_relay(settings: HistorianSettings, metrics: HistorianMetrics) -> None:
    """Send each request at least once, until cancelled; wait for Kafka and the database while unavailable."""
    is_unavailable = False
    while True:
        try:
            async with await connect(settings.database.get_secret_value(), role="replays") as connection:
                await _send_continuously(connection, settings.kafka_access(), metrics)
        except (*DATABASE_UNAVAILABLE, *_WITHOUT_SCHEMA, KafkaError, OSError) as error:
            raise_if_cancelled()
            if not is_unavailable:
                log.warning(
                    "replays of quarantined messages wait: %r",
                    error,
                    extra={"event": "historian.replays_waiting"},
                )
            is_unavailable = True
        await asyncio.sleep(RETRY_S)


async def _send_continuously(connection: Connection, kafka: Kafka, metrics: HistorianMetrics) -> None:
    while True:
        sent = REPLAYS_PER_SEND_MAX
        while sent == REPLAYS_PER_SEND_MAX:
            sent = await _send_batch(connection, kafka)
            metrics.replays.inc(sent)
        await asyncio.sleep(POLL_S)


async def _send_batch(connection: Connection, kafka: Kafka) -> int:
    """Send the next requests, mark them as sent when Kafka has confirmed them, and return their number."""
    async with connection.transaction():
        requests = await claim_replays(connection)
        if requests:
            # Requests are rare: a producer kept open for them would log errors whenever Kafka is unavailable.
            producer = AIOKafkaProducer(
                **client_options(kafka), acks="all", max_request_size=REQUEST_BYTES_MAX
            )
            try:
                await producer.start()
                sent = [await producer.send(REPLAYS, QUARANTINE.encode(one), partition=0) for one in requests]
                await asyncio.gather(*sent)
            finally:
                await producer.stop()
            await mark_replays_sent(connection, [one.id for one in requests])
            log.info(
                "sent %d quarantined messages to ingest for a replay",
                len(requests),
                extra={"event": "historian.replays_sent", "count": len(requests)},
            )
    return len(requests)
