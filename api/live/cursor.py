"""Cursors: where in the log a subscriber has got to, as an opaque text.

A cursor names the log and, for each lane (`api.live.partition_order`: partitions of `updates`, then of
`alarms`), the next
record and how much of it is already told. It also says up to when ageing was told, because a value that
turns stale is not on the log.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from twin.instant import Instant
from twin.wire.codec import DECODE_ERRORS

PartitionPosition: TypeAlias = tuple[int, int]
"""Offset of the next record, and how many of its updates, or events of alarms, are told."""

_VERSION = 1

# 2,048 lanes of 14 bytes each, in base64, with room for the log's name.
CURSOR_CHARACTERS_MAX = 40_000


class CursorError(ValueError):
    """A text is not a cursor that this API gave."""


class Cursor(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A place in one log."""

    log: str
    positions: tuple[PartitionPosition, ...]  #: by lane
    aged_until: Instant  #: every transition of freshness due until then is told
    partial: bool = False  #: a snapshot was under way: whoever resumes here needs a new one
    version: int = _VERSION


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Cursor)


def encode_cursor(cursor: Cursor) -> str:
    """Return a cursor as text of `A–Z a–z 0–9 - _`."""
    return base64.urlsafe_b64encode(_encoder.encode(cursor)).rstrip(b"=").decode()


def decode_cursor(text: str) -> Cursor:
    """Return the cursor that a text holds; raise CursorError when it holds none."""
    if len(text) > CURSOR_CHARACTERS_MAX:
        raise CursorError(f"{len(text)} characters are more than a cursor has")
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = _decoder.decode(data)
    except (UnicodeEncodeError, binascii.Error, *DECODE_ERRORS) as error:
        raise CursorError("not a cursor that this API gave") from error
    if cursor.version != _VERSION:
        raise CursorError(f"a cursor of version {cursor.version}, expected {_VERSION}")
    if any(offset < 0 or index < 0 for offset, index in cursor.positions):
        raise CursorError("a cursor with a position before the log")
    return cursor


class RecordCursors:
    """The cursors behind each of the updates of one record: they differ in one number.

    The text around it is made once. Base64 writes three bytes at a time, so only the bytes that share a group
    with the number are written for each, of all at once. The number always takes four bytes, which reads the
    same.
    """

    def __init__(self, cursor: Cursor, lane: int, offset: int, count: int) -> None:
        positions = list(cursor.positions)
        whole = []
        for told in (_FOUR_BYTES, _FOUR_BYTES | 0xFFFF):
            positions[lane] = offset, told
            whole.append(_encoder.encode(msgspec.structs.replace(cursor, positions=tuple(positions))))
        differing = next(place for place, pair in enumerate(zip(*whole, strict=True)) if pair[0] != pair[1])
        begin, end = differing - 2, differing + 2
        first, last = begin - begin % 3, end + -end % 3
        encoded = whole[0]
        self.head = _text(encoded[:first])
        self.tail = _text(encoded[last:]).rstrip(b"=")
        groups = bytearray(encoded[first:last] * count)
        told_counts = struct.pack(f">{count}I", *range(1, count + 1))
        for byte in range(4):
            groups[begin - first + byte :: last - first] = told_counts[byte::4]
        text, size = _text(groups), (last - first) // 3 * 4
        #: what stands between head and tail when one update is told, when two are, and so on
        self.middles = [text[at : at + size] for at in range(0, len(text), size)]


_FOUR_BYTES = 0x10000
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def ageing_positions(dues: Sequence[Instant], since: Instant) -> Iterator[Instant]:
    """Yield what a cursor behind the event of each ageing says: until when ageing is told.

    `dues` ascend. Several values that age at one instant are told only with the last of them.

    >>> list(ageing_positions([5, 7, 7, 9], since=3))
    [5, 5, 7, 9]
    """
    until = since
    for number, due in enumerate(dues):
        if number + 1 == len(dues) or dues[number + 1] > due:
            until = max(until, due)
        yield until


def _text(data: bytes | bytearray) -> bytes:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE)
