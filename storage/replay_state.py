"""How far the replay of one quarantined message is."""

from __future__ import annotations

from typing import NamedTuple

from storage.database import Connection
from storage.queries import query


class ReplayState(NamedTuple):
    """Whether a message can be taken once more, and whether that is asked for or done."""

    replayable: bool  #: not so of records of the log itself
    requested: bool
    resolved: bool


async def read_replay_state(connection: Connection, id: str) -> ReplayState | None:
    """Return how far the replay of a quarantined message is; None when there is no such message."""
    cursor = await connection.execute(query("stores/quarantine/find_quarantined"), {"id": id})
    row = await cursor.fetchone()
    return ReplayState(*row) if row is not None else None
