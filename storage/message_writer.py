"""Writes where observations came from: the headers of their messages, and payloads while they are kept."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from storage.database import Connection
from storage.queries import query
from storage.reception import MessageRecord
from twin.instant import to_datetime

# The fastest level takes half of what the best one saves, in a tenth of its time.
_LEVEL = 1


async def write_messages(connection: Connection, log_id: str, records: Sequence[MessageRecord]) -> None:
    """Store message records of a log that are not there yet, in the transaction that is open."""
    await connection.execute(
        query("insert_message_batches"),
        (
            log_id,
            [one.partition for one in records],
            [one.log_offset for one in records],
            [to_datetime(one.first_received) for one in records],
            [to_datetime(one.last_received) for one in records],
            [zlib.compress(one.headers, _LEVEL) for one in records],
            [zlib.compress(one.datastreams, _LEVEL) for one in records],
            [zlib.compress(one.payloads, _LEVEL) if one.payloads else None for one in records],
        ),
    )
