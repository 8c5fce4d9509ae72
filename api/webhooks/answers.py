"""The answers about webhooks, with examples."""

from __future__ import annotations

from http import HTTPStatus

from api.http.answers import Answer, Body, NoContent
from api.http.models import Link
from api.http.pages import Page, PageLinks
from api.webhooks.models import CreatedWebhook, DeadLetterModel, WebhookLinks, WebhookModel
from api.webhooks.schemas import ResumeBody, WebhookBody

_PATH = "/v1/subscriptions/5f0c2a9be1d04c7788aa3e10"
_CREATED = CreatedWebhook(
    id="5f0c2a9be1d04c7788aa3e10",
    url="https://example.org/livetwin",
    filter={"parent": ["alkmaar.oost"], "events": ["alarm"]},
    mode="batch",
    format="nlgov",
    handshake=True,
    consent_time="2026-11-23T12:00:01Z",
    rate_max=120,
    created_time="2026-11-23T12:00:00Z",
    created_by="water-board",
    state="active",
    reason=None,
    cursor="lQHZ…",
    delivered_time="2026-11-23T12:00:02Z",
    failures=0,
    failing_since_time=None,
    last_error=None,
    links=WebhookLinks(self_=Link(href=_PATH), dead_letters=Link(href=f"{_PATH}/dead-letters")),
    secret="whsec_MfKQ9r…",  # noqa: S106 - an example
)
_WEBHOOK = WebhookModel(**{name: getattr(_CREATED, name) for name in WebhookModel.__struct_fields__})
_EVENT = {
    "specversion": "1.0",
    "id": "alarm/high-water~alkmaar.singelgracht/1795435200000017",
    "source": "urn:nld:oin:00000001234567890000:systeem:livetwin",
    "type": "nl.alkmaar-twin.alarm-changed.v1",
    "subject": "high-water~alkmaar.singelgracht",
    "datacontenttype": "application/json",
    "sequence": "00001795435200000017",
    "cursor": "lQHZ…",
    "data": {
        "alarmId": "high-water~alkmaar.singelgracht",
        "revision": 1_795_435_200_000_017,
        "state": "unacknowledged",
    },
}

_DEPRECATION = {
    "Deprecation": "Of a deprecated `format`: since when (RFC 9745), `@` with seconds since 1970.",
    "Sunset": "Of a deprecated `format`: until when it is sent (RFC 8594), an HTTP date.",
    "Link": 'Of a deprecated `format`: this document, with `rel="deprecation"`.',
}

BODY = Body(
    WebhookBody,
    {
        "url": "https://example.org/livetwin",
        "filter": {"parent": ["alkmaar.oost"], "events": ["alarm"]},
        "mode": "batch",
    },
)
RESUME_BODY = Body(ResumeBody, {"cursor": "lQHZ…"})
CREATED = Answer(
    model=CreatedWebhook,
    description="The webhook with its secret, which is shown only once.",
    example=_CREATED,
    status=HTTPStatus.CREATED,
    headers={"Location": "The path of the webhook.", **_DEPRECATION},
)
WEBHOOKS = Answer(
    model=Page[WebhookModel],
    description="All webhooks.",
    example=Page(items=[_WEBHOOK], links=PageLinks(self_=Link(href="/v1/subscriptions"))),
)
WEBHOOK = Answer(
    model=WebhookModel,
    description="The webhook and its progress.",
    example=_WEBHOOK,
    headers=_DEPRECATION,
)
DELETED = NoContent("Deleted.")
DEAD_LETTERS = Answer(
    model=Page[DeadLetterModel],
    description="Messages that could not be delivered.",
    example=Page(
        items=[
            DeadLetterModel(
                number=7,
                died_time="2026-11-24T12:00:00Z",
                tries=30,
                error="the receiver answered 503",
                cursor="lQHZ…",
                events=[_EVENT],
            )
        ],
        links=PageLinks(self_=Link(href=f"{_PATH}/dead-letters")),
    ),
)
