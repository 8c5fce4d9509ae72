"""How far the historian is: for each partition of a log the first offset that is not in the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from storage.database import Connection
from storage.queries import query

TOLD = "aggregates of observations"
"""Where a topic stands else: how far in `observations` the aggregates reach that are stored, so to say."""

Positions: TypeAlias = dict[tuple[str, int], int]
"""(topic, partition) → next offset."""


async def positions(connection: Connection, log_id: str) -> Positions:
    """Return the positions in one log; empty when the historian has never read it."""
    rows = await (await connection.execute(query("list_positions"), (log_id,))).fetchall()
    return {(str(topic), int(partition)): int(offset) for topic, partition, offset in rows}


async def write_positions(
    connection: Connection, log_id: str, reached: Mapping[tuple[str, int], int]
) -> None:
    """Store how far the reader is, in the transaction that is open."""
    await connection.execute(
        query("write_positions"),
        (
            log_id,
            [topic for topic, _ in reached],
            [partition for _, partition in reached],
            list(reached.values()),
        ),
    )


async def forget_old_logs(connection: Connection, log_id: str) -> None:
    """Delete the positions of other logs that nobody has moved for a month: each restart leaves one."""
    await connection.execute(query("delete_old_positions"), (log_id,))
