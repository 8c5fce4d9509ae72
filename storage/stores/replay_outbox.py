"""The replay outbox: the requests to replay quarantined messages, and whether they were sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from storage.database import Connection, QueryError
from storage.queries import query
from twin.instant import MINUTE, Duration, from_datetime
from twin.quality.plausibility import QuarantineReason
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import QuarantinedMessage

# The most messages of one request; the others need another one.
REPLAY_REQUESTS_MAX = 10_000

# The most messages sent at once: by default a payload has at most 256 KiB, so 50 MiB.
REPLAYS_PER_SEND_MAX = 200

# An answer that has not arrived after this time was lost with its log; the request is sent again.
ANSWER_TIMEOUT: Duration = 15 * MINUTE

# The reasons that a new sensor, or a new datastream, can resolve.
_UNASSIGNED = (QuarantineReason.UNKNOWN_SENSOR, QuarantineReason.NO_OBSERVATION)


async def request_replays(
    connection: Connection,
    *,
    ids: Collection[str] | None = None,
    feed: str | None = None,
    device: str | None = None,
    reason: str | None = None,
) -> int:
    """Request the replay of quarantined messages that match all given criteria; return their number.

    The oldest come first, at most `REPLAY_REQUESTS_MAX`. Messages that were replayed successfully, and
    records of the log, are excluded. Raises QueryError without a criterion, since a replay of everything is
    never intended.
    """
    if ids is None and feed is None and device is None and reason is None:
        raise QueryError("a replay of everything: expected ids, a feed, a device or a reason")
    cursor = await connection.execute(
        query("stores/quarantine/request_replays"),
        {
            "ids": list(ids) if ids is not None else None,
            "feed": feed,
            "device": device,
            "reason": reason,
            "limit": REPLAY_REQUESTS_MAX,
        },
    )
    return cursor.rowcount


async def request_replays_of_devices(connection: Connection, devices: Iterable[tuple[str, str]]) -> int:
    """Request the replay of messages that devices, given as (feed, device), sent before their sensor existed.

    Returns the number of messages, at most `REPLAY_REQUESTS_MAX` of each device. The feed is not compared,
    since a decoder may serve several: a message of another device with this id stays in quarantine.
    """
    names = sorted({device for _, device in devices if device})
    if not names:
        return 0
    cursor = await connection.execute(
        query("stores/quarantine/request_replays_of_devices"),
        {"devices": names, "reasons": list(_UNASSIGNED), "limit": REPLAY_REQUESTS_MAX},
    )
    return cursor.rowcount


async def claim_replays(connection: Connection) -> list[QuarantinedMessage]:
    """Return the next messages to send, in the order of their reception; lock them for the transaction.

    At most `REPLAYS_PER_SEND_MAX`; those whose answer has not come for `ANSWER_TIMEOUT` are among them again.
    """
    cursor = await connection.execute(
        query("stores/quarantine/claim_replays"), {"patience": ANSWER_TIMEOUT, "limit": REPLAYS_PER_SEND_MAX}
    )
    return [_message(*row) for row in await cursor.fetchall()]


async def mark_replays_sent(connection: Connection, ids: Collection[str]) -> None:
    """Mark requests as sent, in the open transaction."""
    await connection.execute(query("stores/quarantine/mark_replays_sent"), (list(ids),))


def _message(id: str, feed: str, topic: str, received_time: datetime, *others: Any) -> QuarantinedMessage:
    *columns, rank = others
    message = QuarantinedMessage(LAYOUT_VERSION, id, feed, topic, from_datetime(received_time), *columns)
    return replace(message, rank=rank)
