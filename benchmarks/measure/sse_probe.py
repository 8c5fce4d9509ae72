"""The probe: receives all events of /v1/live as an operator, and records when each arrived.

During the load it only receives, removes the chunks of HTTP (in C, by httptools), looks for the ends of
events and writes them to a file. It reads the events after the load. So it receives those of the whole city
for little processor time, and its memory does not grow with the run.
"""

from __future__ import annotations

import asyncio
import tempfile
from array import array
from dataclasses import dataclass
from typing import IO, cast

import httptools

from benchmarks.load.backlog import Backlog
from benchmarks.load.bench_city import CITY, BenchCity
from benchmarks.measure.live_events import LiveEvents, read_events
from benchmarks.measure.worker_process import WorkerChannel
from runtime.clock import system_clock
from twin.instant import Instant

CONNECT_TIMEOUT_S = 10.0
SNAPSHOT_TIMEOUT_S = 120.0

# Enough for ten million events of about 400 bytes.
KEPT_BYTES_MAX = 4 << 30

_EVENT_END = b"\n\n"
_SNAPSHOT_END = b'"complete":true'

# Part of each event of a datastream, and of no event of the city as a whole.
_ABOUT_SITE = f'"entityId":"{CITY}.site-'.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """The stream to receive."""

    host: str
    port: int
    key: str
    city: BenchCity
    backlog: Backlog


class EventSpool:
    """Pieces of the stream on disk, each of whole events, with the instants of their arrival."""

    def __init__(self) -> None:
        self.bytes = 0
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=1 << 20)  # noqa: SIM115  # `read` closes it
        self._lengths = array("q")
        self._arrived = array("q")

    def add(self, arrived: Instant, piece: bytes) -> None:
        """Append a piece."""
        self._file.write(piece)
        self._lengths.append(len(piece))
        self._arrived.append(arrived)
        self.bytes += len(piece)

    def read(self, city: BenchCity) -> LiveEvents:
        """Return all events, and delete the file."""
        self._file.seek(0)
        with self._file:
            pieces = (
                (arrived, self._file.read(length))
                for arrived, length in zip(self._arrived, self._lengths, strict=True)
            )
            return read_events(pieces, city)


class _Stream(asyncio.Protocol):
    """One connection to /v1/live."""

    def __init__(self, options: ProbeOptions) -> None:
        self.spool = EventSpool()
        self.snapshot = asyncio.Event()
        self.failure: str | None = None
        self._options = options
        self._parser = httptools.HttpResponseParser(self)
        self._rest = b""
        self._now: Instant = 0
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is no subclass
        options = self._options
        self._transport.write(
            f"GET /v1/live HTTP/1.1\r\nHost: {options.host}:{options.port}\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {options.key}\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the api closed the live stream ({exc})")

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._now = system_clock()
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        """Fail for any answer but a stream."""
        if (status := self._parser.get_status_code()) != 200:
            self._fail(f"the api answered /v1/live with status {status}")

    def on_body(self, body: bytes) -> None:
        """Store the whole events received so far; count those of datastreams."""
        body = self._rest + body
        end = body.rfind(_EVENT_END) + len(_EVENT_END)
        if end < len(_EVENT_END):
            self._rest = body
            return
        self._rest = body[end:]
        piece = body[:end]
        self.spool.add(self._now, piece)
        delivered = self._options.backlog.delivered
        if self.snapshot.is_set():
            delivered.value += piece.count(_ABOUT_SITE)
        elif (snapshot_end := piece.find(_SNAPSHOT_END)) >= 0:
            delivered.value = piece.count(_ABOUT_SITE, piece.index(_EVENT_END, snapshot_end))
            self.snapshot.set()
        if self.spool.bytes > KEPT_BYTES_MAX:
            self._fail(f"more than {KEPT_BYTES_MAX} bytes of events")
            self._transport.abort()

    def end(self) -> LiveEvents:
        """Stop receiving; return the events."""
        self._is_over = True
        self._transport.abort()
        return self.spool.read(self._options.city)

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        self.snapshot.set()


async def follow_stream(channel: WorkerChannel, options: ProbeOptions) -> None:
    """Receive the stream; send "ready" after the snapshot, and at "end" the LiveEvents.

    Fails when the stream fails. Counts the delivered readings in the backlog.
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
    await channel.receive()
    _raise_if_failed(stream)
    channel.send(stream.end())
    await channel.receive()


def _raise_if_failed(stream: _Stream) -> None:
    if stream.failure is not None:
        raise ConnectionError(stream.failure)
