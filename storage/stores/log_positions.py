"""How far the historian is: for each partition of a log the first offset that is not in the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import psycopg

from storage.database import Connection
from storage.queries import query

AGGREGATE_PROGRESS = "aggregates of observations"
"""Where a topic stands else: how far in `observations` the aggregates reach that are stored, so to say."""

LogPositions: TypeAlias = dict[tuple[str, int], int]
"""(topic, partition) → next offset."""


async def read_positions(connection: Connection, log_id: str) -> LogPositions:
    """Return the positions in one log; empty when the historian has never read it."""
    rows = await (await connection.execute(query("stores/positions/list_positions"), (log_id,))).fetchall()
    return {(str(topic), int(partition)): int(offset) for topic, partition, offset in rows}


async def move_positions(
    connection: Connection,
    log_id: str,
    before: Mapping[tuple[str, int], int],
    reached: Mapping[tuple[str, int], int],
) -> bool:
    """Move positions in the transaction that is open; return whether each was where it was `before`.

    One that has no place before must not be there yet. Until the transaction ends nobody else moves them: of
    two that store the same records the second waits for the first, and then finds them moved. Where the
    answer is no, the transaction must be undone.

    Raises SerializationFailure when another writer stores a first position at this moment.
    """
    try:
        cursor = await connection.execute(
            query("stores/positions/move_positions"),
            (
                [topic for topic, _ in reached],
                [partition for _, partition in reached],
                [before.get(place) for place in reached],
                list(reached.values()),
                log_id,
                log_id,
            ),
        )
    except psycopg.errors.UniqueViolation as error:
        raise psycopg.errors.SerializationFailure("another writer begins with the same log") from error
    return cursor.rowcount == len(reached)


async def delete_old_positions(connection: Connection, log_id: str) -> None:
    """Delete the positions of other logs that nobody has moved for a month: each restart leaves one."""
    await connection.execute(query("stores/positions/delete_old_positions"), (log_id,))
