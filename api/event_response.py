"""The HTTP answer that carries a live stream; ends at once when its peer goes or the server stops."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.entities.selection import EntityFilter
from api.live.cursor import Cursor
from api.live.event_stream import EventStreams
from api.live.events import EventName
from api.live.subscriber import Subscriber


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
