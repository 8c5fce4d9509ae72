"""Request bodies and documents of webhooks."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from api.http.bodies import RequestBody
from api.http.responses import Document, format_optional_instant
from api.live.cursor import CursorError, decode_cursor
from api.live.schemas import LiveFilter
from runtime.webhook_signature import SECRET_PREFIX
from storage.stores.webhooks import DeadLetter, Webhook, WebhookMode
from twin.instant import format_instant


def _is_cursor(text: str) -> str:
    try:
        decode_cursor(text)
    except CursorError as error:
        raise ValueError(f"{error}; omit it to continue after the last delivered event") from None
    return text


class WebhookBody(RequestBody):
    """Which events are sent to which URL."""

    url: str = Field(description="Receiver; https, or http on this machine.")
    filter: LiveFilter = Field(
        default=LiveFilter(),
        description="As the query of /v1/live; the events are `state` and `alarm` by default.",
    )
    mode: WebhookMode = Field(default="batch", description="Up to 100 events per message, or one.")


class ResumeBody(RequestBody):
    """The position to resume from."""

    cursor: Annotated[str, AfterValidator(_is_cursor)] | None = Field(
        default=None,
        description="Of an event, a dead letter or the live stream; the last delivered one by default.",
    )


def stored_filter(body: WebhookBody) -> dict[str, Any]:
    """Return the filter of a body as stored and shown: without its defaults."""
    return body.filter.model_dump(exclude_defaults=True, by_alias=True)


def webhook_document(webhook: Webhook) -> Document:
    """Return a webhook, without its secret."""
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
        "deliveredTime": format_optional_instant(progress.delivered),
        "failures": progress.failures,
        "failingSinceTime": format_optional_instant(progress.failing_since),
        "lastError": progress.last_error or None,
        "_links": {"self": {"href": path}, "deadLetters": {"href": f"{path}/dead-letters"}},
    }


def encode_secret(secret: bytes) -> str:
    """Return a secret in the format of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def dead_letter_document(letter: DeadLetter) -> Document:
    """Return a message that could not be delivered."""
    return {
        "number": letter.number,
        "diedTime": format_instant(letter.died),
        "tries": letter.tries,
        "error": letter.error,
        "cursor": letter.cursor or None,
        "events": letter.events,
    }
