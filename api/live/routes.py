"""The live stream: snapshot, changes and recent past as one gapless sequence of events."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.context import context_of
from api.entities.selection import EntityFilter
from api.http import openapi_examples
from api.http.access import role_of
from api.http.parameters import LiveParameters
from api.http.problems import RequestFault, bad_request
from api.live.cursor import Cursor, CursorError, decode_cursor
from api.live.event_stream import EventStreams
from api.live.events import EventName
from api.live.subscriber import Subscriber

router = APIRouter(prefix="/v1", tags=["live"])


@router.get("/live", summary="Follow the city", responses=openapi_examples.LIVE, response_class=Response)
async def follow(request: Request, wanted: Annotated[LiveParameters, Query()]) -> Response:
    """Server-Sent Events: a snapshot or what was missed since the cursor, then every change.

    The revision of an entity rises with each of its updates. An event whose freshness changed and whose
    revision did not tells that a value has aged.
    """
    role_of(request)
    context = context_of(request)
    events = frozenset(wanted.events or get_args(EventName))
    return EventStreamResponse(context.event_streams, wanted.filter(), events, _cursor(request, wanted))


def _cursor(request: Request, wanted: LiveParameters) -> Cursor | None:
    # A browser that reconnects repeats the query and adds the header: the header is newer.
    header = request.headers.get("last-event-id")
    place, name, text = ("header", "Last-Event-ID", header) if header else ("query", "cursor", wanted.cursor)
    if text is None:
        return None
    try:
        return decode_cursor(text)
    except CursorError as error:
        raise bad_request(
            RequestFault(place, name, "cursor", f"{error}; leave it out to start with a snapshot")
        ) from error


# The HTTP answer that carries a live stream; ends at once when its peer goes or the server stops.


class EventStreamResponse(Response):
    """Server-Sent Events of one subscriber."""

    media_type = "text/event-stream"

    def __init__(
        self, streams: EventStreams, wanted: EntityFilter, events: frozenset[EventName], cursor: Cursor | None
    ) -> None:
        # A proxy that buffers would hold events back; nginx heeds this header.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._wanted = wanted
        self._events = events
        self._cursor = cursor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; raises a problem when there is no room, before anything is sent."""
        with self._streams.open_subscriber(self._wanted, scope["state"].get("client", "")) as subscriber:
            sending = asyncio.create_task(self._send(send, subscriber))
            leaving = asyncio.create_task(_left(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                if not sending.done():
                    sending.cancel()
                results = await asyncio.gather(sending, leaving, return_exceptions=True)
            if isinstance(results[0], Exception) and not isinstance(results[0], OSError):
                raise results[0]

    async def _send(self, send: Send, subscriber: Subscriber) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._streams.frames(subscriber, self._events, self._cursor)) as frames:
            async for chunk in frames:
                if chunk:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
