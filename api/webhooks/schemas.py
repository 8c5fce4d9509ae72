"""Webhooks as the API is asked for them, and as it shows them."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from api.http.bodies import RequestBody
from api.live.cursor import CursorError, decode_cursor
from api.live.schemas import LiveFilter
from storage.stores.webhooks import DeadLetter, Webhook, WebhookMode
from twin.instant import Instant, format_instant

SECRET_PREFIX = "whsec_"  # noqa: S105 - what marks one, by Standard Webhooks


def _is_cursor(text: str) -> str:
    try:
        decode_cursor(text)
    except CursorError as error:
        raise ValueError(f"{error}; leave it out to go on where delivery was") from None
    return text


class WebhookBody(RequestBody):
    """What is to be sent where."""

    url: str = Field(description="Where to; https, or http on this machine.")
    filter: LiveFilter = Field(
        default=LiveFilter(),
        description="As the query of /v1/live; the events are `state` and `alarm` unless it says otherwise.",
    )
    mode: WebhookMode = Field(default="batch", description="Up to 100 events a message, or one.")


class ResumeBody(RequestBody):
    """Where to go on."""

    cursor: Annotated[str, AfterValidator(_is_cursor)] | None = Field(
        default=None,
        description="Of an event, a dead letter or the live stream; where delivery was by default.",
    )


def stored_filter(body: WebhookBody) -> dict[str, Any]:
    """Return the filter of a body as it is stored and shown: only what it says."""
    return body.filter.model_dump(exclude_defaults=True, by_alias=True)


def webhook_document(webhook: Webhook) -> dict[str, Any]:
    """Return a webhook; its secret is told once, by whoever makes it."""
    progress, path = webhook.progress, f"/v1/subscriptions/{webhook.id}"
    return {
        "id": webhook.id,
        "url": webhook.url,
        "filter": webhook.filter,
        "mode": webhook.mode,
        "createdTime": format_instant(webhook.created),
        "createdBy": webhook.created_by,
        "state": progress.state,
        "reason": progress.reason or None,
        "cursor": progress.cursor or None,
        "deliveredTime": _time(progress.delivered),
        "failures": progress.failures,
        "failingSinceTime": _time(progress.failing_since),
        "lastError": progress.last_error or None,
        "_links": {"self": {"href": path}, "deadLetters": {"href": f"{path}/dead-letters"}},
    }


def encode_secret(secret: bytes) -> str:
    """Return a secret as Standard Webhooks writes it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def dead_letter_document(letter: DeadLetter) -> dict[str, Any]:
    """Return what could not be delivered."""
    return {
        "number": letter.number,
        "diedTime": format_instant(letter.died),
        "tries": letter.tries,
        "error": letter.error,
        "cursor": letter.cursor or None,
        "events": letter.events,
    }


def _time(instant: Instant | None) -> str | None:
    return format_instant(instant) if instant is not None else None
