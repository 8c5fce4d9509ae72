"""The log of updates and alarms as a stream of messages: the same for every reader, and on every replica.

An answer has whole records of the log. Messages of one partition are in the order of the log; between
partitions the order of two readers may differ, and between two offsets both get the same ones.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import TypeAlias

import msgspec

from api.http.problems import ProblemError, RequestFault, bad_request, unavailable
from api.http.responses import PAGE_BYTES_MAX
from api.live.alarm_events import alarm_data
from api.live.cursor import PartitionPosition
from api.live.events import state_data
from api.live.hub import Hub
from api.live.log_replay import LOOKBACK_RECORDS, LogReplay, ReplayError
from api.live.models import GapReason
from api.live.replay_buffer import decode_record
from api.streams.protocol import NOW, START, StreamPage
from twin.alarms.messages import AlarmEvent
from twin.model.city_model import CityModel
from twin.state.freshness import freshness
from twin.wire.codec import DECODE_ERRORS
from twin.wire.messages import UNSENT_KINDS, Update

OFFSET_CHARACTERS_MAX = 32_000
"""2,048 partitions of nine bytes each, in base64, with room for the name of the log."""

RECORD_OFFSET_MAX = 1 << 52
"""The sum over all partitions then fits into 16 hexadecimal digits."""

PAGE_RECORDS_MAX = 500
"""Of a page that is read from Kafka; each has up to a hundred updates."""

ENCODED_BYTES_MAX = 8 * 1024 * 1024
"""Of messages of the newest records, which all readers at the tail share."""

SEEN_MAX = 4
"""Readers of old records for whom it is kept what they have got, as many as replays run at one time."""

RETRY_AFTER_S = 1
_STEP_EVENTS = 200  # Encoding these takes about a millisecond: other connections wait no longer than that.

_Seen: TypeAlias = dict[tuple[str, str], int]
"""The last revision of each value and alarm: after a crash the stream repeats its last updates."""


class OffsetError(ValueError):
    """A text is not an offset that this API gave."""


class LogOffset(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A position in one log."""

    log: str
    records: tuple[int, ...]  #: the next record of each partition, by `api.live.partition_order`


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(LogOffset)


def encode_offset(offset: LogOffset) -> str:
    """Return an offset as text of `A–Z a–z 0–9 - _`.

    It begins with the number of records before it, over all partitions: along any reading texts rise.

    >>> before, after = (encode_offset(LogOffset("log", records)) for records in ((9, 99), (10, 99)))
    >>> before < after
    True
    """
    data = base64.urlsafe_b64encode(_encoder.encode(offset)).rstrip(b"=").decode()
    return f"{sum(offset.records):016x}_{data}"


def decode_offset(text: str) -> LogOffset:
    """Return the offset that a text encodes; raise OffsetError for any other text."""
    if len(text) > OFFSET_CHARACTERS_MAX:
        raise OffsetError(f"{len(text)} characters are more than an offset has")
    try:
        encoded = text.partition("_")[2].encode("ascii")
        offset = _decoder.decode(base64.b64decode(encoded + b"=" * (-len(encoded) % 4), b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, *DECODE_ERRORS) as error:
        raise OffsetError("not an offset that this API gave") from error
    if any(not 0 <= record <= RECORD_OFFSET_MAX for record in offset.records):
        raise OffsetError("an offset outside of every log")
    if encode_offset(offset) != text:
        raise OffsetError("not an offset that this API gave")
    return offset


class LiveLog:
    """Reads from the replay buffer, and what is older from Kafka."""

    media_type = "application/json"
    empty_body = b"[]"

    def __init__(
        self,
        hub: Hub,
        replay: LogReplay,
        *,
        page_bytes_max: int = PAGE_BYTES_MAX,
        page_records_max: int = PAGE_RECORDS_MAX,
    ) -> None:
        self._hub = hub
        self._replay = replay
        self._page_bytes_max = page_bytes_max
        self._page_records_max = page_records_max
        self._encoded: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._encoded_bytes = 0
        self._encoded_with: CityModel = hub.model
        self._seen: OrderedDict[LogOffset, _Seen] = OrderedDict()

    async def tail(self) -> str:
        """Return the offset after the newest record; raise a problem (503) as long as no log is followed."""
        return encode_offset(self._tail())

    async def read(self, offset: str) -> StreamPage:
        """Return the messages after an offset; raise the problems of `ReadableStream.read`."""
        start = await self._beginning() if offset == START else _start(offset)
        tail = self._tail()
        if start.log != tail.log or len(start.records) != len(tail.records):
            raise _problem(GapReason.LOG_CHANGED)
        if any(there > here for there, here in zip(start.records, tail.records, strict=True)):
            raise _problem(GapReason.CURSOR_AHEAD)
        buffered = self._hub.records_since(start.records)
        if buffered is None:
            return await self._read_log(start, tail)
        body = _Body(self._page_bytes_max)
        reached = list(start.records)
        for record in buffered:
            key = start.log, record.partition_index, record.offset
            messages = self._encoded_messages(key)
            if messages is None:
                changes = decode_record(record)
                messages = b",".join(self._messages(changes[index] for index in record.indexes))
                self._keep(key, messages)
                await body.pause(len(record.indexes))
            body.add(messages)
            reached[record.partition_index] = record.offset + 1
            if body.is_full:
                break
        end = tail if not body.is_full else LogOffset(start.log, tuple(reached))
        return body.page(end, tail)

    def _tail(self) -> LogOffset:
        if not self._hub.log_id:
            raise unavailable("This server does not follow the log yet; try again.", RETRY_AFTER_S)
        return LogOffset(self._hub.log_id, tuple(record for record, _ in self._hub.positions))

    async def _beginning(self) -> LogOffset:
        """Return the offset of the oldest records that the log still has."""
        tail = self._tail()
        try:
            first = await self._replay.first_offsets(len(tail.records))
        except ReplayError as error:
            raise _problem(error.reason) from error
        return LogOffset(tail.log, tuple(first))

    async def _read_log(self, start: LogOffset, tail: LogOffset) -> StreamPage:
        """Return a page of what the replay buffer has no more."""
        end = LogOffset(start.log, _share(start.records, tail.records, self._page_records_max))
        known = self._seen.pop(start, None)
        seen: _Seen = {} if known is None else known
        body = _Body(self._page_bytes_max)
        reached = list(start.records)
        lookback = LOOKBACK_RECORDS if known is None else 0
        try:
            async with aclosing(
                self._replay.records(_positions(start), _positions(end), lookback=lookback)
            ) as records:
                async for partition, offset, changes in records:
                    new = list(_new(changes, seen))
                    if offset >= start.records[partition]:
                        body.add(b",".join(self._messages(new)))
                        reached[partition] = offset + 1
                    await body.pause(len(changes))
                    if body.is_full:
                        end = LogOffset(start.log, tuple(reached))
                        break
        except ReplayError as error:
            raise _problem(error.reason) from error
        self._seen[end] = seen
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        return body.page(end, tail)

    def _messages(self, changes: Iterable[Update | AlarmEvent]) -> list[bytes]:
        """Return the messages of changes; there are none of households, and of what the model has no more."""
        view, model = self._hub.view, self._hub.model
        messages = []
        for change in changes:
            if isinstance(change, AlarmEvent):
                data = alarm_data(change, model)
                if data is not None:
                    messages.append(b'{"event":"alarm","data":%b}' % data)
                continue
            interval = None if change.kind in UNSENT_KINDS else view.expected_interval(change)
            if interval is None:
                continue
            then = freshness(change.phenomenon_time, interval, change.received_time)
            data = state_data(change, then, model)
            if data is not None:
                messages.append(b'{"event":"state","data":%b}' % data)
        return messages

    def _encoded_messages(self, key: tuple[str, int, int]) -> bytes | None:
        if self._encoded_with is not self._hub.model:
            self._encoded.clear()
            self._encoded_bytes, self._encoded_with = 0, self._hub.model
        return self._encoded.get(key)

    def _keep(self, key: tuple[str, int, int], messages: bytes) -> None:
        self._encoded[key] = messages
        self._encoded_bytes += len(messages)
        while self._encoded_bytes > ENCODED_BYTES_MAX:
            _, dropped = self._encoded.popitem(last=False)
            self._encoded_bytes -= len(dropped)


class _Body:
    """The body of a page in the making."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._parts: list[bytes] = []
        self._bytes = 0
        self._events = 0

    @property
    def is_full(self) -> bool:
        return self._bytes >= self._bytes_max

    def add(self, messages: bytes) -> None:
        if messages:
            self._parts.append(messages)
            self._bytes += len(messages)

    async def pause(self, events: int) -> None:
        """Let other tasks have a turn after work on so many events."""
        self._events += events
        if self._events >= _STEP_EVENTS:
            self._events = 0
            await asyncio.sleep(0)

    def page(self, end: LogOffset, tail: LogOffset) -> StreamPage:
        body = b"[%b]" % b",".join(self._parts) if self._parts else None
        return StreamPage(body, encode_offset(end), end == tail)


def _start(text: str) -> LogOffset:
    try:
        return decode_offset(text)
    except OffsetError as error:
        fault = RequestFault("query", "offset", "offset", f"{error}; {START} is the beginning")
        raise bad_request(fault) from error


def _share(first: Sequence[int], last: Sequence[int], records_max: int) -> tuple[int, ...]:
    """Return where a page ends: with the same share of each partition, so that times stay close.

    >>> _share((0, 0), (100, 10), 11), _share((90, 9), (100, 10), 11)
    ((10, 1), (100, 10))
    """
    total = sum(last) - sum(first)
    if total <= records_max:
        return tuple(last)
    return tuple(
        begin + -(-(end - begin) * records_max // total) for begin, end in zip(first, last, strict=True)
    )


def _positions(offset: LogOffset) -> list[PartitionPosition]:
    return [(record, 0) for record in offset.records]


def _new(changes: Iterable[Update | AlarmEvent], seen: _Seen) -> Iterator[Update | AlarmEvent]:
    """Yield the changes that are no repetition, and note them."""
    for change in changes:
        if isinstance(change, Update) and change.kind in UNSENT_KINDS:
            continue
        key = _key(change)
        if change.revision > seen.get(key, 0):
            seen[key] = change.revision
            yield change


def _key(change: Update | AlarmEvent) -> tuple[str, str]:
    return ("", change.alarm) if isinstance(change, AlarmEvent) else (change.entity, change.property)


_GONE = {
    GapReason.LOG_CHANGED: "The log that the offset points into was replaced by a new one",
    GapReason.LOG_TRUNCATED: "The log no longer reaches back to the offset",
}


def _problem(reason: GapReason) -> ProblemError:
    if reason in _GONE:
        return ProblemError(
            HTTPStatus.GONE,
            f"{_GONE[reason]}. Begin anew: with offset={START}, or offset={NOW} and a snapshot of /v1/live.",
        )
    if reason is GapReason.CURSOR_AHEAD:
        return unavailable("This server has not read the log up to the offset yet; try again.", RETRY_AFTER_S)
    return unavailable("The log cannot be read from the offset on at the moment; try again.", RETRY_AFTER_S)
