"""The probe: follows everything on /v1/live as an operator, and notes when each event arrived.

While the load runs it only receives, undoes HTTP's chunks (in C, httptools) and looks for the ends of events;
it reads the events when the load is over. So it follows the whole city for little processor time.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import httptools
import msgspec

from benchmarks.city import SENSORS, entity_name, property_name
from benchmarks.companion import Channel
from runtime.clock import system_clock
from twin.instant import Instant, parse_instant

CONNECT_TIMEOUT_S = 10.0
SNAPSHOT_TIMEOUT_S = 30.0

# An event has about 400 bytes; this holds the largest run with room to spare.
KEPT_BYTES_MAX = 2 << 30

_EVENT_END = b"\n\n"
_SNAPSHOT_END = b'"complete":true'
_STATE = b"event: state\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """Whom to follow."""

    host: str
    port: int
    key: str


@dataclass(slots=True, kw_only=True)
class ProbeResult:
    """What was seen; element n of the arrays belongs to the n-th state event."""

    arrived: array[int] = field(default_factory=lambda: array("q"))
    phenomenon: array[int] = field(default_factory=lambda: array("q"))
    sensors: array[int] = field(default_factory=lambda: array("l"))  #: index in the city; -1 if unknown
    values: array[float] = field(default_factory=lambda: array("d"))
    gaps: list[str] = field(default_factory=list)  #: the data of each gap event
    bytes: int = 0


class _State(msgspec.Struct, rename="camel"):
    entity_id: str
    property: str
    value: float
    phenomenon_time: str


class _Stream(asyncio.Protocol):
    """One connection to /v1/live; `pieces` are whole events with the instant at which the last byte came."""

    def __init__(self, options: ProbeOptions) -> None:
        self.pieces: list[tuple[Instant, bytes]] = []
        self.states = 0
        self.snapshot = asyncio.Event()
        self.failure: str | None = None
        self._options = options
        self._parser = httptools.HttpResponseParser(self)
        self._rest = b""
        self._kept = 0
        self._now: Instant = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        options = self._options
        self._transport.write(
            f"GET /v1/live HTTP/1.1\r\nHost: {options.host}:{options.port}\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {options.key}\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the api closed the live stream ({exc})")

    def data_received(self, data: bytes) -> None:
        self._now = system_clock()
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        """Refuse any answer but a stream."""
        if (status := self._parser.get_status_code()) != 200:
            self._fail(f"the api answered /v1/live with status {status}")

    def on_body(self, body: bytes) -> None:
        """Take a part of the stream."""
        body = self._rest + body
        end = body.rfind(_EVENT_END) + len(_EVENT_END)
        if end < len(_EVENT_END):
            self._rest = body
            return
        self._rest = body[end:]
        piece = body[:end]
        self.pieces.append((self._now, piece))
        self.states += piece.count(_STATE)
        self._kept += len(piece)
        if not self.snapshot.is_set() and _SNAPSHOT_END in piece:
            self.snapshot.set()
        if self._kept > KEPT_BYTES_MAX:
            self._fail(f"more than {KEPT_BYTES_MAX} bytes of events")
            self._transport.abort()

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        self.snapshot.set()


async def follow(channel: Channel, options: ProbeOptions) -> None:
    """Follow the stream and say "ready" once the snapshot is there.

    Answers each "count" with the number of state events so far, and "end" with the ProbeResult.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        _, stream = await loop.create_connection(lambda: _Stream(options), options.host, options.port)
    try:
        async with asyncio.timeout(SNAPSHOT_TIMEOUT_S):
            await stream.snapshot.wait()
    except TimeoutError as error:
        raise TimeoutError(f"the live stream has no snapshot after {SNAPSHOT_TIMEOUT_S:.0f} s") from error
    _raise_if_failed(stream)
    channel.send("ready")
    while (word := await channel.word()) == "count":
        _raise_if_failed(stream)
        channel.send(stream.states)
    assert word == "end", word
    _raise_if_failed(stream)
    channel.send(_read(stream.pieces))
    await channel.word()


def _raise_if_failed(stream: _Stream) -> None:
    if stream.failure is not None:
        raise ConnectionError(stream.failure)


def _read(pieces: list[tuple[Instant, bytes]]) -> ProbeResult:
    decode = msgspec.json.Decoder(_State).decode
    sensors = {(entity_name(index), property_name(index)): index for index in range(SENSORS)}
    observed = {property for _, property in sensors}
    result = ProbeResult()
    for arrived, piece in pieces:
        result.bytes += len(piece)
        for kind, data in _events(piece):
            if kind == b"state":
                state = decode(data)
                if state.property not in observed:
                    continue  # derived: a roll-up, an indicator
                result.arrived.append(arrived)
                result.phenomenon.append(parse_instant(state.phenomenon_time))
                result.sensors.append(sensors.get((state.entity_id, state.property), -1))
                result.values.append(state.value)
            elif kind == b"gap":
                result.gaps.append(data.decode())
    return result


def _events(piece: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and data of each event in a piece; comments have none."""
    for event in piece.split(_EVENT_END):
        kind = data = b""
        for line in event.split(b"\n"):
            name, _, value = line.partition(b": ")
            if name == b"event":
                kind = value
            elif name == b"data":
                data = value
        if kind:
            yield kind, data
