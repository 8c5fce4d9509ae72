"""Writes quarantined messages."""

from __future__ import annotations

from collections.abc import Iterable

from storage.database import Connection
from storage.queries import query
from twin.instant import to_datetime
from twin.messages import QuarantinedMessage


async def write_quarantined(connection: Connection, messages: Iterable[QuarantinedMessage]) -> None:
    """Store messages that are not there yet, in the transaction that is open."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            query("insert_quarantined"),
            [
                (
                    _text(one.id),
                    _text(one.feed),
                    _text(one.topic),
                    to_datetime(one.received_time),
                    _text(one.reason),
                    _text(one.detail),
                    one.payload,
                    one.payload_bytes,
                    _text(one.payload_sha256),
                )
                for one in messages
            ],
        )


def _text(text: str) -> str:
    """Return what a text column can hold: a topic or a detail may carry a NUL, PostgreSQL cannot."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")
