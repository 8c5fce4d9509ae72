"""Renders webhooks, their secrets and their dead letters."""

from __future__ import annotations

import base64
from email.utils import format_datetime

from msgspec import UNSET

from api.http.models import Link
from api.http.responses import format_optional_instant
from api.webhooks.cloud_event import DEPRECATED, SUNSET
from api.webhooks.models import CreatedWebhook, DeadLetterModel, WebhookLinks, WebhookModel
from runtime.webhook_signature import SECRET_PREFIX
from storage.stores.webhooks import DeadLetter, Webhook
from twin.instant import SECOND, format_instant, to_datetime


def webhook_model(webhook: Webhook) -> WebhookModel:
    """Return a webhook, without its secret."""
    progress, path = webhook.progress, f"/v1/subscriptions/{webhook.id}"
    return WebhookModel(
        id=webhook.id,
        url=webhook.url,
        filter=webhook.filter,
        mode=webhook.mode,
        format=webhook.format,
        sunset_time=format_instant(SUNSET) if webhook.format == "livetwin" else UNSET,
        handshake=webhook.handshake,
        consent_time=format_optional_instant(progress.consented),
        rate_max=progress.rate_max,
        created_time=format_instant(webhook.created),
        created_by=webhook.created_by,
        state=progress.state,
        reason=progress.reason or None,
        cursor=progress.cursor or None,
        delivered_time=format_optional_instant(progress.delivered),
        failures=progress.failures,
        failing_since_time=format_optional_instant(progress.failing_since),
        last_error=progress.last_error or None,
        links=WebhookLinks(self_=Link(href=path), dead_letters=Link(href=f"{path}/dead-letters")),
    )


def deprecation_headers(webhook: Webhook) -> dict[str, str]:
    """Return the headers of an answer about a webhook: of a deprecated format RFC 9745 and RFC 8594."""
    if webhook.format != "livetwin":
        return {}
    return {
        "Deprecation": f"@{DEPRECATED // SECOND}",
        "Sunset": format_datetime(to_datetime(SUNSET), usegmt=True),
        "Link": '</v1/openapi.json>; rel="deprecation"; type="application/json"',
    }


def created_webhook(webhook: Webhook) -> CreatedWebhook:
    """Return a new webhook, with its secret."""
    shown = webhook_model(webhook)
    members = {name: getattr(shown, name) for name in WebhookModel.__struct_fields__}
    return CreatedWebhook(**members, secret=encode_secret(webhook.secret))


def encode_secret(secret: bytes) -> str:
    """Return a secret in the format of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def dead_letter_model(letter: DeadLetter) -> DeadLetterModel:
    """Return a message that could not be delivered."""
    return DeadLetterModel(
        number=letter.number,
        died_time=format_instant(letter.died),
        tries=letter.tries,
        error=letter.error,
        cursor=letter.cursor or None,
        events=list(letter.events),
    )
