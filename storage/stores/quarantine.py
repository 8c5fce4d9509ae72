"""Reads the quarantined messages, and the states of their replays. Lists are without payloads."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from storage.database import Connection
from storage.queries import query
from storage.stores.list_position import ListPosition, position_parameters
from twin.instant import Instant, from_datetime

# The largest page of the API.
QUARANTINE_ROWS_MAX = 1_000

TOPIC_CHARACTERS_LISTED = 512
"""Of each topic in a list; topics have up to 65,535 bytes."""


class QuarantinedRow(NamedTuple):
    """A stored quarantined message."""

    id: str
    feed: str  #: empty when no feed knows the topic
    topic: str  #: in a list, the first `TOPIC_CHARACTERS_LISTED` characters
    received_time: Instant
    reason: str
    detail: str
    kept_bytes: int  #: length of the kept beginning of the payload
    payload_bytes: int  #: length of the whole payload
    payload_sha256: str  #: of the whole payload, hex
    device: str  #: the id in the feed; empty where it is unknown
    decoder: str
    decoder_version: int
    observations: int  #: usable observations in the message
    attempts: int  #: replays that ingest answered
    replay_requested_at: Instant | None  #: set while a replay is requested and not answered
    resolved_at: Instant | None  #: time of a successful replay

    @property
    def cursor(self) -> ListPosition:
        """The position of this message, for `read_quarantined(before=…)`."""
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
    """Return at most `limit` (≤ `QUARANTINE_ROWS_MAX`) messages after the position `before`, newest first.

    `resolved` selects messages with (True) or without (False) a successful replay; None selects both.
    """
    cursor = await connection.execute(
        query("stores/quarantine/list_quarantined"),
        {
            "feed": feed,
            "reason": reason,
            "device": device,
            "resolved": resolved,
            "topic_characters": TOPIC_CHARACTERS_LISTED,
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


async def read_quarantined_message(connection: Connection, id: str) -> tuple[QuarantinedRow, bytes] | None:
    """Return a quarantined message and the kept beginning of its payload; None when there is none."""
    cursor = await connection.execute(query("stores/quarantine/find_quarantined_message"), {"id": id})
    row = await cursor.fetchone()
    if row is None:
        return None
    *members, payload = row
    return _row(*members), bytes(payload)


class ReplayState(NamedTuple):
    """Whether a message can be replayed, and whether a replay is requested or done."""

    replayable: bool  #: False for quarantined records of the log
    requested: bool
    resolved: bool


async def read_replay_state(connection: Connection, id: str) -> ReplayState | None:
    """Return the replay state of a quarantined message; None when there is no such message."""
    cursor = await connection.execute(query("stores/quarantine/find_quarantined"), {"id": id})
    row = await cursor.fetchone()
    return ReplayState(*row) if row is not None else None
