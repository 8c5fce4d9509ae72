"""Writes quarantined messages, and what became of them when they were replayed."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from storage.column_limits import without_nul
from storage.database import Connection
from storage.queries import query
from storage.stores.ledger_counts import FeedMinute, LedgerCounts
from twin.instant import from_datetime, to_datetime
from twin.wire.messages import QuarantinedMessage


async def write_quarantined(connection: Connection, messages: Iterable[QuarantinedMessage]) -> None:
    """Store messages that are not there yet, in the transaction that is open."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            query("historian/ledger/insert_quarantined"),
            [
                (
                    without_nul(one.id),
                    without_nul(one.feed),
                    without_nul(one.topic),
                    to_datetime(one.received_time),
                    without_nul(one.reason),
                    without_nul(one.detail),
                    one.payload,
                    one.payload_bytes,
                    without_nul(one.payload_sha256),
                    without_nul(one.session),
                    one.sequence,
                    one.observations,
                    without_nul(one.device),
                    without_nul(one.decoder),
                    one.decoder_version,
                )
                for one in messages
            ],
        )


async def write_replay_answers(
    connection: Connection, answers: Collection[QuarantinedMessage], counts: LedgerCounts
) -> None:
    """Write down what replays came to, at most one of each message, and count them where they were received.

    An answer that nobody waits for any more is the second one to a request, and changes nothing.
    """
    cursor = await connection.execute(
        query("historian/ledger/store_replay_answers"),
        (
            [without_nul(one.replay_of) for one in answers],
            [without_nul(one.reason) for one in answers],
            [without_nul(one.detail) for one in answers],
            [without_nul(one.feed) for one in answers],
            [without_nul(one.device) for one in answers],
            [without_nul(one.decoder) for one in answers],
            [one.decoder_version for one in answers],
            [one.observations for one in answers],
        ),
    )
    for feed, received_time, resolved in await cursor.fetchall():
        row = counts[FeedMinute.of(feed, from_datetime(received_time))]
        row.replayed += 1
        row.resolved += bool(resolved)
