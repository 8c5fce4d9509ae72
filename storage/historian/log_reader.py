"""The historian's side of the log: reads the partitions of its share from given positions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from runtime.kafka.consumer import FETCH_IN_BULK, first_offsets, new_consumer
from runtime.kafka.topics import (
    AGGREGATES,
    ALARMS,
    NOTIFICATIONS,
    OBSERVATIONS,
    QUARANTINE,
    UPDATES,
    partition_counts,
)
from runtime.telemetry.tracing import extract_context
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.historian.partition_assignment import ALL_PARTITIONS, PartitionAssignment
from storage.historian.update_buffer import UpdateBuffer
from storage.settings import HistorianSettings

log = logging.getLogger(__name__)

# How long to wait for a first record before looking whether the log is still the same.
IDLE_MS = 200
# Records taken at a time: how far a batch may go beyond its bounds.
RECORDS_MAX = 100

# From so many rows in a batch on the longest pause is kept.
LONGEST_PAUSE_ROWS = 2_000

# What 500 updates a second make between two transactions are 80 rows: they are not held.
HELD_ROWS_MIN = 500
# Each update is two of them, and about 600 bytes: 30 MB.
HELD_ROWS_MAX = 100_000

STORED_TOPICS = (OBSERVATIONS, UPDATES, AGGREGATES, ALARMS, NOTIFICATIONS, QUARANTINE)
"""The topics that the historian reads."""


def stored_partitions(partitions: int, share: PartitionAssignment = ALL_PARTITIONS) -> list[TopicPartition]:
    """Return the partitions that a historian reads; `partitions` is the number of those of an entity."""
    counts = partition_counts(partitions)
    return [
        TopicPartition(topic, number)
        for topic in STORED_TOPICS
        for number in range(counts[topic])
        if share.includes(number)
    ]


def pause_s(rows: int, settings: HistorianSettings) -> float:
    """Return the time from the end of a batch of so many rows to that of the next, seconds."""
    least, most = settings.historian_pause_ms, settings.historian_pause_max_ms
    share = min(1.0, rows / LONGEST_PAUSE_ROWS)
    return (least + share * max(0, most - least)) / 1000


class LogReader:
    """Reads one log; a batch is what came while the batch before it was stored. Owned by one task."""

    def __init__(
        self,
        settings: HistorianSettings,
        log_id: str,
        metrics: HistorianMetrics,
        share: PartitionAssignment,
        *,
        traced: bool = False,
    ) -> None:
        self._settings = settings
        self._log_id = log_id
        self._metrics = metrics
        self._partitions = stored_partitions(settings.partitions, share)
        self._consumer: AIOKafkaConsumer = new_consumer(settings.kafka_access(), fetch_policy=FETCH_IN_BULK)
        self._least_pause = 0.0  #: until when no batch is handed over
        self._next_take = 0.0  #: until when one that is not full gathers
        self._next: dict[TopicPartition, int] = {}  #: the next offset to take
        self._held = UpdateBuffer()
        self._held_since = 0.0
        self._traced = traced  #: whether the headers of records are looked at

    async def start(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Connect and go to the positions, or to the beginning where there is none.

        Raises KafkaError or OSError when Kafka is away.
        """
        await self._consumer.start()
        if not self._partitions:
            return
        self._consumer.assign(self._partitions)
        first = await first_offsets(self._consumer, self._partitions)
        for partition in self._partitions:
            begin = first[partition]
            wanted = positions.get((partition.topic, partition.partition), 0)
            if wanted < begin and wanted > 0:
                self._report_loss(partition, wanted, begin)
            self._consumer.seek(partition, max(wanted, begin))
            self._next[partition] = max(wanted, begin)

    async def read_batch(self) -> LogBatch:
        """Return what is there, within the bounds; an empty batch when nothing came for `IDLE_MS`.

        A first record after a silence is taken at once; otherwise the pause since the last batch passes
        first. Many updates are held until they are old, or nothing comes: so each state is written once,
        however often it changed meanwhile. Raises KafkaError.
        """
        batch = LogBatch(self._log_id, update_buffer=self._held)
        loop = asyncio.get_running_loop()
        if await self._add(batch, IDLE_MS):
            # Taking goes on meanwhile: of a partition nothing is fetched before what was fetched is taken.
            while not self._is_full(batch) and (left_s := self._next_take - loop.time()) > 0:
                await self._add(batch, ceil(1000 * left_s))
            while not self._is_full(batch) and await self._add(batch, 0):
                pass
            await asyncio.sleep(max(0.0, self._least_pause - loop.time()))
            self._least_pause = loop.time() + self._settings.historian_pause_ms / 1000
            self._next_take = loop.time() + pause_s(batch.rows, self._settings)
            if self._keeps_holding(batch.update_buffer, loop.time()):
                batch.update_buffer = UpdateBuffer()
                return batch
        self._held, self._held_since = UpdateBuffer(), loop.time()
        return batch

    def held_batch(self) -> LogBatch:
        """Return what is held: reading ends here."""
        batch = LogBatch(self._log_id, update_buffer=self._held)
        self._held = UpdateBuffer()
        return batch

    def _keeps_holding(self, told: UpdateBuffer, now: float) -> bool:
        """Whether updates wait for others; few are written at once, since there is little to save."""
        return (
            HELD_ROWS_MIN <= told.rows < HELD_ROWS_MAX
            and now < self._held_since + self._settings.historian_hold_ms / 1000
        )

    async def stop(self) -> None:
        """Leave the log."""
        await self._consumer.stop()

    async def _add(self, batch: LogBatch, timeout_ms: int) -> bool:
        if not self._partitions:  # there are more historians than partitions
            await asyncio.sleep(timeout_ms / 1000)
            return False
        try:
            fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=RECORDS_MAX)
        except OffsetOutOfRangeError as error:
            await self._seek_to_beginnings(dict(error.args[0]))
            return False
        for partition, records in fetched.items():
            for one in records:
                batch.add(
                    LogRecord(
                        partition.topic, partition.partition, one.offset, one.timestamp, one.value or b""
                    )
                )
            self._record_progress(batch, partition, records)
            if self._traced:
                batch.traced += [
                    found for one in records if (found := extract_context(one.headers)) is not None
                ]
        return bool(fetched)

    def _record_progress(self, batch: LogBatch, partition: TopicPartition, records: Sequence[Any]) -> None:
        first, last = records[0], records[-1]
        self._next[partition] = last.offset + 1
        batch.oldest_ms = min(first.timestamp, batch.oldest_ms or first.timestamp)
        batch.newest_ms = max(last.timestamp, batch.newest_ms or 0)

    def lag(self) -> int:
        """Return how many records the log was known to hold beyond those that were taken."""
        ends = {one: self._consumer.highwater(one) for one in self._next}
        return sum(max(0, end - self._next[one]) for one, end in ends.items() if end is not None)

    def _is_full(self, batch: LogBatch) -> bool:
        settings = self._settings
        return (
            batch.rows >= settings.historian_rows_max
            or batch.bytes >= settings.historian_bytes_max
            or batch.update_buffer.rows >= HELD_ROWS_MAX
        )

    async def _seek_to_beginnings(self, lost: Mapping[TopicPartition, int]) -> None:
        """Go on where the log begins now: storing something again does no harm, leaving it out does."""
        for partition, begin in (await first_offsets(self._consumer, lost)).items():
            self._report_loss(partition, lost[partition], begin)
            self._consumer.seek(partition, begin)

    def _report_loss(self, partition: TopicPartition, wanted: int, begin: int) -> None:
        self._metrics.lost.inc(max(0, begin - wanted))
        log.error(
            "log %s: %s/%d no longer holds offset %d, it begins at %d; what lay between was never stored. "
            "Keep the log longer than the database may be away",
            self._log_id,
            partition.topic,
            partition.partition,
            wanted,
            begin,
        )


KAFKA_UNAVAILABLE = (KafkaError, OSError)
"""What is raised while Kafka is away."""
