"""Events of the live stream: their data as JSON, and their encoding as Server-Sent Events.

State events have a second encoder, `encode_state_event`: it reuses the parts that are the same in all events
of a value, writes the same bytes as `state_data` and `encode_event`, and takes a fifth of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, cast

import msgspec
from msgspec import UNSET, UnsetType

from api.entities.models import LastGood
from api.live.cursor import RecordCursors
from api.live.models import (
    EmptySnapshot,
    GapData,
    GapReason,
    HeartbeatData,
    SnapshotState,
    StateData,
)
from twin.instant import SECOND, Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.names import resolve_name
from twin.quality.quality_flags import quality_word
from twin.state.freshness import Freshness
from twin.wire.messages import Update

EventName: TypeAlias = Literal["snapshot", "state", "alarm", "gap"]
"""The events that a subscriber chooses among."""

HEARTBEAT: Literal["heartbeat"] = "heartbeat"

SentEventName: TypeAlias = Literal[EventName, "heartbeat"]
"""All events; a heartbeat comes only to who asks for it by its own parameter."""

KEEPALIVE = b":\n"
"""A comment, without the empty line that ends an event: httpx-sse reads that as an event without data."""


class LiveEvent(NamedTuple):
    """One event of the live stream."""

    cursor: str
    name: SentEventName
    data: bytes  #: JSON


GAP_DETAILS = {
    GapReason.LOG_CHANGED: "The log that the cursor points into was replaced by a new one.",
    GapReason.LOG_TRUNCATED: "The log no longer reaches back to the cursor.",
    GapReason.LOG_UNREADABLE: "The log could not be read from the cursor on.",
    GapReason.CURSOR_AHEAD: "The cursor points beyond the end of the log.",
    GapReason.TOO_SLOW: "Events came faster than they were read.",
}


_encode = msgspec.json.Encoder().encode

EMPTY_SNAPSHOT = _encode(EmptySnapshot())
"""The data of an empty snapshot."""


def state_data(update: Update, freshness: Freshness, model: CityModel, *, last: bool = False) -> bytes | None:
    """Return the JSON of a value; `last` marks the end of a snapshot. None for an unknown name."""
    name = resolve_name(update.property, model)
    if name is None:
        return None
    of_area = update.members_expected > 0
    members = (
        update.entity,
        update.property,
        update.value,
        name.unit,
        format_instant(update.phenomenon_time),
        format_instant(update.received_time),
        quality_word(update.flags),
        freshness,
        update.revision,
        update.count if update.count >= 0 else UNSET,
        _last_good(update),
        update.members if of_area else UNSET,
        update.members_expected if of_area else UNSET,
        True if of_area and update.preliminary else UNSET,
    )
    return _encode(SnapshotState(*members, True) if last else StateData(*members))


def _last_good(update: Update) -> LastGood | UnsetType:
    if update.last_good is None:
        return UNSET
    value, time = update.last_good
    return LastGood(value=value, phenomenon_time=format_instant(time))


def gap_data(reason: GapReason) -> bytes:
    """Return the JSON of a gap event."""
    return _encode(GapData(reason=reason, detail=GAP_DETAILS[reason]))


def heartbeat_data(now: Instant, caught_up_time: Instant | None, update_time: Instant | None) -> bytes:
    """Return the JSON of a heartbeat; None: not known yet."""
    return _encode(
        HeartbeatData(
            time=format_instant(now),
            caught_up_time=format_instant(caught_up_time) if caught_up_time is not None else None,
            update_time=format_instant(update_time) if update_time is not None else None,
        )
    )


def encode_event(event: SentEventName, cursor: str, data: bytes) -> bytes:
    """Return one Server-Sent Event; `data` contains no line break."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), event.encode(), data)


def decode_events(chunk: bytes) -> list[LiveEvent]:
    """Return the events of a chunk that `encode_event` wrote; comments are left out.

    >>> decode_events(encode_event("state", "c1", b"{}") + KEEPALIVE)
    [LiveEvent(cursor='c1', name='state', data=b'{}')]
    """
    events = []
    for block in chunk.split(b"\n\n"):
        if block.startswith(b"id: "):
            cursor, name, data = (line.partition(b": ")[2] for line in block.split(b"\n"))
            events.append(LiveEvent(cursor.decode(), cast(SentEventName, name.decode()), data))
    return events


def heartbeats_of(chunk: bytes) -> bytes:
    """Return the heartbeats of a chunk that `encode_event` wrote, as a chunk.

    >>> heartbeats_of(encode_event("state", "c1", b"{}") + encode_event("heartbeat", "c1", b"{}"))
    b'id: c1\\nevent: heartbeat\\ndata: {}\\n\\n'
    """
    heartbeats = (event for event in decode_events(chunk) if event.name == HEARTBEAT)
    return b"".join(encode_event(event.name, event.cursor, event.data) for event in heartbeats)


# Flags have some hundred combinations; a bound all the same, as devices may send any.
WORDS_MAX = 10_000

_BEHIND_CURSOR = b"\nevent: state\ndata: "

# The common case: a received time with a fraction of a second, and a count.
_END = b'","receivedTime":"%b.%06dZ%b%d,"count":%d}\n\n'


_words: dict[tuple[int, Freshness], bytes] = {}

EventHead: TypeAlias = tuple[bytes, bytes, bytes]
"""The text before the data of an event, in three parts: only the middle one differs within a record."""


def event_head(cursor: str) -> EventHead:
    """Return the text before the data of a state event."""
    return b"id: ", cursor.encode(), _BEHIND_CURSOR


def event_heads(cursors: RecordCursors) -> Callable[[int], EventHead]:
    """Return a function from the index of an update in its record to the text before its event's data."""
    begin, middles, end = b"id: " + cursors.head, cursors.middles, cursors.tail + _BEHIND_CURSOR
    return lambda index: (begin, middles[index], end)


class ConstantParts(NamedTuple):
    """The parts that all events of one value share while the city model stays the same."""

    begin: bytes  #: up to the value
    unit: bytes  #: behind the value, up to the phenomenon time


def constant_parts(update: Update, model: CityModel) -> ConstantParts | None:
    """Return the constant parts of a value's events; None for an unknown name."""
    name = resolve_name(update.property, model)
    if name is None:
        return None
    return ConstantParts(
        b'{"entityId":%b,"property":%b,"value":' % (_encode(update.entity), _encode(update.property)),
        b',"unit":%b,"phenomenonTime":"' % _encode(name.unit),
    )


def encode_state_event(
    head: EventHead, parts: ConstantParts, update: Update, freshness: Freshness, model: CityModel
) -> bytes:
    """Return the Server-Sent Event of a value."""
    before, middle, behind = head
    begin, unit = parts
    second, rest = divmod(update.received_time, SECOND)
    if rest == 0 or update.count < 0 or update.members_expected or update.last_good is not None:
        data = state_data(update, freshness, model)
        return b"".join((before, middle, behind, data or b"{}", b"\n\n"))
    words = _words.get((update.flags, freshness)) or _encode_words(update.flags, freshness)
    end = _END % (_second(second), rest, words, update.revision, update.count)
    value, measured = _encode(update.value), _instant(update.phenomenon_time)
    return b"".join((before, middle, behind, begin, value, unit, measured, end))


def _instant(instant: Instant) -> bytes:
    """Return the text of `format_instant` as bytes."""
    second, rest = divmod(instant, SECOND)
    return b"%b.%06dZ" % (_second(second), rest) if rest else _second(second) + b"Z"


@lru_cache(maxsize=10_000)
def _second(second: int) -> bytes:
    return format_instant(second * SECOND)[:-1].encode()


def _encode_words(flags: int, freshness: Freshness) -> bytes:
    """Return the members quality and freshness, up to the revision."""
    text = b'","quality":"%b","freshness":"%b","revision":' % (
        quality_word(flags).encode(),
        freshness.encode(),
    )
    if len(_words) < WORDS_MAX:
        _words[flags, freshness] = text
    return text
