"""The outbox of replays: which quarantined messages are to be taken once more, and which were sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from storage.database import Connection, QueryError
from storage.queries import query
from twin.instant import MINUTE, Duration, from_datetime
from twin.quality.plausibility import QuarantineReason
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import QuarantinedMessage

# Of one question; the rest is asked for with another one.
REPLAY_REQUESTS_MAX = 10_000

# Of one sending: a payload has at most 256 KiB as ingest is set, so 50 MiB.
REPLAYS_PER_SEND_MAX = 200

# An answer that has not come by then is lost with the log that held it, and the request is sent again.
ANSWER_TIMEOUT: Duration = 15 * MINUTE

# What a new sensor, or one that observes more, can put right.
_UNASSIGNED = (QuarantineReason.UNKNOWN_SENSOR, QuarantineReason.NO_OBSERVATION)


async def request_replays(
    connection: Connection,
    *,
    ids: Collection[str] | None = None,
    feed: str | None = None,
    device: str | None = None,
    reason: str | None = None,
) -> int:
    """Ask for the replay of quarantined messages that fit all that is given; return how many there are.

    Oldest first, at most `REPLAY_REQUESTS_MAX`. What was replayed well, and records of the log itself, are
    left out. Raises QueryError when nothing is given: a replay of everything is never meant.
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
    """Ask for the replay of what devices, given as (feed, device), sent before their sensor was known.

    Returns how many messages, at most `REPLAY_REQUESTS_MAX` of each. The feed is not compared, since a
    decoder may serve several: a message of another feed's device of that name stays where it is.
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
    """Return the next messages to send, in the order of their reception, locked until the transaction ends.

    At most `REPLAYS_PER_SEND_MAX`; those whose answer has not come for `ANSWER_TIMEOUT` are among them again.
    """
    cursor = await connection.execute(
        query("stores/quarantine/claim_replays"), {"patience": ANSWER_TIMEOUT, "limit": REPLAYS_PER_SEND_MAX}
    )
    return [_message(*row) for row in await cursor.fetchall()]


async def mark_replays_sent(connection: Connection, ids: Collection[str]) -> None:
    """Remember that requests were sent, in the transaction that is open."""
    await connection.execute(query("stores/quarantine/mark_replays_sent"), (list(ids),))


def _message(id: str, feed: str, topic: str, received_time: datetime, *others: object) -> QuarantinedMessage:
    return QuarantinedMessage(LAYOUT_VERSION, id, feed, topic, from_datetime(received_time), *others)  # type: ignore[arg-type]
