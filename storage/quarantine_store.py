"""Questions about the quarantined messages."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from storage.database import Connection
from storage.queries import query
from twin.instant import Instant, from_datetime, to_datetime

# A page of the API; a message keeps at most what ingest is set to keep of its payload.
MESSAGES_MAX = 1_000


class QuarantineCursor(NamedTuple):
    """A place in the list, newest first."""

    received_time: Instant
    id: str


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

    @property
    def cursor(self) -> QuarantineCursor:
        """The place of this message: `quarantined(before=…)` goes on behind it."""
        return QuarantineCursor(self.received_time, self.id)


async def quarantined(
    connection: Connection,
    *,
    before: QuarantineCursor | None,
    limit: int,
    feed: str | None = None,
    reason: str | None = None,
) -> list[QuarantinedRow]:
    """Return at most `limit` (≤ `MESSAGES_MAX`) messages, newest first, from behind `before`."""
    cursor = await connection.execute(
        query("list_quarantined"),
        {
            "feed": feed,
            "reason": reason,
            "before_time": to_datetime(before.received_time) if before is not None else None,
            "before_id": before.id if before is not None else None,
            "limit": max(0, min(limit, MESSAGES_MAX)),
        },
    )
    return [_row(*row) for row in await cursor.fetchall()]


def _row(id: str, feed: str, topic: str, received_time: datetime, *rest: object) -> QuarantinedRow:
    return QuarantinedRow._make((id, feed, topic, from_datetime(received_time), *rest))
