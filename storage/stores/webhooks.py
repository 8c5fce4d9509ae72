"""Stores webhooks, their delivery progress and their dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from psycopg.types.json import Jsonb

from storage.database import Connection, migrated_transaction
from storage.queries import query
from twin.instant import Instant, from_datetime, to_datetime

WEBHOOKS_MAX = 100
DEAD_LETTERS_MAX = 1_000
"""The most dead letters of a webhook; the oldest are deleted."""

WebhookFormat: TypeAlias = Literal["nlgov", "livetwin"]
"""Of its CloudEvents: the NL GOV profile, or the deprecated form of earlier versions."""

WebhookMode: TypeAlias = Literal["batch", "single"]
WebhookState: TypeAlias = Literal["active", "disabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookProgress:
    """The delivery progress of a webhook."""

    cursor: str = ""  #: in the live stream; earlier events are delivered or dead letters; empty: none yet
    state: WebhookState = "active"
    reason: str = ""  #: the reason why it is disabled
    failures: int = 0  #: failed attempts of the current delivery
    failing_since: Instant | None = None
    last_error: str = ""
    delivered: Instant | None = None  #: time of the last delivery
    consented: Instant | None = None  #: when the receiver consented to deliveries
    rate_max: int | None = None  #: requests a minute that it consented to; None: not limited


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A subscription: where to deliver which events, and its progress."""

    id: str
    url: str
    filter: dict[str, Any]  #: the query parameters of /v1/live
    mode: WebhookMode
    format: WebhookFormat
    handshake: bool  #: whether deliveries need the consent of the receiver
    secret: bytes = field(repr=False)
    created: Instant
    created_by: str
    edition: int = 1  #: increases with each resume; progress of an earlier edition is ignored
    progress: WebhookProgress = WebhookProgress()


class DeadLetter(NamedTuple):
    """A batch of events that could not be delivered."""

    number: int
    died: Instant
    tries: int
    error: str  #: of the last attempt
    cursor: str  #: a resume from here delivers it again
    events: list[dict[str, Any]]  #: CloudEvents


async def insert_webhook(connection: Connection, webhook: Webhook) -> bool:
    """Store a webhook; return False when there are `WEBHOOKS_MAX` already."""
    row = await _row(
        connection,
        query("stores/webhooks/insert_webhook"),
        id=webhook.id,
        url=webhook.url,
        filter=Jsonb(webhook.filter),
        mode=webhook.mode,
        format=webhook.format,
        handshake=webhook.handshake,
        secret=webhook.secret,
        created_at=to_datetime(webhook.created),
        created_by=webhook.created_by,
        cursor=webhook.progress.cursor,
        webhooks_max=WEBHOOKS_MAX,
    )
    return row is not None


async def read_webhooks(connection: Connection) -> list[Webhook]:
    """Return all webhooks, oldest first."""
    async with migrated_transaction(connection):
        cursor = await connection.execute(query("stores/webhooks/list_webhooks"), {"id": None})
        return [_webhook(*row) for row in await cursor.fetchall()]


async def find_webhook(connection: Connection, id: str) -> Webhook | None:
    """Return a webhook, or None."""
    row = await _row(connection, query("stores/webhooks/list_webhooks"), id=id)
    return _webhook(*row) if row is not None else None


async def delete_webhook(connection: Connection, id: str) -> bool:
    """Delete a webhook and its dead letters; return whether it existed."""
    return await _row(connection, query("stores/webhooks/delete_webhook"), id=id) is not None


async def resume_webhook(connection: Connection, id: str, cursor: str | None) -> bool:
    """Resume a webhook, from `cursor` if given; return whether it exists."""
    return await _row(connection, query("stores/webhooks/resume_webhook"), id=id, cursor=cursor) is not None


async def update_webhook_progress(
    connection: Connection, progress_of: Sequence[tuple[str, int, WebhookProgress]]
) -> None:
    """Store the progress of webhooks, by id and edition; skip a webhook that was resumed in the meantime."""
    async with migrated_transaction(connection), connection.cursor() as cursor:
        await cursor.executemany(
            query("stores/webhooks/advance_webhook"),
            [
                {
                    "id": id,
                    "edition": edition,
                    "state": progress.state,
                    "reason": progress.reason,
                    "cursor": progress.cursor,
                    "failures": progress.failures,
                    "failing_since": _datetime(progress.failing_since),
                    "last_error": progress.last_error,
                    "delivered_at": _datetime(progress.delivered),
                    "consented_at": _datetime(progress.consented),
                    "rate_max": progress.rate_max,
                }
                for id, edition, progress in progress_of
            ],
        )


async def insert_dead_letter(connection: Connection, id: str, letter: DeadLetter) -> None:
    """Store a dead letter; the database assigns its `number`."""
    async with migrated_transaction(connection):
        await connection.execute(
            query("stores/webhooks/insert_dead_letter"),
            {
                "id": id,
                "died_at": to_datetime(letter.died),
                "tries": letter.tries,
                "error": letter.error,
                "cursor": letter.cursor,
                "events": Jsonb(letter.events),
            },
        )
        await connection.execute(
            query("stores/webhooks/delete_dead_letters"), {"id": id, "kept": DEAD_LETTERS_MAX}
        )


async def read_dead_letters(
    connection: Connection, id: str, *, before: int | None, limit: int
) -> list[DeadLetter]:
    """Return at most `limit` dead letters of a webhook before the number `before`, newest first."""
    async with migrated_transaction(connection):
        cursor = await connection.execute(
            query("stores/webhooks/list_dead_letters"), {"id": id, "before": before, "limit": limit}
        )
        return [
            DeadLetter(number, from_datetime(died), *others)
            for number, died, *others in await cursor.fetchall()
        ]


async def _row(connection: Connection, statement: bytes, **values: Any) -> tuple[Any, ...] | None:
    async with migrated_transaction(connection):
        cursor = await connection.execute(statement, values)
        return await cursor.fetchone()


def _webhook(
    id: str, url: str, filter: dict[str, Any], mode: WebhookMode, secret: bytes, *others: Any
) -> Webhook:
    created, created_by, state, reason, edition, cursor, failures, since, last_error, delivered = others[:10]
    format, handshake, consented, rate_max = others[10:]
    return Webhook(
        id=id,
        url=url,
        filter=filter,
        mode=mode,
        format=format,
        handshake=handshake,
        secret=bytes(secret),
        created=from_datetime(created),
        created_by=created_by,
        edition=edition,
        progress=WebhookProgress(
            cursor=cursor,
            state=state,
            reason=reason,
            failures=failures,
            failing_since=_instant(since),
            last_error=last_error,
            delivered=_instant(delivered),
            consented=_instant(consented),
            rate_max=rate_max,
        ),
    )


def _instant(value: datetime | None) -> Instant | None:
    return from_datetime(value) if value is not None else None


def _datetime(value: Instant | None) -> datetime | None:
    return to_datetime(value) if value is not None else None
