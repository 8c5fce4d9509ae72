"""CloudEvents 1.0 (JSON event format) of the live stream, in two formats. Pure.

`nlgov` is the NL GOV profile for CloudEvents 1.1, section "Context Attributes"
(github.com/Logius-standaarden/NL-GOV-profile-for-CloudEvents); `livetwin` is the deprecated form of earlier
subscriptions, whose bytes do not change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from api.live.events import LiveEvent, SentEventName
from storage.stores.webhooks import WebhookFormat
from twin.instant import Instant, parse_instant

DEPRECATED: Instant = parse_instant("2026-12-01T00:00:00Z")
"""Since when the format `livetwin` is deprecated."""

SUNSET: Instant = parse_instant("2027-12-01T00:00:00Z")
"""Until when the format `livetwin` is sent; a year, as the NLGov rules have it for versions of an API."""

TYPE_NAMES: Mapping[SentEventName, str] = {
    "state": "state-changed.v1",
    "alarm": "alarm-changed.v1",
    "snapshot": "snapshot.v1",
    "gap": "gap.v1",
}
"""The end of each type of the format `nlgov`, behind the name of the data source. A webhook gets no
heartbeats."""


class CloudEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A CloudEvent; `cursor` is an extension of ours."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str
    sequence: str | None = None  #: orders the events of one subject and property; digits of equal number
    cursor: str  #: where to resume after this event
    data: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """How events name the system that sends them."""

    city: str
    urn: str  #: `source` of the format `nlgov`: a URN with the namespace nld
    type_prefix: str  #: of the types of the format `nlgov`: the data source, in reverse-DNS notation

    @classmethod
    def of_city(cls, city: str, urn: str = "", type_prefix: str = "") -> EventSource:
        """Return the source of a city; `urn` and `type_prefix` are derived from its id where empty.

        >>> EventSource.of_city("alkmaar").urn
        'urn:nld:alkmaar-twin:systeem:livetwin'
        """
        return cls(
            city=city,
            urn=urn or f"urn:nld:{city}-twin:systeem:livetwin",
            type_prefix=type_prefix or f"nl.{city}-twin",
        )


class _EventData(msgspec.Struct, frozen=True, rename="camel"):
    """The members of an event's data that describe the event."""

    entity_id: str = ""
    property: str = ""
    alarm_id: str = ""
    revision: int = 0
    freshness: str = ""
    phenomenon_time: str | None = None
    received_time: str | None = None
    time: str | None = None


class _Identity(NamedTuple):
    id: str
    subject: str | None


_decode_event_data = msgspec.json.Decoder(_EventData).decode
_encode = msgspec.json.Encoder().encode


def cloud_event(
    event: LiveEvent, source: EventSource, format: WebhookFormat, previous_cursor: str
) -> CloudEvent:
    """Return a live event as a CloudEvent; `previous_cursor` is the cursor before it.

    Its id is derived from its content, so repeated deliveries by any process have the same id.
    """
    data = _decode_event_data(event.data)
    id, subject = _identity(event, data, previous_cursor)
    if format == "livetwin":
        return CloudEvent(
            specversion="1.0",
            id=id,
            source=f"/livetwin/{source.city}",
            type=f"livetwin.{event.name}",
            subject=subject,
            time=data.time if data.alarm_id else data.phenomenon_time,
            datacontenttype="application/json",
            cursor=event.cursor,
            data=msgspec.Raw(event.data),
        )
    return CloudEvent(
        specversion="1.0",
        id=id,
        source=source.urn,
        type=f"{source.type_prefix}.{TYPE_NAMES[event.name]}",
        subject=subject,
        # The profile wants the time when the event was logged, not when it happened. That of an alarm is not
        # in its data, so it has none.
        time=data.received_time,
        datacontenttype="application/json",
        sequence=f"{data.revision:020d}" if subject and data.revision else None,
        cursor=event.cursor,
        data=msgspec.Raw(event.data),
    )


def _identity(event: LiveEvent, data: _EventData, previous_cursor: str) -> _Identity:
    if data.alarm_id:
        id, subject = f"alarm/{data.alarm_id}/{data.revision}", data.alarm_id
    elif data.entity_id:
        # A played value has no revision; nothing else of its entity was received at the same time with it.
        version = str(data.revision or f"{data.received_time}/{data.phenomenon_time}")
        id = f"state/{data.entity_id}/{data.property}/{version}/{data.freshness}"
        subject = data.entity_id
    else:
        return _Identity(f"{event.name}/place/{short_hash(previous_cursor)}", None)
    # A snapshot repeats the present state: its event is not the event of the change.
    return _Identity(id if event.name in ("state", "alarm") else f"{event.name}/{id}", subject)


def to_documents(events: Sequence[CloudEvent]) -> list[dict[str, Any]]:
    """Return events as decoded JSON documents."""
    documents: list[dict[str, Any]] = msgspec.json.decode(_encode(events))
    return documents


def short_hash(text: str) -> str:
    """Return a hash of a text that identifies it: 32 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
