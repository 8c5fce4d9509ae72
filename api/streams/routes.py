"""The routes of the Durable Stream: pages, long polls and Server-Sent Events, and its tail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, Field
from starlette.responses import Response

from api.context import context_of
from api.http.answers import EVENTS, Answer, NoContent, answers
from api.http.parameters import Parameters
from api.http.problems import RequestFault, bad_request
from api.live.models import StateData
from api.streams.live_log import decode_offset
from api.streams.models import AnyStreamEvent, AnyStreamMessage, StreamState
from api.streams.protocol import (
    CURSOR,
    CURSOR_DIGITS_MAX,
    NEXT_OFFSET,
    NOT_STORED,
    NOW,
    START,
    UP_TO_DATE,
    LiveAnswer,
    LiveMode,
    LiveQuery,
    StreamReader,
)

router = APIRouter(prefix="/v1", tags=["live"])

PATH = "/streams/live"


def _offset(text: str) -> str:
    if text not in (START, NOW):
        decode_offset(text)
    return text


class StreamParameters(Parameters):
    """From where on, and how."""

    offset: Annotated[str, AfterValidator(_offset)] | None = Field(
        default=None,
        description=f"`{NEXT_OFFSET}` of the answer before; `{START}` for the oldest message (the default), "
        f"`{NOW}` for those to come.",
    )
    live: LiveMode | None = Field(
        default=None,
        description="Wait for messages: for one page of them, or for all as Server-Sent Events. Needs "
        "`offset`.",
    )
    cursor: str | None = Field(
        default=None,
        pattern=rf"^\d{{1,{CURSOR_DIGITS_MAX}}}$",
        description=f"`{CURSOR}` of the answer before; lets caches tell requests apart.",
    )


_HEADERS = {
    NEXT_OFFSET: "Where to go on. Opaque; along a reading, texts rise.",
    UP_TO_DATE: "`true` where the answer ends at the newest message, else missing.",
    CURSOR: "In answers to `live`: what to send as `cursor`.",
}

_EXAMPLE_STATE = StreamState(
    data=StateData(
        "alkmaar.overdie",
        "pm2_5",
        11.2,
        "ug/m3",
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:01Z",
        "good",
        "live",
        8_589_934_599,
        1,
    )
)

_Messages: TypeAlias = list[AnyStreamMessage]

_PAGE: Answer[_Messages] = Answer(
    model=_Messages,
    description="Messages in the order of the log, as many as fit into an answer; none at its end.",
    example=[_EXAMPLE_STATE],
    headers=_HEADERS,
)
_EVENTS = Answer(
    model=str,
    description="With `live=sse`: `data` has messages, `control` where the stream stands then. They end "
    "after a minute; go on from the last `streamNextOffset`.",
    media_type=EVENTS,
    item=AnyStreamEvent,
    streamed=True,
)
_TIMEOUT = NoContent("With `live=long-poll`: there were no messages in the time of a poll.", headers=_HEADERS)


@router.get(PATH, summary="Read the log as a Durable Stream")
@answers(_PAGE, _EVENTS, _TIMEOUT, problems=(HTTPStatus.GONE,))
async def read_live_stream(request: Request, parameters: Annotated[StreamParameters, Query()]) -> Response:
    """Send every change of values and alarms, as a Durable Stream (durable-streams.com) in its JSON mode.

    It is the log that `/v1/live` sends, without filters and snapshot: for whoever copies all of it. A value
    that turns stale is no change of the log.
    """
    offset = _single_offset(request, parameters)
    if parameters.live is not None:
        answers, reader = context_of(request).durable_stream, partial(_open_reader, request)
        query = LiveQuery(offset, parameters.live, parameters.cursor)
        return LiveAnswer(answers, reader, query, _headers(request))
    return _for_reader(request, await context_of(request).durable_stream.catch_up(offset))


@router.head(PATH, include_in_schema=False)
@answers(_PAGE, _EVENTS, problems=(HTTPStatus.GONE,))
async def find_tail(request: Request, _: Annotated[StreamParameters, Query()]) -> Response:
    """Send the offset after the newest message."""
    return _for_reader(request, await context_of(request).durable_stream.head())


def _single_offset(request: Request, parameters: StreamParameters) -> str:
    count = len(request.query_params.getlist("offset"))
    if count > 1:
        raise bad_request(RequestFault("query", "offset", "repeated", f"found {count}, expected one"))
    if parameters.offset is not None:
        return parameters.offset
    if parameters.live is not None:
        detail = (
            f"expected with live={parameters.live}: {START} for the oldest message, {NOW} for those to come"
        )
        raise bad_request(RequestFault("query", "offset", "missing", detail))
    return START


def _headers(request: Request) -> dict[str, str]:
    """Return the headers of answers to a request beside those of the protocol; one to a key is private."""
    headers = {"Vary": "Accept, Authorization", "Cross-Origin-Resource-Policy": "cross-origin"}
    if "authorization" in request.headers:
        headers["Cache-Control"] = f"private, {NOT_STORED}"
    return headers


def _for_reader(request: Request, response: Response) -> Response:
    response.headers.update(_headers(request))
    return response


@contextmanager
def _open_reader(request: Request) -> Iterator[StreamReader]:
    """Open a reader for the block, which ends with its key; it counts as a live subscriber."""
    context = context_of(request)
    client = request.scope["state"].get("client", "")
    with (
        context.event_streams.open_reader(client) as reader,
        context.key_watch.watch(request, reader.close),
    ):
        yield reader
