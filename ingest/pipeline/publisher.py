"""The way into Kafka: records that are confirmed before anybody is told, and the ticks of the log."""

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
    """Return a producer that confirms when every in-sync replica has the record, and does not linger."""
    return AIOKafkaProducer(
        **client_options(kafka),
        acks="all",
        linger_ms=0,
        max_request_size=REQUEST_BYTES_MAX,
        # Of two records for one partition the second would wait for the confirmation of the first.
        max_batch_size=REQUEST_BYTES_MAX,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


class LogPublisher:
    """Writes what became of messages to the log, and the time to the partitions where nothing happens."""

    def __init__(self, producer: AIOKafkaProducer, record_builder: RecordBuilder, partitions: int) -> None:
        self._producer = producer
        self._record_builder = record_builder
        self._idle_partitions = set(range(partitions))  # to which nothing was sent since the last tick
        self._partitions = partitions
        self._failing = False

    async def publish(self, batch: Iterable[ProcessedMessage], trace: BatchTrace | None = None) -> EndOffsets:
        """Return when Kafka confirmed every record of the batch, and where; retry for as long as it takes.

        A retry sends the whole batch again. That is harmless: the same observation twice is a duplicate,
        a message in a header has its number, and a quarantined one an id.
        """
        return await self._send_until_confirmed(list(self._record_builder.records(batch, trace)))

    async def publish_probes(self, probes: Sequence[Probe]) -> None:
        """Return when Kafka confirmed that probes came by, on every partition; retry as for messages."""
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
                        "Kafka does not confirm (%r); no message is acknowledged until it does", error
                    )
                self._failing = True
                await asyncio.sleep(backoff.next_s())
            else:
                if self._failing:
                    log.info("Kafka confirms again")
                self._failing = False
                return ends
        return {}

    @property
    def healthy(self) -> bool:
        """Whether Kafka confirmed what was sent last."""
        return not self._failing

    async def publish_ticks(self) -> int:
        """Tell the time to every partition to which nothing was sent since the last call; return how many.

        While Kafka fails no tick is made. One that is not confirmed is not sent again: the next tells more.
        """
        if self._failing:
            return 0
        quiet, self._idle_partitions = self._idle_partitions, set(range(self._partitions))
        try:
            await self._send([self._record_builder.tick_record(partition) for partition in sorted(quiet)])
        except (KafkaError, OSError) as error:
            log.debug("a tick was not confirmed: %r", error)
            return 0
        return len(quiet)

    async def _send(self, records: Sequence[OutgoingRecord]) -> EndOffsets:
        confirmations = [
            await self._producer.send(
                one.topic,
                one.value,
                partition=one.partition,
                **({"headers": one.headers} if one.headers else {}),
            )
            for one in records
        ]
        results = await asyncio.gather(*confirmations, return_exceptions=True)
        ends: dict[tuple[str, int], int] = {}
        for result in results:
            if isinstance(result, BaseException):
                raise result
            place = result.topic, result.partition
            ends[place] = max(result.offset + 1, ends.get(place, 0))
        return ends
