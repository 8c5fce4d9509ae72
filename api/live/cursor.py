"""Cursors: the position of a subscriber in the log, as an opaque text.

A cursor names the log and, for each partition in the order of `api.live.partition_order`, the next record
and how many of its changes are already sent. It also has the time until which ageing was sent, because a
value that turns stale makes no record. Inside a snapshot it has the place in it, too. Inside stored history
it has the place there instead of one in the log.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from twin.alarms.messages import AlarmEvent
from twin.instant import INSTANT_MAX, INSTANT_MIN, MINUTE, Duration, Instant
from twin.quality.quality_flags import DISAGREES
from twin.wire.codec import DECODE_ERRORS
from twin.wire.messages import Update, UpdateKind

PartitionPosition: TypeAlias = tuple[int, int]
"""Offset of the next record, and how many of its updates or alarm events are already sent."""

SnapshotKey: TypeAlias = tuple[str, str]
"""Entity and property of a value, or "" and the id of an alarm: the order of a snapshot."""

SEAM: Duration = 2 * MINUTE
"""So long before the end of played history an update of the log may be the one of a played observation. An
older observation has a further update because it was assessed anew: that was not played."""

_VERSION = 1

# 2,048 partitions of 14 bytes each, in base64, with room for the name of the log.
CURSOR_CHARACTERS_MAX = 40_000


class CursorError(ValueError):
    """A text is not a cursor that this API gave."""


_DATASTREAM_MAX = (1 << 31) - 1


class HistoryPlace(NamedTuple):
    """A place in stored history, in the order of reception; events of alarms are at their log time.

    Of one time observations come first, by datastream and phenomenon time, then alarms, by id and revision.
    """

    start: Instant  #: from which on history is played
    received_time: Instant
    datastream: int
    phenomenon_time: Instant
    alarm: str = ""  #: empty: before all events of alarms of this time
    revision: int = 0  #: of the alarm

    @classmethod
    def between(cls, start: Instant, time: Instant) -> HistoryPlace:
        """Return the place before everything of a time."""
        return cls(start, time, -1, INSTANT_MIN)

    @classmethod
    def of_alarm(cls, start: Instant, event: AlarmEvent) -> HistoryPlace:
        """Return the place of an event of an alarm."""
        return cls(start, event.told_time, _DATASTREAM_MAX, INSTANT_MAX, event.alarm, event.revision)

    @property
    def is_between(self) -> bool:
        """Whether nothing of its time is before it."""
        return self.datastream < 0

    def is_valid(self) -> bool:
        """Whether a database can have such a place."""
        times = self.start, self.received_time, self.phenomenon_time
        in_range = all(INSTANT_MIN <= time <= INSTANT_MAX for time in times)
        of_database = -1 <= self.datastream <= _DATASTREAM_MAX and "\0" not in self.alarm
        return in_range and of_database and 0 <= self.revision < 1 << 63


class Cursor(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A position in one log."""

    log: str
    positions: tuple[PartitionPosition, ...]  #: by `api.live.partition_order`
    aged_until: Instant  #: every change of freshness that was due until then is sent
    partial: bool = False  #: inside a snapshot, or before it
    version: int = _VERSION
    #: of the last part of the snapshot that was sent; None: a subscriber that resumes needs a new one
    after: SnapshotKey | None = None
    #: of the last event that was sent of stored history; the position in the log says nothing then
    history: HistoryPlace | None = None
    #: what was received before that was sent from stored history, and comes again in the log; 0: nothing was
    played_until: Instant = 0
    #: while updates come late: of what was received later, some is not sent yet; 0: they come in time
    received_until: Instant = 0

    def includes(self, key: SnapshotKey) -> bool:
        """Whether what has a key was sent, and changes of it follow; all is, outside a snapshot."""
        return self.after is None or key <= self.after

    def was_played(self, change: Update | AlarmEvent) -> bool:
        """Whether a change of the log is that of an observation which was sent from stored history."""
        if not self.played_until or isinstance(change, AlarmEvent):
            return False
        observation = change.observation
        return (
            change.kind is UpdateKind.OBSERVED
            and observation is not None
            and self.played_until - SEAM <= observation.received_time < self.played_until
            # The verdict of neighbours comes after the observation, and is not stored.
            and not change.flags & DISAGREES
        )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Cursor)


def encode_cursor(cursor: Cursor) -> str:
    """Return a cursor as text of `A–Z a–z 0–9 - _`."""
    return base64.urlsafe_b64encode(_encoder.encode(cursor)).rstrip(b"=").decode()


def decode_cursor(text: str) -> Cursor:
    """Return the cursor that a text encodes; raise CursorError for any other text."""
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
    if cursor.history is not None and not cursor.history.is_valid():
        raise CursorError("a cursor with a place outside of every history")
    return cursor


class RecordCursors:
    """The cursors after each update of one record, encoded together; they differ in one number.

    The text around the number is encoded once. Base64 encodes groups of three bytes, so only the groups that
    contain the number are encoded per cursor, all in one call. The number always takes four bytes, which
    decodes to the same value.
    """

    def __init__(self, cursor: Cursor, partition_index: int, offset: int, count: int) -> None:
        positions = list(cursor.positions)
        whole = []
        for sent in (_FOUR_BYTES, _FOUR_BYTES | 0xFFFF):
            positions[partition_index] = offset, sent
            whole.append(_encoder.encode(msgspec.structs.replace(cursor, positions=tuple(positions))))
        differing = next(index for index, pair in enumerate(zip(*whole, strict=True)) if pair[0] != pair[1])
        begin, end = differing - 2, differing + 2
        first, last = begin - begin % 3, end + -end % 3
        encoded = whole[0]
        self.head = _text(encoded[:first])
        self.tail = _text(encoded[last:]).rstrip(b"=")
        groups = bytearray(encoded[first:last] * count)
        sent_counts = struct.pack(f">{count}I", *range(1, count + 1))
        for byte in range(4):
            groups[begin - first + byte :: last - first] = sent_counts[byte::4]
        text, size = _text(groups), (last - first) // 3 * 4
        #: the text between head and tail after the first update, after the second, and so on
        self.middles = [text[at : at + size] for at in range(0, len(text), size)]


_FOUR_BYTES = 0x10000
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def ageing_positions(dues: Sequence[Instant], since: Instant) -> Iterator[Instant]:
    """Yield, for the event of each aged value, the time until which its cursor marks ageing as sent.

    `dues` ascend. Values that age at the same instant count as sent only with the last of them.

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
