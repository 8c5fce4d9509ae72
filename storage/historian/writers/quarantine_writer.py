"""Writes quarantined messages, and the answers to their replays."""

from __future__ import annotations

from collections.abc import Collection

from storage.column_limits import without_nul
from storage.database import Connection
from storage.queries import query
from storage.stores.ledger_counts import FeedMinute, LedgerCounts
from storage.stores.quarantine_usage import (
    DEFAULT_LIMITS,
    LimitedMessages,
    QuarantineLimits,
    limit_new_messages,
)
from twin.instant import from_datetime, to_datetime
from twin.wire.messages import QuarantinedMessage


async def write_quarantined(
    connection: Connection,
    messages: Collection[QuarantinedMessage],
    limits: QuarantineLimits = DEFAULT_LIMITS,
) -> LimitedMessages:
    """Store the new ones of these messages, in the open transaction, as the limits allow; return them."""
    limited = await limit_new_messages(connection, messages, limits)
    if limited.stored:
        rows = [
            (
                without_nul(message.id),
                without_nul(message.feed),
                without_nul(message.topic),
                to_datetime(message.received_time),
                without_nul(message.reason),
                without_nul(message.detail),
                message.payload,
                message.payload_bytes,
                without_nul(message.payload_sha256),
                without_nul(message.session),
                message.sequence,
                message.observations,
                without_nul(message.device),
                without_nul(message.decoder),
                message.decoder_version,
                message.rank,
            )
            for message in limited.stored
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(query("historian/ledger/insert_quarantined"), columns)
    return limited


async def write_replay_answers(
    connection: Connection, answers: Collection[QuarantinedMessage], counts: LedgerCounts
) -> None:
    """Store the answers to replays, at most one of each message, and count them in the ledger.

    An answer without an open request is the second one to a request, and changes nothing.
    """
    cursor = await connection.execute(
        query("historian/ledger/store_replay_answers"),
        (
            [without_nul(answer.replay_of) for answer in answers],
            [without_nul(answer.reason) for answer in answers],
            [without_nul(answer.detail) for answer in answers],
            [without_nul(answer.feed) for answer in answers],
            [without_nul(answer.device) for answer in answers],
            [without_nul(answer.decoder) for answer in answers],
            [answer.decoder_version for answer in answers],
            [answer.observations for answer in answers],
        ),
    )
    for feed, received_time, resolved in await cursor.fetchall():
        row = counts[FeedMinute.of(feed, from_datetime(received_time))]
        row.replayed += 1
        row.resolved += bool(resolved)
