"""The historian's side of the database: stores batches, each once, however often the database goes away.

What is given to `store` is kept in memory until it is committed. Whether a commit that the connection broke
under was done, the stored positions tell: the ledger counts each record once. They tell, too, whether another
historian stores the same partitions: a transaction moves them from where this one left them, or is undone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg

from runtime.backoff import Backoff
from runtime.cancellation import raise_if_cancelled
from storage.database import DATABASE_UNAVAILABLE, NOT_MIGRATED_MESSAGE, Connection, connect
from storage.historian.log_batch import LogBatch
from storage.historian.metrics import OBSERVATION_OUTCOMES, HistorianMetrics
from storage.historian.writers import aggregate_writer, observation_writer, update_writer
from storage.historian.writers.aggregate_writer import request_repairs, write_aggregates, write_assessments
from storage.historian.writers.alarm_writer import write_alarms
from storage.historian.writers.ledger_writer import add_to_ledger, count_messages
from storage.historian.writers.message_writer import write_messages
from storage.historian.writers.newest_times import NewestTimes
from storage.historian.writers.observation_writer import write_observations
from storage.historian.writers.quarantine_writer import write_quarantined, write_replay_answers
from storage.historian.writers.update_writer import (
    write_datastream_states,
    write_entity_values,
    write_property_states,
)
from storage.stores.ledger_counts import LedgerCounts
from storage.stores.log_positions import (
    AGGREGATE_PROGRESS,
    LogPositions,
    delete_old_positions,
    move_positions,
    read_positions,
)
from twin.errors import ServiceError, TwinError

log = logging.getLogger(__name__)

# The first try after a loss comes soon, since most are a restart; later ones spare a database in trouble.
BACK_OFF_FIRST_S = 0.1
BACK_OFF_MAX_S = 5.0

T = TypeVar("T")


class PositionConflictError(TwinError):
    """The positions were moved by somebody else: what was read from them on must not be stored."""


class BatchWriter:
    """Writes to the database and waits for it where it is away. Owned by one task."""

    def __init__(self, dsn: str, metrics: HistorianMetrics) -> None:
        self._dsn = dsn
        self._metrics = metrics
        self._connection: Connection | None = None
        self._newest_times = NewestTimes()
        # where the positions are, as far as this process moved or read them
        self._positions: LogPositions = {}
        self._is_unavailable = False

    async def read_positions(self, log_id: str) -> LogPositions:
        """Return where to go on in a log; wait for the database as long as it takes."""

        async def read(connection: Connection) -> LogPositions:
            async with connection.transaction():
                await delete_old_positions(connection, log_id)
                return await read_positions(connection, log_id)

        self._positions = await self._retry_until_done(read)
        self._newest_times.reset()  # of partitions that another has stored meanwhile
        return dict(self._positions)

    async def store(self, batch: LogBatch) -> None:
        """Write a batch and its positions in one transaction; return when it is committed.

        Raises PositionConflictError when the positions are not where `read_positions` and the batches since
        left them.
        """
        loop = asyncio.get_running_loop()
        again = False

        async def write(connection: Connection) -> LedgerCounts:
            nonlocal again
            begun = loop.time()
            async with connection.transaction():
                if again and await _is_stored(connection, batch):
                    return LedgerCounts()
                again = True
                if not await move_positions(connection, batch.log_id, self._positions, batch.next_offsets):
                    raise PositionConflictError(f"another process stores the log {batch.log_id}, too")
                counts = await _write(connection, batch, self._newest_times)
            self._metrics.transaction_seconds.observe(loop.time() - begun)
            return counts

        self._count(batch, await self._retry_until_done(write))
        self._positions |= batch.next_offsets

    async def close(self) -> None:
        """Close the connection; what was not committed is not stored."""
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
                    log.warning("the database is away, its rows wait in memory and on the log: %s", error)
                self._is_unavailable = True
                self._metrics.database_up.set(0)
                await asyncio.sleep(backoff.next_s())
            except BaseException:
                # Cancelled or broken in the middle of a transaction: the connection is of no more use.
                await self.close()
                raise
            else:
                if self._is_unavailable:
                    log.info("the database is back")
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
        except psycopg.errors.UndefinedTable as error:
            await connection.close()
            raise ServiceError(NOT_MIGRATED_MESSAGE) from error
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


async def _is_stored(connection: Connection, batch: LogBatch) -> bool:
    """Return whether a commit that nobody heard of was done after all."""
    stored = await read_positions(connection, batch.log_id)
    return all(
        stored.get(place) == offset
        for place, offset in batch.next_offsets.items()
        if place[0] != AGGREGATE_PROGRESS
    )


async def _write(connection: Connection, batch: LogBatch, newest: NewestTimes) -> LedgerCounts:
    """Write a batch in the transaction that is open; return what it adds to the ledger.

    What several historians write to the same rows comes last: they wait for each other there.
    """
    counts = LedgerCounts()
    reception = batch.observation_buffer
    if reception.firsts:
        await write_observations(connection, reception, counts, newest)
    if reception.records:
        await write_messages(connection, batch.log_id, reception.records)
    told = batch.update_buffer
    if told.updates:
        await write_property_states(connection, told.updates.values())
    if told.states:
        await write_datastream_states(connection, told.states.values())
    if told.entity_values:
        await write_entity_values(connection, told.entity_values.values())
    if batch.aggregates:
        await write_aggregates(connection, batch.aggregates.values())
    if batch.assessments:
        await write_assessments(connection, batch.assessments.values())
    if batch.repairs:
        await request_repairs(connection, batch.log_id, batch.repairs)
    await write_alarms(connection, batch.alarm_buffer)
    quarantined = batch.quarantined | told.unreadable
    if quarantined:
        await write_quarantined(connection, quarantined.values())
    if batch.replay_answers:
        await write_replay_answers(connection, batch.replay_answers.values(), counts)
    if reception.messages:
        await count_messages(connection, reception, counts)
    if counts:
        await add_to_ledger(connection, counts)
    return counts
