"""Messages of webhooks, from batches of events that are bounded in number, bytes and time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from api.live.events import SentEventName
from api.webhooks.cloud_event import CloudEvent, short_hash
from storage.stores.webhooks import WebhookMode

BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
SINGLE_CONTENT_TYPE = "application/cloudevents+json"

MESSAGE_EVENTS_MAX = 100
"""Events in one message."""

MESSAGE_BYTES_MAX = 256 * 1024
"""Bytes of a message with several events: a state has some 600, an alarm some kilobytes."""

_URGENT: frozenset[SentEventName] = frozenset({"alarm", "gap"})
"""Events that wait for no others."""

_encode = msgspec.json.Encoder().encode


class WebhookMessage(NamedTuple):
    """The body of one request, with what identifies and describes it."""

    id: str  #: the same for the same events
    content_type: str
    body: bytes
    events: list[CloudEvent]
    cursor: str  #: where to resume after its last event


class BatchLimits(NamedTuple):
    """What ends a batch."""

    events_max: int = MESSAGE_EVENTS_MAX
    bytes_max: int = MESSAGE_BYTES_MAX
    wait_s: float = 0.0  #: from the first event on; alarms and gaps do not wait


class EncodedEvent(NamedTuple):
    """An event and its bytes."""

    name: SentEventName
    event: CloudEvent
    body: bytes


def encode_event(name: SentEventName, event: CloudEvent) -> EncodedEvent:
    """Return an event of the live stream with the bytes of its CloudEvent."""
    return EncodedEvent(name, event, _encode(event))


class EventBatch:
    """The events of the next message. Mutable.

    A gap is a batch of its own: what follows it may begin anew. An event larger than `bytes_max` is, too.
    """

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._events: list[EncodedEvent] = []
        self._bytes = 1  # of the message, with a bracket or a comma for each event
        self._due_s = 0.0

    def __bool__(self) -> bool:
        return bool(self._events)

    @property
    def due_s(self) -> float:
        """When the batch is sent at the latest, on the clock of `add`."""
        return self._due_s

    @property
    def is_full(self) -> bool:
        """Whether the batch accepts no further event."""
        return bool(self._events) and (
            self._events[-1].name == "gap"
            or len(self._events) >= self._limits.events_max
            or self._bytes >= self._limits.bytes_max
        )

    def accepts(self, event: EncodedEvent) -> bool:
        """Whether an event may join the events of the batch; an empty one accepts any."""
        if not self._events:
            return True
        size = self._bytes + len(event.body) + 1
        return event.name != "gap" and not self.is_full and size <= self._limits.bytes_max

    def add(self, event: EncodedEvent, now_s: float) -> None:
        """Add an event that the batch accepts; `now_s` is of a monotonic clock."""
        if not self._events:
            self._due_s = now_s + self._limits.wait_s
        if event.name in _URGENT:
            self._due_s = now_s
        self._events.append(event)
        self._bytes += len(event.body) + 1

    def take_message(self, mode: WebhookMode) -> WebhookMessage:
        """Return the message of the events, at least one, and begin a new batch."""
        events, self._events, self._bytes = self._events, [], 1
        return build_message(events, mode)


def build_message(events: Sequence[EncodedEvent], mode: WebhookMode) -> WebhookMessage:
    """Return the message of events: a JSON array, or the only event in the mode `single`."""
    return WebhookMessage(
        id="msg_" + short_hash("\n".join(each.event.id for each in events)),
        content_type=SINGLE_CONTENT_TYPE if mode == "single" else BATCH_CONTENT_TYPE,
        body=events[0].body if mode == "single" else b"[%b]" % b",".join(each.body for each in events),
        events=[each.event for each in events],
        cursor=events[-1].event.cursor,
    )
