"""The bounds of quarantine on disk: bytes of each device, of each feed, and in all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import structs

from storage.column_limits import without_nul
from storage.database import Connection
from storage.queries import query
from twin.wire.messages import QuarantinedMessage

ROW_BYTES = 512
"""Of a row and its index entries, without topic, detail and payload; as in `quarantine_row_bytes` of SQL."""

HEAD_TOPIC_CHARACTERS = 256
HEAD_DETAIL_CHARACTERS = 256

ALL = "all"


class QuarantineUsage(NamedTuple):
    """What quarantine has, and what its bounds left out since the database was created."""

    bytes: int
    heads: int  #: messages of which it has (or had) no payload
    counted: int  #: messages that are only counted in the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineLimits:
    """The most bytes of quarantine, in all, of a feed, and of a device.

    Beyond a limit a message is stored without its payload. Heads may use a quarter more; beyond that,
    messages are only counted.
    """

    total: int = 2 * 1024**3
    feed: int = 1024**3
    device: int = 64 * 1024**2

    def scopes(self, message: QuarantinedMessage) -> tuple[tuple[str, int], ...]:
        """Return what a message counts for, named as by `quarantine_scopes` of SQL, with the limits."""
        feed, device = without_nul(message.feed), without_nul(message.device)
        return ((ALL, self.total), (f"feed: {feed}", self.feed), (f"device: {device} of {feed}", self.device))


DEFAULT_LIMITS = QuarantineLimits()


@dataclass(frozen=True, slots=True)
class LimitedMessages:
    """Quarantined messages as the limits let them be stored."""

    stored: tuple[QuarantinedMessage, ...] = ()
    heads: int = 0  #: of these, messages without their payload because of a limit
    counted: int = 0  #: messages that are not stored
    bytes: int = 0  #: of quarantine with the stored ones


def limit_messages(
    messages: Iterable[QuarantinedMessage], usage: Mapping[str, int], limits: QuarantineLimits
) -> LimitedMessages:
    """Return messages as they may be stored beside `usage`, the bytes of each scope, in order.

    Records of the log, and entries of ingest about itself, belong to no session: no device causes them, and
    they are stored whole.
    """
    used = dict(usage)
    stored: list[QuarantinedMessage] = []
    heads = counted = 0
    for message in messages:
        scopes = limits.scopes(message)
        head = structs.replace(
            message,
            payload=b"",
            topic=message.topic[:HEAD_TOPIC_CHARACTERS],
            detail=message.detail[:HEAD_DETAIL_CHARACTERS],
        )
        if not message.session or _fits(row_bytes(message), scopes, used, 4):
            kept = message
        elif _fits(row_bytes(head), scopes, used, 5):
            kept = head
            heads += 1
        else:
            counted += 1
            continue
        stored.append(kept)
        for scope, _ in scopes:
            used[scope] = used.get(scope, 0) + row_bytes(kept)
    return LimitedMessages(tuple(stored), heads, counted, used.get(ALL, 0))


def _fits(size: int, scopes: Iterable[tuple[str, int]], used: Mapping[str, int], quarters: int) -> bool:
    return all(used.get(scope, 0) + size <= limit * quarters // 4 for scope, limit in scopes)


def row_bytes(message: QuarantinedMessage) -> int:
    """Return what a message counts for."""
    return (
        ROW_BYTES
        + len(without_nul(message.topic).encode())
        + len(without_nul(message.detail).encode())
        + len(message.payload)
    )


async def limit_new_messages(
    connection: Connection, messages: Collection[QuarantinedMessage], limits: QuarantineLimits
) -> LimitedMessages:
    """Return the messages that are not stored yet, as they may be stored; lock their usage.

    Call it in the transaction that stores them.
    """
    ids = [without_nul(message.id) for message in messages]
    cursor = await connection.execute(query("historian/ledger/list_quarantined_ids"), (ids,))
    known = {id for (id,) in await cursor.fetchall()}
    new = [message for message in messages if without_nul(message.id) not in known]
    scopes = {ALL, *(scope for message in new for scope, _ in limits.scopes(message))}
    cursor = await connection.execute(query("historian/ledger/lock_quarantine_usage"), (sorted(scopes),))
    limited = limit_messages(new, dict(await cursor.fetchall()), limits)
    if limited.heads or limited.counted:
        await connection.execute(
            query("historian/ledger/add_quarantine_limited"), (limited.heads, limited.counted)
        )
    return limited


async def read_quarantine_usage(connection: Connection) -> QuarantineUsage:
    """Return the usage of quarantine, and what its limits left out."""
    row = await (await connection.execute(query("stores/quarantine/read_usage"))).fetchone()
    return QuarantineUsage(*row) if row is not None else QuarantineUsage(0, 0, 0)
