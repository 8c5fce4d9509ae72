"""CloudEvents 1.0 (JSON event format) of the live stream, and the webhook messages that carry them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from api.live.events import LiveEvent
from storage.stores.webhooks import WebhookMode

BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
SINGLE_CONTENT_TYPE = "application/cloudevents+json"


class CloudEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A CloudEvent; `cursor` is an extension of ours."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str
    cursor: str  #: where to resume after this event
    data: msgspec.Raw


class WebhookMessage(NamedTuple):
    """The body of one request, with what identifies and describes it."""

    id: str  #: the same for the same events
    content_type: str
    body: bytes
    events: list[CloudEvent]
    cursor: str  #: where to resume after its last event


class _EventData(msgspec.Struct, frozen=True, rename="camel"):
    """The members of an event's data that identify the event."""

    entity_id: str = ""
    property: str = ""
    alarm_id: str = ""
    revision: int = 0
    freshness: str = ""
    phenomenon_time: str | None = None
    time: str | None = None


_decode_event_data = msgspec.json.Decoder(_EventData).decode
_encode = msgspec.json.Encoder().encode


def cloud_event(event: LiveEvent, city: str, previous_cursor: str) -> CloudEvent:
    """Return a live event as a CloudEvent; `previous_cursor` is the cursor before it.

    Its id is derived from its content, so repeated deliveries by any process have the same id.
    """
    data = _decode_event_data(event.data)
    if data.alarm_id:
        id, subject, time = f"alarm/{data.alarm_id}/{data.revision}", data.alarm_id, data.time
    elif data.entity_id:
        id = f"state/{data.entity_id}/{data.property}/{data.revision}/{data.freshness}"
        subject, time = data.entity_id, data.phenomenon_time
    else:
        id, subject, time = f"place/{_hash(previous_cursor)}", None, None
    return CloudEvent(
        specversion="1.0",
        # A snapshot repeats the present state: its event is not the event of the change.
        id=id if event.name in ("state", "alarm") else f"{event.name}/{id}",
        source=f"/livetwin/{city}",
        type=f"livetwin.{event.name}",
        subject=subject,
        time=time,
        datacontenttype="application/json",
        cursor=event.cursor,
        data=msgspec.Raw(event.data),
    )


def build_message(events: Sequence[CloudEvent], mode: WebhookMode) -> WebhookMessage:
    """Return the message that carries the events: a JSON array, or the only event in the mode `single`."""
    body = _encode(events[0] if mode == "single" else events)
    return WebhookMessage(
        id="msg_" + _hash("\n".join(event.id for event in events)),
        content_type=SINGLE_CONTENT_TYPE if mode == "single" else BATCH_CONTENT_TYPE,
        body=body,
        events=list(events),
        cursor=events[-1].cursor,
    )


def to_documents(events: Sequence[CloudEvent]) -> list[dict[str, Any]]:
    """Return events as decoded JSON documents."""
    documents: list[dict[str, Any]] = msgspec.json.decode(_encode(events))
    return documents


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
