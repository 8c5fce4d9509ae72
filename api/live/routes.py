"""Route of the live event stream: snapshot, missed changes and further changes without a gap."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.context import context_of
from api.entities.selection import EntityFilter
from api.http.answers import EVENTS, Answer, answers
from api.http.problems import RequestFault, bad_request
from api.live.cursor import Cursor, CursorError, decode_cursor
from api.live.event_stream import EventStreams
from api.live.events import EventName
from api.live.models import SNAPSHOT_DATA, AnyLiveEvent
from api.live.schemas import LiveFilter
from api.live.subscriber import Subscriber

router = APIRouter(prefix="/v1", tags=["live"])

_EVENT = """id: lQHZ…
event: state
data: {"entityId":"alkmaar.overdie","property":"pm2_5","value":11.2,"unit":"ug/m3",\
"phenomenonTime":"2026-11-23T12:00:00Z","receivedTime":"2026-11-23T12:00:01Z","quality":"good",\
"freshness":"live","revision":7,"count":1}

"""


_EVENTS = Answer(
    model=str,
    description="Events, until either side ends the stream. Lines that begin with a colon are comments.",
    example=_EVENT,
    media_type=EVENTS,
    item=AnyLiveEvent,
    parts=SNAPSHOT_DATA,
    streamed=True,
)


@router.get("/live", summary="Follow the city")
@answers(_EVENTS)
async def follow_live_events(request: Request, parameters: Annotated[LiveFilter, Query()]) -> Response:
    """Send Server-Sent Events: a snapshot, or the changes since the cursor, then every further change.

    The revision of an entity rises with each of its updates. An event with another freshness and the same
    revision means that the value has aged.
    """
    context = context_of(request)
    events = frozenset(parameters.events or get_args(EventName))
    cursor = _cursor(request, parameters)
    return EventStreamResponse(context.event_streams, parameters.filter(), events, cursor)


def _cursor(request: Request, parameters: LiveFilter) -> Cursor | None:
    # A browser that reconnects repeats the query and adds the header: the header is newer.
    header = request.headers.get("last-event-id")
    part, name, text = (
        ("header", "Last-Event-ID", header) if header else ("query", "cursor", parameters.cursor)
    )
    if text is None:
        return None
    try:
        return decode_cursor(text)
    except CursorError as error:
        raise bad_request(
            RequestFault(part, name, "cursor", f"{error}; omit it to start with a snapshot")
        ) from error


class EventStreamResponse(Response):
    """Server-Sent Events of one subscriber; ends when the client disconnects or the server stops."""

    media_type = EVENTS

    def __init__(
        self, streams: EventStreams, filter: EntityFilter, events: frozenset[EventName], cursor: Cursor | None
    ) -> None:
        # A proxy that buffers would delay events; nginx obeys this header.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"})
        del self.headers["content-length"]
        self._streams = streams
        self._filter = filter
        self._events = events
        self._cursor = cursor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; raise a problem, before anything is sent, when the limit is reached."""
        with self._streams.open_subscriber(self._filter, scope["state"].get("client", "")) as subscriber:
            sending = asyncio.create_task(self._send(send, subscriber))
            leaving = asyncio.create_task(_wait_for_disconnect(receive))
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


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
