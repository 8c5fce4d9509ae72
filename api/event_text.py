"""The text of state events: what stays the same in all events of a value is written once.

It is what `api.live.events.state_data` and `api.live.events.encode_event` write, byte for byte, in a fifth
of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from api.live.cursor import RecordCursors
from api.live.events import state_data
from twin.instant import SECOND, Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.names import resolve_name
from twin.quality.quality_flags import quality_word
from twin.state.freshness import Freshness
from twin.wire.messages import Update

# Flags have some hundred combinations; what a device invents has no more room than this.
WORDS_MAX = 10_000

_BEHIND_CURSOR = b"\nevent: state\ndata: "

# As nearly always: received at no full second, with a count.
_END = b'","receivedTime":"%b.%06dZ%b%d,"count":%d}\n\n'

_encode = msgspec.json.Encoder().encode

_words: dict[tuple[int, Freshness], bytes] = {}


EventHead: TypeAlias = tuple[bytes, bytes, bytes]
"""What stands before the data of an event, in three parts: the middle one differs within a record."""


def event_head(cursor: str) -> EventHead:
    """Return what stands before the data of a state event."""
    return b"id: ", cursor.encode(), _BEHIND_CURSOR


def event_heads(places: RecordCursors) -> Callable[[int], EventHead]:
    """Return what stands before the data of each state event of one record, by how many were told before."""
    begin, counts, end = b"id: " + places.head, places.middles, places.tail + _BEHIND_CURSOR
    return lambda number: (begin, counts[number], end)


class ConstantParts(NamedTuple):
    """What stays the same in the events of one value while the city model does."""

    begin: bytes  #: up to the value
    unit: bytes  #: behind the value, up to the phenomenon time


def constant_parts(update: Update, model: CityModel) -> ConstantParts | None:
    """Return what stays the same in the events of a value; None where its name means nothing."""
    what = resolve_name(update.property, model)
    if what is None:
        return None
    return ConstantParts(
        b'{"entityId":%b,"property":%b,"value":' % (_encode(update.entity), _encode(update.property)),
        b',"unit":%b,"phenomenonTime":"' % _encode(what.unit),
    )


def encode_state_event(
    head: EventHead, parts: ConstantParts, update: Update, freshness: Freshness, model: CityModel
) -> bytes:
    """Return the event that tells a value, as Server-Sent Events have it."""
    before, number, behind = head
    begin, unit = parts
    second, rest = divmod(update.received_time, SECOND)
    if rest == 0 or update.count < 0 or update.last_good is not None:
        data = state_data(update, freshness, model)
        return b"".join((before, number, behind, data or b"{}", b"\n\n"))
    words = _words.get((update.flags, freshness)) or _written(update.flags, freshness)
    end = _END % (_second(second), rest, words, update.revision, update.count)
    value, measured = _encode(update.value), _instant(update.phenomenon_time)
    return b"".join((before, number, behind, begin, value, unit, measured, end))


def _instant(instant: Instant) -> bytes:
    """Return what `format_instant` does, as bytes."""
    second, rest = divmod(instant, SECOND)
    return b"%b.%06dZ" % (_second(second), rest) if rest else _second(second) + b"Z"


@lru_cache(maxsize=10_000)
def _second(second: int) -> bytes:
    return format_instant(second * SECOND)[:-1].encode()


def _written(flags: int, freshness: Freshness) -> bytes:
    """Return how good and how fresh a value is, up to its revision."""
    text = b'","quality":"%b","freshness":"%b","revision":' % (
        quality_word(flags).encode(),
        freshness.encode(),
    )
    if len(_words) < WORDS_MAX:
        _words[flags, freshness] = text
    return text
