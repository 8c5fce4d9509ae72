"""The live stream: events of one connection after another, each once and in order.

**Cursors.** An event counts as taken when the consumer asks for the next one. The cursor is saved before the
stream reads on, with everything taken by then, and when the iteration ends. So a process that is killed gets
the events of its last chunk again, and misses none: at least once. Within a process each event comes once.

**Bounded.** Nothing is read while the consumer works on an event: what waits is one chunk of the connection.
The server then has a full buffer, and after some time sends a gap instead of what it no longer keeps.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import cast, get_args, get_type_hints

import httpx

from livetwin_client.api_types import LiveEvent
from livetwin_client.cursor_stores import CursorStore
from livetwin_client.errors import UnexpectedAnswerError
from livetwin_client.http_requests import AttemptFailedError, HttpRequests, QueryValue
from livetwin_client.retries import Backoff
from livetwin_client.server_sent_events import ServerSentEvent, ServerSentEventDecoder

PATH = "/v1/live"
MEDIA_TYPE = "text/event-stream"

SILENCE_S_MAX = 30.0
"""A connection without a byte for so long is dead: the server sends a comment each 15 s."""

EVENT_NAMES = frozenset(
    name for each in get_args(LiveEvent) for name in get_args(get_type_hints(each)["event"])
)
"""The events that this version knows; a newer server may send others, which are left out."""


class LiveStream:
    """One stream, over as many connections as it takes."""

    def __init__(
        self,
        requests: HttpRequests,
        query: Mapping[str, QueryValue],
        cursors: CursorStore,
        silence_s_max: float = SILENCE_S_MAX,
    ) -> None:
        self._requests = requests
        self._query = query
        self._cursors = cursors
        self._silence_s_max = silence_s_max
        self._position = ""

    async def events(self) -> AsyncGenerator[LiveEvent, None]:
        """Yield events without end; raise RefusedError and UnexpectedAnswerError."""
        self._position = await self._cursors.load() or ""
        backoff = self._requests.backoff()
        while True:
            try:
                async with aclosing(self._connection(backoff)) as events:
                    async for event in events:
                        yield event
                failed = AttemptFailedError("the server ended the stream")
            except AttemptFailedError as error:
                failed = error
            await self._requests.wait(backoff, failed)

    async def _connection(self, backoff: Backoff) -> AsyncGenerator[LiveEvent, None]:
        headers = {"Cache-Control": "no-store"}
        if self._position:
            headers["Last-Event-ID"] = self._position
        async with self._requests.open(
            PATH, self._query, accept=MEDIA_TYPE, headers=headers, silence_s_max=self._silence_s_max
        ) as response:
            _check_media_type(response)
            decoder = ServerSentEventDecoder(self._position)
            # httpx promises an iterator, but has a generator: it is closed with the stream.
            async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_bytes())) as chunks:
                async for chunk in chunks:
                    async with aclosing(self._chunk(decoder, chunk, backoff)) as events:
                        async for event in events:
                            yield event

    async def _chunk(
        self, decoder: ServerSentEventDecoder, chunk: bytes, backoff: Backoff
    ) -> AsyncGenerator[LiveEvent, None]:
        """Yield the events that end in a chunk, and save the cursor of the last one that was taken."""
        before = self._position
        try:
            for message in decoder.decode(chunk):
                event = _live_event(message)
                if event is not None:
                    yield event
                self._position = message.id
                backoff.reset()
        finally:
            backoff.retry_s = decoder.retry_s or backoff.retry_s
            if self._position != before:
                await self._cursors.save(self._position)


def _check_media_type(response: httpx.Response) -> None:
    found = response.headers.get("content-type", "")
    if found.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise UnexpectedAnswerError(f"{PATH}: found {found or 'no media type'}, expected {MEDIA_TYPE}")


def _live_event(message: ServerSentEvent) -> LiveEvent | None:
    """Return the event of a message; None for a kind that this version does not know."""
    if message.name not in EVENT_NAMES:
        return None
    try:
        data = json.loads(message.data)
    except (ValueError, RecursionError) as error:
        found = message.data[:200]
        raise UnexpectedAnswerError(f"{PATH}: found the data {found!r}, expected JSON") from error
    return cast(LiveEvent, {"event": message.name, "id": message.id, "data": data})
