"""Messages of the WebSocket of live events: what clients may send, and what they get. Pure.

A client names its subscriptions itself. The events are those of the stream of Server-Sent Events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType
from pydantic import Field, ValidationError

from api.http.bodies import RequestBody, json_object
from api.http.models import Model
from api.http.parameters import parsed_by
from api.http.problems import Problem, ProblemError, RequestFault, bad_request, body_faults
from api.live.cursor import decode_cursor
from api.live.models import AnyLiveEvent
from api.live.schemas import EventFilter, Heartbeats, PlayedEvents, ReducedEvents

EVENTS_BYTES_MAX = 64 * 1024
"""Of the events in one message, unless a single one is longer: clients refuse messages beyond a megabyte."""

_NAME = r"^[A-Za-z0-9._~-]{1,64}$"

SubscriptionName: TypeAlias = Annotated[
    str, Field(pattern=_NAME, description="Chosen by the client, for one connection.")
]
NameOfSubscription: TypeAlias = Annotated[str, Meta(pattern=_NAME)]


class Subscribe(RequestBody, ReducedEvents, PlayedEvents, Heartbeats):
    """Begins a subscription; one of the same name is replaced, with its filter.

    Without a cursor and a start a snapshot comes first.
    """

    type: Literal["subscribe"]
    subscription: SubscriptionName
    filter: EventFilter = Field(default_factory=EventFilter, description="Which events; all by default.")
    cursor: Annotated[str, parsed_by(decode_cursor)] | None = Field(
        default=None, description="`id` of the last event received, to go on after it."
    )


class Unsubscribe(RequestBody):
    """Ends a subscription."""

    type: Literal["unsubscribe"]
    subscription: SubscriptionName


ClientMessage: TypeAlias = Subscribe | Unsubscribe

_KINDS: Mapping[str, type[ClientMessage]] = {"subscribe": Subscribe, "unsubscribe": Unsubscribe}


class SubscribedMessage(Model, tag_field="type", tag="subscribed", frozen=True, kw_only=True):
    """A subscription has begun: what follows under its name is as its filter says."""

    subscription: NameOfSubscription


class UnsubscribedMessage(Model, tag_field="type", tag="unsubscribed", frozen=True, kw_only=True):
    """A subscription has ended: nothing follows under its name."""

    subscription: NameOfSubscription


class EventsMessage(Model, tag_field="type", tag="events", frozen=True, kw_only=True):
    """One or more events of a subscription, in order."""

    subscription: NameOfSubscription
    events: Annotated[list[AnyLiveEvent], Meta(min_length=1)]


class KeepaliveMessage(Model, tag_field="type", tag="keepalive", frozen=True, kw_only=True):
    """A subscription is still there, without events for a while."""

    subscription: NameOfSubscription


class ProblemMessage(Model, tag_field="type", tag="problem", frozen=True, kw_only=True):
    """A message had faults and changed nothing; the connection and its subscriptions go on."""

    subscription: NameOfSubscription | UnsetType = UNSET  #: that the message was for, where it names one
    problem: Problem
    retry_after: Annotated[int, Meta(ge=0, description="Seconds to wait.")] | UnsetType = UNSET


ServerMessage: TypeAlias = (
    SubscribedMessage | UnsubscribedMessage | EventsMessage | KeepaliveMessage | ProblemMessage
)

_encode = msgspec.json.Encoder().encode


def encode_message(message: ServerMessage) -> str:
    """Return the text of a message."""
    return _encode(message).decode()


def read_object(text: str) -> dict[str, Any]:
    """Return the JSON object of a message; raise a problem when it is something else."""
    return json_object(text.encode(), "expected a JSON object")


def subscription_in(item: Mapping[str, Any]) -> str | UnsetType:
    """Return the subscription that a message names, as far as it is a name."""
    try:
        return msgspec.convert(item.get("subscription"), NameOfSubscription)
    except msgspec.ValidationError:
        return UNSET


def read_message(item: Mapping[str, Any]) -> ClientMessage:
    """Return the message in a JSON object; raise a problem with all its faults."""
    type = item.get("type")
    kind = _KINDS.get(type) if isinstance(type, str) else None
    if kind is None:
        detail = f"found {str(type)[:100]!r}, expected {' or '.join(_KINDS)}"
        raise bad_request(RequestFault("body", "type", "literal_error", detail))
    try:
        return kind.model_validate(item)
    except ValidationError as error:
        raise _problem(error, kind) from None


def _problem(error: ValidationError, kind: type[ClientMessage]) -> ProblemError:
    known = [field.alias or name for name, field in kind.model_fields.items()]
    known += [f"filter.{field.alias or name}" for name, field in EventFilter.model_fields.items()]
    return bad_request(*body_faults(error, known))


# What stands between the parts of two events in the stream of Server-Sent Events, and in JSON. Data are JSON
# without line breaks, and cursors and names need no escape: a replacement is exact, and shares the encoding.
_NEXT_EVENT = (b"\n\nid: ", b'},{"id":"')
_NAME_OF_EVENT = (b"\nevent: ", b'","event":"')
_DATA_OF_EVENT = (b"\ndata: ", b'","data":')


def event_messages(subscription: str, chunk: bytes, bytes_max: int = EVENTS_BYTES_MAX) -> Iterator[str]:
    """Yield the messages with the events of a chunk of Server-Sent Events, which has no comments.

    >>> next(event_messages("air", b"id: c1\\nevent: state\\ndata: {}\\n\\n"))
    '{"type":"events","subscription":"air","events":[{"id":"c1","event":"state","data":{}}]}'
    """
    begin = b'{"type":"events","subscription":%b,"events":[{"id":"' % _encode(subscription)
    first = 0
    while first < len(chunk):
        end = _end_of_events(chunk, first, bytes_max)
        events = chunk[first + len(b"id: ") : end - len(b"\n\n")]
        for found, written in (_NEXT_EVENT, _NAME_OF_EVENT, _DATA_OF_EVENT):
            events = events.replace(found, written)
        yield (begin + events + b"}]}").decode()
        first = end


def _end_of_events(chunk: bytes, first: int, bytes_max: int) -> int:
    """Return the end of the last event that ends within the bytes, else that of the first one."""
    if len(chunk) - first <= bytes_max:
        return len(chunk)
    last = chunk.rfind(b"\n\n", first, first + bytes_max)
    return (last if last > first else chunk.index(b"\n\n", first)) + len(b"\n\n")
