"""Publishes records to Kafka until they are confirmed, and ticks to idle partitions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ingest.pipeline.acknowledgement import EndOffsets
from ingest.pipeline.intake import ProcessedMessage
from ingest.pipeline.records import OutgoingRecord, RecordBuilder
from ingest.pipeline.traces import BatchTrace
from runtime.backoff import Backoff
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import OBSERVATIONS
from twin.wire.probe import Probe

log = logging.getLogger(__name__)

# Kafka's default message.max.bytes is 1 MiB; `ingest.pipeline.records` and the settings of quarantine stay
# below it.
REQUEST_BYTES_MAX = 1024 * 1024

REQUEST_TIMEOUT_MS = 10_000
RETRY_DELAY_S_MIN = 0.1
RETRY_DELAY_S_MAX = 5.0


def new_producer(kafka: Kafka) -> AIOKafkaProducer:
    """Return a producer that waits for every in-sync replica, and does not linger."""
    return AIOKafkaProducer(
        **client_options(kafka),
        acks="all",
        linger_ms=0,
        max_request_size=REQUEST_BYTES_MAX,
        # Otherwise the second record for a partition would wait for the confirmation of the first.
        max_batch_size=REQUEST_BYTES_MAX,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


class LogPublisher:
    """Writes the results of messages to the log, and ticks to partitions without other records."""

    def __init__(self, producer: AIOKafkaProducer, record_builder: RecordBuilder, partitions: int) -> None:
        self._producer = producer
        self._record_builder = record_builder
        self._idle_partitions = set(range(partitions))  # without a record since the last tick
        self._partitions = partitions
        self._failing = False

    async def publish(self, batch: Iterable[ProcessedMessage], trace: BatchTrace | None = None) -> EndOffsets:
        """Write the records of a batch; return the end offsets once Kafka has confirmed all of them.

        It retries without limit, and each retry sends the whole batch. Repeated records are harmless: the
        stream recognises a repeated observation, and messages in headers and quarantine have numbers and ids.
        """
        return await self._send_until_confirmed(list(self._record_builder.records(batch, trace)))

    async def publish_probes(self, probes: Sequence[Probe]) -> None:
        """Write probes to every partition, and wait until Kafka confirms them; retry as for messages."""
        if probes:
            await self._send_until_confirmed(
                [
                    self._record_builder.probe_record(probes, partition)
                    for partition in range(self._partitions)
                ]
            )

    async def _send_until_confirmed(self, records: list[OutgoingRecord]) -> EndOffsets:
        self._idle_partitions -= {record.partition for record in records if record.topic == OBSERVATIONS}
        backoff = Backoff(first_s=RETRY_DELAY_S_MIN, max_s=RETRY_DELAY_S_MAX)
        while records:
            try:
                ends = await self._send(records)
            except (KafkaError, OSError) as error:
                if not self._failing:
                    log.warning(
                        "Kafka does not confirm (%r); no message is acknowledged until it does",
                        error,
                        extra={"event": "ingest.kafka_unconfirmed"},
                    )
                self._failing = True
                await asyncio.sleep(backoff.next_s())
            else:
                if self._failing:
                    log.info("Kafka confirms again", extra={"event": "ingest.kafka_confirmed"})
                self._failing = False
                return ends
        return {}

    @property
    def healthy(self) -> bool:
        """Whether Kafka confirmed the last records."""
        return not self._failing

    async def publish_ticks(self) -> int:
        """Write the time to every partition without a record since the last call; return their number.

        While Kafka fails, no tick is written. An unconfirmed tick is not repeated: the next one replaces it.
        """
        if self._failing:
            return 0
        idle, self._idle_partitions = self._idle_partitions, set(range(self._partitions))
        try:
            await self._send([self._record_builder.tick_record(partition) for partition in sorted(idle)])
        except (KafkaError, OSError) as error:
            log.debug("a tick was not confirmed: %r", error, extra={"event": "ingest.tick_unconfirmed"})
            return 0
        return len(idle)

    async def _send(self, records: Sequence[OutgoingRecord]) -> EndOffsets:
        confirmations = [
            await self._producer.send(
                record.topic,
                record.value,
                partition=record.partition,
                **({"headers": record.headers} if record.headers else {}),
            )
            for record in records
        ]
        results = await asyncio.gather(*confirmations, return_exceptions=True)
        ends: dict[tuple[str, int], int] = {}
        for result in results:
            if isinstance(result, BaseException):
                raise result
            partition = result.topic, result.partition
            ends[partition] = max(result.offset + 1, ends.get(partition, 0))
        return ends
