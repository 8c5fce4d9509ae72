"""Reading of a Durable Stream over HTTP: pages, long polls and Server-Sent Events, of any stream.

Source: the Durable Streams protocol 1.0 (github.com/durable-streams/durable-streams), sections 5 to 8.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, aclosing, suppress
from http import HTTPStatus
from random import Random
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http.answers import EVENTS
from api.http.models import Model
from api.http.problems import ProblemError
from api.http.streaming import send_until_disconnect
from runtime.clock import Clock
from twin.instant import SECOND, Duration, Instant, parse_instant

START = "-1"
"""The offset of the oldest message that the stream still has."""

NOW = "now"
"""The offset after the newest message."""

NEXT_OFFSET = "Stream-Next-Offset"
UP_TO_DATE = "Stream-Up-To-Date"
CURSOR = "Stream-Cursor"

CURSOR_EPOCH: Instant = parse_instant("2024-10-09T00:00:00Z")
CURSOR_SLOT: Duration = 20 * SECOND
CURSOR_JITTER_SLOTS = 180
"""An hour: how far a cursor is moved at most that its client has already."""

CURSOR_DIGITS_MAX = 18
"""Of a cursor that a client sends back; those of the next billion years have fewer."""

UNCHANGING = "public, max-age=60, stale-while-revalidate=300"
GROWING = "public, no-cache"
"""Of an answer that ends at the tail: a cache asks again, and gets a 304 while nothing was added."""

NOT_STORED = "no-store"


class StreamPage(NamedTuple):
    """What a stream has from an offset on."""

    body: bytes | None  #: the messages, framed as the media type wants them; None: there are none
    next_offset: str
    up_to_date: bool  #: whether the page ends at the tail


class ReadableStream(Protocol):
    """An append-only sequence of messages."""

    media_type: str  #: application/json, or of a text
    empty_body: bytes  #: of a page without messages

    async def tail(self) -> str:
        """Return the offset after the newest message."""
        ...

    async def read(self, offset: str) -> StreamPage:
        """Return the messages after an offset, as many as fit into a page.

        Raises a problem: 400 for an offset of no stream, 410 when the stream has no more what follows it, 503
        when it cannot be read now.
        """
        ...


class StreamReader(Protocol):
    """Waits for messages, for one client."""

    closed: bool  #: whether to end: the server stops, or the key is not valid any more

    async def wait(self, timeout_s: float) -> None:
        """Return once the stream may have grown since the last call, at the end, or after a time."""
        ...


class StreamTimes(NamedTuple):
    """How long answers take, in seconds."""

    long_poll_s: float  #: until an answer without messages
    connection_s: float  #: until Server-Sent Events end, and their client connects again
    keepalive_s: float  #: between two comments in them


class StreamPosition(Model, frozen=True, kw_only=True):
    """Where the stream stands after the messages before."""

    stream_next_offset: str
    stream_cursor: str
    up_to_date: bool | UnsetType = UNSET


_encode = msgspec.json.Encoder().encode
_COMMENT = b":\n"


def next_cursor(given: str | None, now: Instant, dice: Random) -> str:
    """Return the cursor of an answer: the number of the present slot of time, and more than the given one.

    So no client asks for the same URL twice, and gets an answer from a cache for ever.

    >>> next_cursor(None, CURSOR_EPOCH + 45 * SECOND, Random(0))
    '2'
    >>> int(next_cursor("7", CURSOR_EPOCH, Random(0))) > 7
    True
    """
    slot = (now - CURSOR_EPOCH) // CURSOR_SLOT
    known = int(given) if given is not None else -1
    return str(slot if slot > known else known + dice.randint(1, CURSOR_JITTER_SLOTS))


class StreamAnswers:
    """The answers about one stream."""

    def __init__(
        self,
        stream: ReadableStream,
        times: StreamTimes,
        clock: Clock,
        dice: Random,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._stream = stream
        self._times = times
        self._clock = clock
        self._dice = dice
        self._monotonic_s = monotonic_s

    async def head(self) -> Response:
        """Return the answer to HEAD: the tail."""
        headers = {NEXT_OFFSET: await self._stream.tail(), "Cache-Control": NOT_STORED}
        return self._response(b"", headers)

    async def catch_up(self, offset: str) -> Response:
        """Return the page after an offset."""
        if offset == NOW:
            page = StreamPage(None, await self._stream.tail(), up_to_date=True)
            return self._page(page, {"Cache-Control": NOT_STORED})
        page = await self._stream.read(offset)
        return self._page(page, {"Cache-Control": GROWING if page.up_to_date else UNCHANGING})

    async def first_page(self, offset: str) -> StreamPage:
        """Return the page with which a live answer begins; raise the problems of reading."""
        if offset == NOW:
            return StreamPage(None, await self._stream.tail(), up_to_date=True)
        return await self._stream.read(offset)

    async def long_poll(self, page: StreamPage, cursor: str | None, reader: StreamReader) -> Response:
        """Return the first page that has messages; 204 when time is up.

        The reader was opened before the first page was read: nothing is added unseen between the two.
        """
        end_s = self._monotonic_s() + self._times.long_poll_s
        while page.body is None and not reader.closed:
            rest_s = end_s - self._monotonic_s()
            if rest_s <= 0:
                break
            if page.up_to_date:
                await reader.wait(rest_s)
            page = await self._stream.read(page.next_offset)
        headers = {CURSOR: next_cursor(cursor, self._clock(), self._dice)}
        if page.body is not None or not page.up_to_date:
            return self._page(page, {"Cache-Control": UNCHANGING, **headers})
        headers |= {NEXT_OFFSET: page.next_offset, UP_TO_DATE: "true", "Cache-Control": NOT_STORED}
        return Response(status_code=HTTPStatus.NO_CONTENT.value, headers=headers)

    async def events(
        self, page: StreamPage, cursor: str | None, reader: StreamReader
    ) -> AsyncGenerator[bytes, None]:
        """Yield Server-Sent Events from a first page on, until it is time to connect again.

        An offset comes after each page, and at the end when messages that are not for clients moved it.
        """
        cursor = next_cursor(cursor, self._clock(), self._dice)
        now_s = self._monotonic_s()
        end_s = now_s + self._times.connection_s
        yield _events(page, cursor)
        sent, silent_since_s = page, now_s
        while not reader.closed and (now_s := self._monotonic_s()) < end_s:
            if page.up_to_date:
                await reader.wait(min(end_s - now_s, self._times.keepalive_s))
            page = await self._stream.read(page.next_offset)
            now_s = self._monotonic_s()
            if page.body is not None or page.up_to_date != sent.up_to_date:
                cursor = str(max(int(cursor), int(next_cursor(None, self._clock(), self._dice))))
                sent, silent_since_s = page, now_s
                yield _events(page, cursor)
            elif now_s - silent_since_s >= self._times.keepalive_s:
                silent_since_s = now_s
                yield _COMMENT
        if page.next_offset != sent.next_offset:
            yield _events(page._replace(body=None), cursor)

    def _page(self, page: StreamPage, headers: Mapping[str, str]) -> Response:
        tail = {UP_TO_DATE: "true"} if page.up_to_date else {}
        body = self._stream.empty_body if page.body is None else page.body
        return self._response(body, {NEXT_OFFSET: page.next_offset, **tail, **headers})

    def _response(self, body: bytes, headers: Mapping[str, str]) -> Response:
        return Response(body, headers={"Content-Type": self._stream.media_type, **headers})


LiveMode: TypeAlias = Literal["long-poll", "sse"]


class LiveQuery(NamedTuple):
    """What a reader that waits for messages asks for."""

    offset: str
    mode: LiveMode
    cursor: str | None


class LiveAnswer(Response):
    """An answer that waits for messages, until its client disconnects or its reader is closed."""

    def __init__(
        self,
        answers: StreamAnswers,
        open_reader: Callable[[], AbstractContextManager[StreamReader]],
        query: LiveQuery,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__()
        self._answers = answers
        self._open_reader = open_reader
        self._query = query
        self._more_headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; raise a problem, before anything is sent, of the reader or of its offset."""
        send_answer = self._send_events if self._query.mode == "sse" else self._send_page
        with self._open_reader() as reader:
            await send_until_disconnect(send_answer(scope, receive, send, reader), receive)

    async def _send_page(self, scope: Scope, receive: Receive, send: Send, reader: StreamReader) -> None:
        page = await self._answers.first_page(self._query.offset)
        # It waits in no other's way: live subscribers have their own limits.
        scope["state"].get("leave_slots", lambda: None)()
        response = await self._answers.long_poll(page, self._query.cursor, reader)
        response.headers.update(self._more_headers)
        await response(scope, receive, send)

    async def _send_events(self, _: Scope, __: Receive, send: Send, reader: StreamReader) -> None:
        page = await self._answers.first_page(self._query.offset)
        start = Response(headers={**_EVENTS_HEADERS, **self._more_headers})
        start.headers["Cache-Control"] = "no-cache, no-store"
        del start.headers["content-length"]
        await send({"type": "http.response.start", "status": start.status_code, "headers": start.raw_headers})
        # Who connects again gets the problem of a later page.
        with suppress(ProblemError):
            async with aclosing(self._answers.events(page, self._query.cursor, reader)) as events:
                async for chunk in events:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


# A proxy that buffers would delay events; nginx obeys the last one.
_EVENTS_HEADERS = {"Content-Type": EVENTS, "X-Accel-Buffering": "no"}


def _events(page: StreamPage, cursor: str) -> bytes:
    """Return the events of a page: its messages, if there are any, and where the stream stands then."""
    control = StreamPosition(
        stream_next_offset=page.next_offset,
        stream_cursor=cursor,
        up_to_date=True if page.up_to_date else UNSET,
    )
    data = _event(b"data", page.body) if page.body is not None else b""
    return data + _event(b"control", _encode(control))


def _event(name: bytes, data: bytes) -> bytes:
    # A carriage return ends a line of an event, too.
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"event: %b\n%b\n" % (name, b"".join(b"data:%b\n" % line for line in lines))
