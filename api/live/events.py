"""Events of the live stream: their data, and how they are written as Server-Sent Events."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias, cast

import msgspec

from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.model.names import resolve_name
from twin.quality.quality_flags import QualityWord, quality_word
from twin.state.freshness import Freshness
from twin.wire.messages import Update

EventName: TypeAlias = Literal["snapshot", "state", "alarm", "gap"]

KEEPALIVE = b": still here\n\n"


class LiveEvent(NamedTuple):
    """One event of the live stream."""

    cursor: str
    name: EventName
    data: bytes  #: JSON


class GapReason(StrEnum):
    """Why a subscriber missed something and gets a snapshot instead."""

    LOG_CHANGED = "log-changed"  #: the log that the cursor names is gone; there is a new one
    LOG_TRUNCATED = "log-truncated"  #: the log no longer reaches back to the cursor
    LOG_UNREADABLE = "log-unreadable"  #: the log could not be read again just now
    CURSOR_AHEAD = "cursor-ahead"  #: the cursor points beyond the end of the log
    TOO_SLOW = "too-slow"  #: the subscriber did not read as fast as events came


GAP_DETAILS = {
    GapReason.LOG_CHANGED: "The log that the cursor points into was replaced by a new one.",
    GapReason.LOG_TRUNCATED: "The log no longer reaches back to the cursor.",
    GapReason.LOG_UNREADABLE: "The log could not be read from the cursor on.",
    GapReason.CURSOR_AHEAD: "The cursor points beyond the end of the log.",
    GapReason.TOO_SLOW: "Events came faster than they were read.",
}


class LastGoodData(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The newest good value, beside one that is suspect."""

    value: float
    phenomenon_time: str


class StateData(msgspec.Struct, frozen=True, rename="camel", gc=False, omit_defaults=True):
    """What a state or snapshot event tells."""

    entity_id: str
    property: str
    value: float
    unit: str
    phenomenon_time: str
    received_time: str
    quality: QualityWord
    freshness: Freshness
    revision: int
    count: int = -1
    last_good: LastGoodData | None = None


class FinalStateData(StateData, frozen=True, rename="camel", gc=False):
    """The last event of a snapshot."""

    complete: bool | None = None  # said, as defaults are left out


class _Complete(msgspec.Struct, frozen=True):
    complete: bool = True


class _Gap(msgspec.Struct, frozen=True):
    reason: str
    detail: str


_encode = msgspec.json.Encoder().encode

EMPTY_SNAPSHOT = _encode(_Complete())
"""The data of the snapshot of nothing."""


def state_data(update: Update, freshness: Freshness, model: CityModel, *, last: bool = False) -> bytes | None:
    """Return the JSON of a value; `last` marks the end of a snapshot. None where the name means nothing."""
    what = resolve_name(update.property, model)
    if what is None:
        return None
    good = update.last_good
    members = (
        update.entity,
        update.property,
        update.value,
        what.unit,
        format_instant(update.phenomenon_time),
        format_instant(update.received_time),
        quality_word(update.flags),
        freshness,
        update.revision,
        update.count,
        LastGoodData(good.value, format_instant(good.phenomenon_time)) if good is not None else None,
    )
    return _encode(FinalStateData(*members, complete=True) if last else StateData(*members))


def gap_data(reason: GapReason) -> bytes:
    """Return the JSON of a gap event."""
    return _encode(_Gap(reason.value, GAP_DETAILS[reason]))


def encode_event(event: EventName, cursor: str, data: bytes) -> bytes:
    """Return one Server-Sent Event; `data` holds no line break."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), event.encode(), data)


def decode_events(chunk: bytes) -> list[LiveEvent]:
    """Return the events in what `encode_event` wrote; comments are left out.

    >>> decode_events(encode_event("state", "c1", b"{}") + KEEPALIVE)
    [LiveEvent(cursor='c1', name='state', data=b'{}')]
    """
    found = []
    for block in chunk.split(b"\n\n"):
        if block.startswith(b"id: "):
            cursor, name, data = (line.partition(b": ")[2] for line in block.split(b"\n"))
            found.append(LiveEvent(cursor.decode(), cast(EventName, name.decode()), data))
    return found
