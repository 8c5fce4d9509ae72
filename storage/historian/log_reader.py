"""Reads the partitions that are assigned to this historian, from given positions, in batches."""

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

# How long to wait for a first record before checking whether the log is still the same.
IDLE_MS = 200
# Records fetched at a time: a batch may exceed its bounds by so many.
RECORDS_MAX = 100

# Batches with at least so many rows are followed by the longest pause.
LONGEST_PAUSE_ROWS = 2_000

# 500 updates a second make 80 rows between two transactions: too few to hold.
HELD_ROWS_MIN = 500
# An update makes two rows and takes about 600 bytes: 30 MB.
HELD_ROWS_MAX = 100_000

STORED_TOPICS = (OBSERVATIONS, UPDATES, AGGREGATES, ALARMS, NOTIFICATIONS, QUARANTINE)
"""The topics that the historian reads."""


def stored_partitions(
    partitions: int, assignment: PartitionAssignment = ALL_PARTITIONS
) -> list[TopicPartition]:
    """Return the partitions that a historian reads; `partitions` is the number of partitions of entities."""
    counts = partition_counts(partitions)
    return [
        TopicPartition(topic, partition)
        for topic in STORED_TOPICS
        for partition in range(counts[topic])
        if assignment.includes(partition)
    ]


def pause_s(rows: int, settings: HistorianSettings) -> float:
    """Return the time from the end of a batch with `rows` rows to the end of the next, in seconds."""
    shortest, longest = settings.historian_pause_ms, settings.historian_pause_max_ms
    share = min(1.0, rows / LONGEST_PAUSE_ROWS)
    return (shortest + share * max(0, longest - shortest)) / 1000


class LogReader:
    """Reads one log: a batch is what arrives while the previous one is stored. Owned by one task."""

    def __init__(
        self,
        settings: HistorianSettings,
        log_id: str,
        metrics: HistorianMetrics,
        assignment: PartitionAssignment,
        *,
        traced: bool = False,
        held_rows_min: int = HELD_ROWS_MIN,
    ) -> None:
        self._settings = settings
        self._log_id = log_id
        self._metrics = metrics
        self._partitions = stored_partitions(settings.partitions, assignment)
        self._consumer: AIOKafkaConsumer = new_consumer(settings.kafka_access(), fetch_policy=FETCH_IN_BULK)
        self._least_pause = 0.0  #: no batch is returned before this time of the event loop
        self._next_take = 0.0  #: a batch that is not full collects records until then
        self._next: dict[TopicPartition, int] = {}  #: the next offset to read
        self._held = UpdateBuffer()
        self._held_since = 0.0
        self._held_rows_min = held_rows_min  #: fewer rows of updates are written at once
        self._traced = traced  #: whether to read trace contexts from record headers

    async def start(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Connect and seek to the positions, or to the beginning of a partition without one.

        Raises KafkaError or OSError when Kafka is unavailable.
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
        """Return the available records, within the bounds; an empty batch when none arrives for `IDLE_MS`.

        The first record after an idle time is returned at once; otherwise the pause since the last batch
        passes first. Many updates are held until they are old enough, or until no record arrives, so that
        each state is written once however often it changes. Raises KafkaError.
        """
        batch = LogBatch(self._log_id, update_buffer=self._held)
        loop = asyncio.get_running_loop()
        if await self._add(batch, IDLE_MS):
            # Reading continues meanwhile: a partition is fetched again only after its fetched records were
            # read.
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
        """Return the held updates, for the end of reading."""
        batch = LogBatch(self._log_id, update_buffer=self._held)
        self._held = UpdateBuffer()
        return batch

    def _keeps_holding(self, updates: UpdateBuffer, now: float) -> bool:
        """Return whether to hold the updates for later ones; a few are written at once, to save little."""
        return (
            self._held_rows_min <= updates.rows < HELD_ROWS_MAX
            and now < self._held_since + self._settings.historian_hold_ms / 1000
        )

    async def stop(self) -> None:
        """Close the consumer."""
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
            for record in records:
                batch.add(
                    LogRecord(
                        partition.topic,
                        partition.partition,
                        record.offset,
                        record.timestamp,
                        record.value or b"",
                    )
                )
            self._record_progress(batch, partition, records)
            if self._traced:
                batch.traced += [
                    context for record in records if (context := extract_context(record.headers)) is not None
                ]
        return bool(fetched)

    def _record_progress(self, batch: LogBatch, partition: TopicPartition, records: Sequence[Any]) -> None:
        first, last = records[0], records[-1]
        self._next[partition] = last.offset + 1
        batch.oldest_ms = min(first.timestamp, batch.oldest_ms or first.timestamp)
        batch.newest_ms = max(last.timestamp, batch.newest_ms or 0)

    def lag(self) -> int:
        """Return how many records the log held beyond those that were read, as of the last fetch."""
        ends = {partition: self._consumer.highwater(partition) for partition in self._next}
        return sum(max(0, end - self._next[partition]) for partition, end in ends.items() if end is not None)

    def _is_full(self, batch: LogBatch) -> bool:
        settings = self._settings
        return (
            batch.rows >= settings.historian_rows_max
            or batch.bytes >= settings.historian_bytes_max
            or batch.update_buffer.rows >= HELD_ROWS_MAX
        )

    async def _seek_to_beginnings(self, lost: Mapping[TopicPartition, int]) -> None:
        """Continue where the log begins now: storing a record again is harmless, skipping one is not."""
        for partition, begin in (await first_offsets(self._consumer, lost)).items():
            self._report_loss(partition, lost[partition], begin)
            self._consumer.seek(partition, begin)

    def _report_loss(self, partition: TopicPartition, wanted: int, begin: int) -> None:
        self._metrics.lost.inc(max(0, begin - wanted))
        log.error(
            "log %s: %s/%d no longer holds offset %d, it begins at %d; records between were never stored. "
            "Keep the log for longer than the database may be unavailable",
            self._log_id,
            partition.topic,
            partition.partition,
            wanted,
            begin,
            extra={
                "event": "historian.records_lost",
                "log_id": self._log_id,
                "topic": partition.topic,
                "partition": partition.partition,
                "wanted": wanted,
                "begin": begin,
            },
        )


KAFKA_UNAVAILABLE = (KafkaError, OSError)
"""The errors that are raised while Kafka is unavailable."""
