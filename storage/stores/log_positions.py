"""The stored positions of the historian: for each partition of a log the first offset that is not stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import psycopg

from storage.database import Connection
from storage.queries import query
from twin.instant import SECOND, Duration

AGGREGATE_PROGRESS = "aggregates of observations"
"""Stored in place of a topic: the position in `observations` up to which aggregates are stored."""

UPDATE_PROGRESS = "updates of observations"
"""Stored in place of a topic: the position in `observations` up to which derived values are stored.

The stream emits windows and assessments, perhaps none, at each position at which it emits derived values.
"""

PROGRESS = frozenset({AGGREGATE_PROGRESS, UPDATE_PROGRESS})
"""What is stored in place of topics. A replay by the stream may lower it: no record is read from there."""

SETTLED_AFTER: Duration = 30 * SECOND
"""What was received so long ago is stored, unless the historian lags behind the log."""

LogPositions: TypeAlias = dict[tuple[str, int], int]
"""(topic, partition) → next offset."""


async def read_positions(connection: Connection, log_id: str) -> LogPositions:
    """Return the positions in one log; empty for a log that was never read."""
    rows = await (await connection.execute(query("stores/positions/list_positions"), (log_id,))).fetchall()
    return {(str(topic), int(partition)): int(offset) for topic, partition, offset in rows}


async def move_positions(
    connection: Connection,
    log_id: str,
    before: Mapping[tuple[str, int], int],
    reached: Mapping[tuple[str, int], int],
) -> bool:
    """Move positions in the open transaction; return whether each was at its value in `before`.

    A position without a value in `before` must not be stored yet. Until the transaction ends, no other
    process moves these positions: of two that store the same records, the second waits for the first and then
    finds the positions moved. When the result is False, the transaction must be rolled back.

    Raises SerializationFailure when another writer stores a first position at this moment.
    """
    try:
        cursor = await connection.execute(
            query("stores/positions/move_positions"),
            (
                [topic for topic, _ in reached],
                [partition for _, partition in reached],
                [before.get(partition_key) for partition_key in reached],
                list(reached.values()),
                log_id,
                log_id,
            ),
        )
    except psycopg.errors.UniqueViolation as error:
        raise psycopg.errors.SerializationFailure("another writer begins with the same log") from error
    return cursor.rowcount == len(reached)


async def delete_old_positions(connection: Connection, log_id: str) -> None:
    """Delete the positions of other logs that have not moved for a month: each new log leaves some."""
    await connection.execute(query("stores/positions/delete_old_positions"), (log_id,))
