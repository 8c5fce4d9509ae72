"""The way into Kafka: micro-batches by partition, confirmed before anybody is told."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ingest.intake import Taken
from runtime.topics import OBSERVATIONS, QUARANTINE
from twin.messages import QUARANTINE as QUARANTINE_CODEC
from twin.messages import encode_observations
from twin.observation import Observation

log = logging.getLogger(__name__)

# A record of 2,000 observations is about 70 kB: far below Kafka's default limit of 1 MB a request, and the
# most that the stream processor does between two looks at its heartbeat (2,000 × 10 us = 20 ms).
RECORD_OBSERVATIONS_MAX = 2_000

# Kafka's default message.max.bytes is 1 MiB; a quarantined payload is bounded by a setting below it.
REQUEST_BYTES_MAX = 1024 * 1024

REQUEST_TIMEOUT_MS = 10_000
RETRY_DELAY_S_MIN = 0.1
RETRY_DELAY_S_MAX = 5.0


def new_producer(bootstrap: str) -> AIOKafkaProducer:
    """Return a producer that confirms when every in-sync replica has the record, and does not linger."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        linger_ms=0,
        max_request_size=REQUEST_BYTES_MAX,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


class Publisher:
    """Writes what became of a batch of messages to the log."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._failing = False

    async def publish(self, batch: Iterable[Taken]) -> None:
        """Return when Kafka confirmed every record of the batch; retry for as long as it takes.

        A retry sends the whole batch again. That is harmless: the same observation twice is a duplicate,
        and a quarantined message has an id.
        """
        records = list(_records(batch))
        delay = RETRY_DELAY_S_MIN
        while records:
            try:
                await self._send(records)
            except (KafkaError, OSError) as error:
                if not self._failing:
                    log.warning(
                        "Kafka does not confirm (%r); no message is acknowledged until it does", error
                    )
                self._failing = True
                await asyncio.sleep(delay)
                delay = min(2 * delay, RETRY_DELAY_S_MAX)
            else:
                if self._failing:
                    log.info("Kafka confirms again")
                self._failing = False
                return

    async def _send(self, records: list[tuple[str, int, bytes]]) -> None:
        confirmations = [
            await self._producer.send(topic, value, partition=partition)
            for topic, partition, value in records
        ]
        results = await asyncio.gather(*confirmations, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


def _records(batch: Iterable[Taken]) -> Iterable[tuple[str, int, bytes]]:
    by_partition: defaultdict[int, list[Observation]] = defaultdict(list)
    for taken in batch:
        if taken.observations:
            by_partition[taken.partition].extend(taken.observations)
        if taken.quarantined is not None:
            yield QUARANTINE, 0, QUARANTINE_CODEC.encode(taken.quarantined)
    for partition, observations in by_partition.items():
        for start in range(0, len(observations), RECORD_OBSERVATIONS_MAX):
            yield (
                OBSERVATIONS,
                partition,
                encode_observations(observations[start : start + RECORD_OBSERVATIONS_MAX]),
            )
