"""Questions about the quarantined messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from storage.database import Connection
from storage.queries import query
from storage.stores.list_position import ListPosition, position_parameters
from twin.instant import Instant, from_datetime

# A page of the API; a message keeps at most what ingest is set to keep of its payload.
QUARANTINE_ROWS_MAX = 1_000


class QuarantinedRow(NamedTuple):
    """A quarantined message as it is stored."""

    id: str
    feed: str  #: empty when no feed knows the topic
    topic: str
    received_time: Instant
    reason: str
    detail: str
    payload: bytes  #: its beginning
    payload_bytes: int  #: length of the whole
    payload_sha256: str  #: of the whole, hex
    device: str  #: what the feed calls it; empty where it could not be told
    decoder: str
    decoder_version: int
    observations: int  #: that could be used all the same
    attempts: int  #: replays that ingest answered
    replay_requested_at: Instant | None  #: while a replay is asked for and not answered
    resolved_at: Instant | None  #: when a replay went well

    @property
    def cursor(self) -> ListPosition:
        """The place of this message: `quarantined(before=…)` goes on behind it."""
        return ListPosition(self.received_time, self.id)


async def read_quarantined(
    connection: Connection,
    *,
    before: ListPosition | None,
    limit: int,
    feed: str | None = None,
    reason: str | None = None,
    device: str | None = None,
    resolved: bool | None = None,
) -> list[QuarantinedRow]:
    """Return at most `limit` (≤ `QUARANTINE_ROWS_MAX`) messages, newest first, from behind `before`.

    `resolved` tells whether those that a replay put right are wanted, or only those; by default both.
    """
    cursor = await connection.execute(
        query("stores/quarantine/list_quarantined"),
        {
            "feed": feed,
            "reason": reason,
            "device": device,
            "resolved": resolved,
            **position_parameters(before),
            "limit": max(0, min(limit, QUARANTINE_ROWS_MAX)),
        },
    )
    return [_row(*row) for row in await cursor.fetchall()]


def _row(id: str, feed: str, topic: str, received_time: datetime, *others: Any) -> QuarantinedRow:
    *rest, requested, resolved = others
    return QuarantinedRow._make(
        (
            id,
            feed,
            topic,
            from_datetime(received_time),
            *rest,
            from_datetime(requested) if requested is not None else None,
            from_datetime(resolved) if resolved is not None else None,
        )
    )


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
