"""Routes of the live events, over Server-Sent Events and WebSockets: without a gap, from any event on."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, WebSocket
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.access.key_watch import KeyWatch
from api.context import context_of
from api.http.answers import EVENTS, Answer, NoContent, answers
from api.http.limits.bounded_websocket import VERSION, handshake_faults
from api.http.parameters import NoQuery
from api.http.problems import ProblemError, RequestFault, bad_request
from api.http.streaming import send_until_disconnect
from api.live.cursor import Cursor, CursorError, decode_cursor
from api.live.event_stream import EventStreams, OpenStream, WantedEvents
from api.live.live_socket import LiveSocket
from api.live.models import SNAPSHOT_DATA, AnyLiveEvent
from api.live.schemas import LiveFilter, LiveParameters

router = APIRouter(prefix="/v1", tags=["live"])
websocket_router = APIRouter(prefix="/v1", include_in_schema=False)

_EVENT = """id: lQHZ…
event: state
data: {"entityId":"alkmaar.overdie","property":"pm2_5","value":11.2,"unit":"ug/m3",\
"phenomenonTime":"2026-11-23T12:00:00Z","receivedTime":"2026-11-23T12:00:01Z","quality":"good",\
"freshness":"live","revision":8589934599,"count":1}

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
async def follow_live_events(request: Request, parameters: Annotated[LiveParameters, Query()]) -> Response:
    """Send Server-Sent Events: a snapshot, history, or what the cursor has not; then all further changes.

    The revision of an entity rises with each of its updates. An event with another freshness and the same
    revision means that the value has aged.
    """
    context = context_of(request)
    cursor = _cursor(request, parameters)
    filter, histories = parameters.filter(), context.histories
    first = parameters.first_place(histories.clock(), "query") if cursor is None else cursor.history
    history = await histories.open(filter, first, "query") if first is not None else None
    wanted = WantedEvents(
        filter,
        parameters.event_names(),
        cursor,
        parameters.reduction(),
        history,
        parameters.heartbeat_s(),
    )
    return EventStreamResponse(request, context.event_streams, context.key_watch, wanted)


_WEBSOCKET = NoContent("The connection is a WebSocket.", HTTPStatus.SWITCHING_PROTOCOLS)
_UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}


# Not in the OpenAPI document: no answer of HTTP is a success here.
@websocket_router.get("/live/ws")
@answers(_WEBSOCKET, negotiated=False)
async def open_live_socket(request: Request, _: NoQuery) -> Response:
    """Raise the problem of a request that is no handshake of a WebSocket."""
    faults = [fault for fault in handshake_faults(request.headers.raw) if fault.name != "Connection"]
    # The server of a connection upgrades each right handshake: this one is none.
    if {fault.name for fault in faults} & {"Upgrade", "Sec-WebSocket-Version"} or not faults:
        raise ProblemError(
            HTTPStatus.UPGRADE_REQUIRED,
            "This is a WebSocket (RFC 6455, version 13): open it with a client for WebSockets, over "
            "HTTP/1.1.",
            faults=faults,
            headers={**_UPGRADE, "Sec-WebSocket-Version": VERSION},
        )
    raise bad_request(*faults)


@websocket_router.websocket("/live/ws")
@answers(_WEBSOCKET, negotiated=False)
async def follow_live_socket(websocket: WebSocket) -> None:
    """Serve a WebSocket; raise a problem, before it is accepted, when it has a query or another origin."""
    context = context_of(websocket)
    names = list(websocket.query_params)
    if names:
        raise bad_request(
            *(
                RequestFault("query", name, "unknown", "there are no parameters: filters are in messages")
                for name in names
            )
        )
    check_origin(websocket, context.settings.allowed_origins)
    await LiveSocket(websocket, context).run()


_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^\s/?#@]+", re.IGNORECASE)


def check_origin(websocket: HTTPConnection, allowed: Collection[str]) -> None:
    """Raise a problem (403) when the page that opens a WebSocket is of an origin that may not.

    No allowed ones: all may, as with CORS. A page has no key but those that it was given.
    """
    origins = websocket.headers.getlist("origin")
    if not origins:
        return
    origin = ", ".join(origins)
    if not _ORIGIN.fullmatch(origin) or (allowed and origin.lower() not in allowed):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            f"Pages of the origin {origin[:200]!r} may not open this; LIVETWIN_WEBSOCKET_ORIGINS lists those "
            "that may.",
        )


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
    """Server-Sent Events of one subscriber.

    They end when the client disconnects, its key is revoked or the server stops.
    """

    media_type = EVENTS

    def __init__(
        self, request: HTTPConnection, streams: EventStreams, key_watch: KeyWatch, wanted: WantedEvents
    ) -> None:
        # A proxy that buffers would delay events; nginx obeys this header.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"})
        del self.headers["content-length"]
        self._request = request
        self._streams = streams
        self._key_watch = key_watch
        self._wanted = wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; raise a problem, before anything is sent, when the limit is reached."""
        client = scope["state"].get("client", "")
        with (
            self._streams.open_stream(self._wanted, client) as stream,
            self._key_watch.watch(self._request, stream.subscriber.close),
        ):
            await send_until_disconnect(self._send(send, stream), receive)

    async def _send(self, send: Send, stream: OpenStream) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(stream.frames()) as frames:
            async for chunk in frames:
                if chunk:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
