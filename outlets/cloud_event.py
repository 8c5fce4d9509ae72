"""Events of the live stream as CloudEvents 1.0 (JSON event format), and the message around them. Pure."""

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
    """One event."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str
    #: extension: where to resume behind this event
    cursor: str
    data: msgspec.Raw


class WebhookMessage(NamedTuple):
    """What is sent at one time."""

    id: str  #: the same for the same events
    content_type: str
    body: bytes
    events: list[CloudEvent]
    cursor: str  #: behind its last event


class _EventData(msgspec.Struct, frozen=True, rename="camel"):
    """What of an event's data says which event it is."""

    entity_id: str = ""
    property: str = ""
    alarm_id: str = ""
    revision: int = 0
    freshness: str = ""
    phenomenon_time: str | None = None
    time: str | None = None


_decode_event_data = msgspec.json.Decoder(_EventData).decode
_encode = msgspec.json.Encoder().encode


def cloud_event(event: LiveEvent, city: str, after: str) -> CloudEvent:
    """Return an event of the live stream as a CloudEvent; `after` is the cursor before it.

    Its id follows from what it tells, so it is the same however often it is told, and by whichever process.
    """
    told = _decode_event_data(event.data)
    if told.alarm_id:
        id, subject, time = f"alarm/{told.alarm_id}/{told.revision}", told.alarm_id, told.time
    elif told.entity_id:
        id = f"state/{told.entity_id}/{told.property}/{told.revision}/{told.freshness}"
        subject, time = told.entity_id, told.phenomenon_time
    else:
        id, subject, time = f"place/{_hash(after)}", None, None
    return CloudEvent(
        specversion="1.0",
        # A snapshot tells what is, and need not be news: it is another event than the change to it.
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
    """Return the message that carries events: an array, or in the mode `single` the only one."""
    body = _encode(events[0] if mode == "single" else events)
    return WebhookMessage(
        id="msg_" + _hash("\n".join(one.id for one in events)),
        content_type=SINGLE_CONTENT_TYPE if mode == "single" else BATCH_CONTENT_TYPE,
        body=body,
        events=list(events),
        cursor=events[-1].cursor,
    )


def to_documents(events: Sequence[CloudEvent]) -> list[dict[str, Any]]:
    """Return events as what JSON is decoded to."""
    found: list[dict[str, Any]] = msgspec.json.decode(_encode(events))
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
