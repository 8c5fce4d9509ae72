"""The live stream: snapshot, changes and recent past as one gapless sequence of events."""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import context_of
from api.event_response import EventStreamResponse
from api.http import openapi_examples
from api.http.access import role_of
from api.http.parameters import LiveParameters
from api.http.problems import RequestFault, bad_request
from api.live.cursor import Cursor, CursorError, decode_cursor
from api.live.events import EventName

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
