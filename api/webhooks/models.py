"""Models of webhooks and of their dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, get_args

from msgspec import UNSET, Meta, UnsetType

from api.http.models import Count, Link, Model, Time
from api.live.events import EventName
from storage.stores.webhooks import WebhookFormat, WebhookMode, WebhookState
from twin.model.observed_property import Theme

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}

StoredFilter: TypeAlias = Annotated[
    Mapping[str, Any],
    Meta(
        description="As the query of /v1/live, without defaults.",
        examples=[{"parent": ["alkmaar.oost"], "events": ["alarm"]}],
        extra_json_schema={
            "properties": {
                **dict.fromkeys(("entity", "type", "parent", "property"), _TEXTS),
                "theme": {"type": "array", "items": {**_TEXT, "enum": list(get_args(Theme))}},
                "bbox": _TEXT,
                "events": {"type": "array", "items": {**_TEXT, "enum": list(get_args(EventName))}},
                "cursor": _TEXT,
            }
        },
    ),
]
"""As it was stored: an earlier version may have stored members that a request may not have any more."""

StoredEvent: TypeAlias = Annotated[
    Mapping[str, Any],
    Meta(
        description="A CloudEvent (1.0), as it was to be delivered.",
        extra_json_schema={
            "required": ["specversion", "id", "source", "type", "data"],
            "properties": {
                **dict.fromkeys(("specversion", "id", "source", "type", "subject"), _TEXT),
                "time": {**_TEXT, "format": "date-time"},
                **dict.fromkeys(("datacontenttype", "sequence", "cursor"), _TEXT),
                "data": {"type": "object"},
            },
        },
    ),
]


class WebhookLinks(Model, frozen=True, kw_only=True):
    """Links of a webhook."""

    self_: Link
    dead_letters: Link


class WebhookModel(Model, frozen=True, kw_only=True):
    """A webhook and its progress."""

    id: str
    url: Annotated[str, Meta(extra_json_schema={"format": "uri"})]
    filter: StoredFilter
    mode: WebhookMode
    format: Annotated[WebhookFormat, Meta(description="Of the CloudEvents; `livetwin` is deprecated.")]
    sunset_time: (
        Annotated[Time, Meta(description="Until when a deprecated format is sent; absent for others.")]
        | UnsetType
    ) = UNSET
    handshake: Annotated[bool, Meta(description="Whether messages need the consent of the receiver.")]
    consent_time: Annotated[Time, Meta(description="When the receiver consented.")] | None
    rate_max: (
        Annotated[int, Meta(description="Requests a minute that it consented to; null: not limited.", ge=1)]
        | None
    )
    created_time: Time
    created_by: str
    state: WebhookState
    reason: Annotated[str, Meta(description="Why it is disabled.")] | None
    cursor: Annotated[str, Meta(description="Where it resumes.")] | None
    delivered_time: Time | None
    failures: Annotated[Count, Meta(description="Failed attempts of the present delivery.")]
    failing_since_time: Time | None
    last_error: str | None
    links: WebhookLinks


class CreatedWebhook(WebhookModel, frozen=True, kw_only=True):
    """A new webhook, with the secret that signs its messages."""

    secret: Annotated[str, Meta(description="As Standard Webhooks has it; shown only once.")]


class DeadLetterModel(Model, frozen=True, kw_only=True):
    """A message that could not be delivered."""

    number: Count
    died_time: Time
    tries: Count
    error: str
    cursor: Annotated[str, Meta(description="A resume from here delivers it again.")] | None
    events: list[StoredEvent]
