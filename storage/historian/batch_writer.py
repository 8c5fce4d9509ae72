"""Stores batches in the database, each exactly once, across any number of database outages.

A batch stays in memory until it is committed. When the connection breaks during a commit, the stored
positions show whether the commit succeeded, so the ledger counts each record once. The positions also reveal
another historian that stores the same partitions: a transaction moves them from where this historian left
them, or rolls back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runtime.backoff import Backoff
from runtime.cancellation import raise_if_cancelled
from storage.database import DATABASE_UNAVAILABLE, NOT_MIGRATED, Connection, connect, not_migrated_error
from storage.historian.log_batch import LogBatch
from storage.historian.metrics import OBSERVATION_OUTCOMES, HistorianMetrics
from storage.historian.quarantine_log import QuarantineLog
from storage.historian.update_buffer import UpdateBuffer
from storage.historian.writers import aggregate_writer, observation_writer, update_writer
from storage.historian.writers.aggregate_writer import request_repairs, write_aggregates, write_assessments
from storage.historian.writers.alarm_writer import write_alarms
from storage.historian.writers.ledger_writer import add_to_ledger, count_messages
from storage.historian.writers.message_writer import write_messages
from storage.historian.writers.newest_times import NewestTimes
from storage.historian.writers.observation_writer import write_observations
from storage.historian.writers.quarantine_writer import write_quarantined, write_replay_answers
from storage.historian.writers.update_writer import (
    request_series_repairs,
    write_amended_series,
    write_datastream_states,
    write_entity_values,
    write_property_states,
)
from storage.stores.ledger_counts import LedgerCounts
from storage.stores.log_positions import (
    PROGRESS,
    LogPositions,
    delete_old_positions,
    move_positions,
    read_positions,
)
from storage.stores.quarantine_usage import DEFAULT_LIMITS, LimitedMessages, QuarantineLimits
from twin.errors import TwinError

log = logging.getLogger(__name__)

# The first retry comes soon, since most outages are restarts; later ones spare a database in trouble.
BACK_OFF_FIRST_S = 0.1
BACK_OFF_MAX_S = 5.0

T = TypeVar("T")


class PositionConflictError(TwinError):
    """Another process has moved the stored positions: records read since then must not be stored."""


class BatchWriter:
    """Writes batches to the database and waits while it is unavailable. Owned by one task."""

    def __init__(
        self, dsn: str, metrics: HistorianMetrics, quarantine_limits: QuarantineLimits = DEFAULT_LIMITS
    ) -> None:
        self._dsn = dsn
        self._metrics = metrics
        self._quarantine_limits = quarantine_limits
        self._quarantine_log = QuarantineLog()
        self._connection: Connection | None = None
        self._newest_times = NewestTimes()
        # The stored positions as this process last read or moved them.
        self._positions: LogPositions = {}
        self._is_unavailable = False

    async def read_positions(self, log_id: str) -> LogPositions:
        """Return the positions from which to read a log; wait for the database without limit."""

        async def read(connection: Connection) -> LogPositions:
            async with connection.transaction():
                await delete_old_positions(connection, log_id)
                return await read_positions(connection, log_id)

        self._positions = await self._retry_until_done(read)
        self._newest_times.reset()  # another historian may have stored newer observations
        return dict(self._positions)

    async def store(self, batch: LogBatch) -> None:
        """Write a batch and its positions in one transaction; return when it is committed.

        Raises PositionConflictError when the stored positions differ from those that this process last read
        or wrote.
        """
        loop = asyncio.get_running_loop()
        is_retry = False

        limited: LimitedMessages | None = None

        async def write(connection: Connection) -> LedgerCounts:
            nonlocal is_retry, limited
            started = loop.time()
            async with connection.transaction():
                if is_retry and await _is_stored(connection, batch):
                    return LedgerCounts()
                is_retry = True
                if not await move_positions(connection, batch.log_id, self._positions, batch.next_offsets):
                    raise PositionConflictError(f"another process also stores the log {batch.log_id}")
                counts, limited = await _write(connection, batch, self._newest_times, self._quarantine_limits)
            self._metrics.transaction_seconds.observe(loop.time() - started)
            return counts

        self._count(batch, await self._retry_until_done(write))
        if limited is not None:
            self._count_limited(limited)
        self._quarantine_log.add(limited, loop.time())
        self._positions |= batch.next_offsets

    async def close(self) -> None:
        """Close the connection; rows that were not committed are not stored."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _retry_until_done(self, action: Callable[[Connection], Awaitable[T]]) -> T:
        backoff = Backoff(first_s=BACK_OFF_FIRST_S, max_s=BACK_OFF_MAX_S)
        while True:
            try:
                if self._connection is None:
                    self._connection = await self._connect()
                result = await action(self._connection)
            except DATABASE_UNAVAILABLE as error:
                await self.close()
                raise_if_cancelled()
                if not self._is_unavailable:
                    log.warning(
                        "the database is unavailable, rows wait in memory and on the log: %s",
                        error,
                        extra={"event": "historian.database_unavailable"},
                    )
                self._is_unavailable = True
                self._metrics.database_up.set(0)
                await asyncio.sleep(backoff.next_s())
            except BaseException:
                # Cancelled or failed in the middle of a transaction: the connection cannot be used again.
                await self.close()
                raise
            else:
                if self._is_unavailable:
                    log.info(
                        "the database is available again", extra={"event": "historian.database_available"}
                    )
                self._is_unavailable = False
                self._metrics.database_up.set(1)
                return result

    async def _connect(self) -> Connection:
        connection = await connect(self._dsn, role="historian")
        try:
            async with connection.transaction():
                await observation_writer.create_observation_staging(connection)
                await update_writer.create_state_staging(connection)
                await aggregate_writer.create_aggregate_staging(connection)
        except NOT_MIGRATED as error:
            await connection.close()
            raise not_migrated_error(error) from error
        except BaseException:
            await connection.close()
            raise
        return connection

    def _count(self, batch: LogBatch, counts: LedgerCounts) -> None:
        metrics, total = self._metrics, counts.total
        for outcome in OBSERVATION_OUTCOMES:
            metrics.observations.labels(outcome).inc(getattr(total, outcome))
        metrics.messages.inc(total.received)
        metrics.updates.inc(batch.update_buffer.count)
        metrics.derived.inc(batch.derived_count)
        metrics.alarms.inc(batch.alarm_buffer.alarm_count)
        metrics.notifications.inc(len(batch.alarm_buffer.notifications))
        metrics.quarantined.inc(len(batch.quarantined) + len(batch.update_buffer.unreadable))
        metrics.unreadable.inc(batch.unreadable_count)
        metrics.transaction_rows.observe(batch.rows)

    def _count_limited(self, limited: LimitedMessages) -> None:
        self._metrics.quarantine_bytes.set(limited.bytes)
        self._metrics.quarantine_limited.labels("head").inc(limited.heads)
        self._metrics.quarantine_limited.labels("nothing").inc(limited.counted)


async def _is_stored(connection: Connection, batch: LogBatch) -> bool:
    """Return whether an unconfirmed commit of this batch succeeded."""
    stored = await read_positions(connection, batch.log_id)
    return all(
        stored.get((topic, partition)) == offset
        for (topic, partition), offset in batch.next_offsets.items()
        if topic not in PROGRESS
    )


async def _write(
    connection: Connection, batch: LogBatch, newest_times: NewestTimes, limits: QuarantineLimits
) -> tuple[LedgerCounts, LimitedMessages | None]:
    """Write a batch in the open transaction; return what it adds to the ledger and to quarantine.

    Rows that several historians change are written last, since the historians wait for each other there.
    """
    counts = LedgerCounts()
    observations = batch.observation_buffer
    if observations.firsts:
        await write_observations(connection, observations, counts, newest_times)
    if observations.records:
        await write_messages(connection, batch.log_id, observations.records)
    await _write_updates(connection, batch.log_id, batch.update_buffer)
    if batch.aggregates:
        await write_aggregates(connection, batch.aggregates.values())
    if batch.assessments:
        await write_assessments(connection, batch.assessments.values())
    if batch.repairs:
        await request_repairs(connection, batch.log_id, batch.repairs)
    await write_alarms(connection, batch.alarm_buffer)
    quarantined = batch.quarantined | batch.update_buffer.unreadable
    limited = await write_quarantined(connection, quarantined.values(), limits) if quarantined else None
    if batch.replay_answers:
        await write_replay_answers(connection, batch.replay_answers.values(), counts)
    if observations.messages:
        await count_messages(connection, observations, counts)
    if counts:
        await add_to_ledger(connection, counts)
    return counts, limited


async def _write_updates(connection: Connection, log_id: str, updates: UpdateBuffer) -> None:
    """Write states, derived values, and the requests to compute such values again."""
    if updates.updates:
        await write_property_states(connection, updates.updates.values())
    if updates.states:
        await write_datastream_states(connection, updates.states.values())
    if updates.entity_values:
        await write_entity_values(connection, updates.entity_values.values())
    if updates.amended:
        await write_amended_series(connection, updates.amended)
    if updates.series_repairs:
        await request_series_repairs(connection, log_id, updates.series_repairs)
