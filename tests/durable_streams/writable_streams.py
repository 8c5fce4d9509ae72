"""Durable Streams in memory that can be created and appended to, read by the code of the api.

The official tests create each stream before they read it, which the api refuses: this application stands for
its log. It has what those tests need of writing, and nothing more.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from time import monotonic

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.http.problems import ProblemError, RequestFault, bad_request, not_found, problem_response
from api.http.representations import Representations
from api.streams.protocol import (
    NEXT_OFFSET,
    NOW,
    START,
    LiveAnswer,
    LiveMode,
    LiveQuery,
    StreamAnswers,
    StreamPage,
    StreamTimes,
)
from runtime.clock import system_clock

TIMES = StreamTimes(long_poll_s=2, connection_s=10, keepalive_s=5)
JSON = "application/json"
OFFSET = re.compile(r"\d{16}")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Headers": "If-None-Match",
}
PAGE_BYTES_MAX = 64 * 1024


class MemoryReader:
    """Waits for messages of one stream."""

    def __init__(self, stream: MemoryStream) -> None:
        self.closed = False
        self._stream = stream

    async def wait(self, timeout_s: float) -> None:
        """Return once the stream has grown, or after a time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._stream.grown.wait()


class MemoryStream:
    """The messages of one stream; an offset is the number of messages before it."""

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        self._is_json = media_type.partition(";")[0] == JSON
        self.empty_body = b"[]" if self._is_json else b""
        self.messages: list[bytes] = []
        self.grown = asyncio.Event()
        self.answers = StreamAnswers(self, TIMES, system_clock, Random(), monotonic)

    def append(self, body: bytes) -> None:
        """Append a body; one level of a JSON array is a message each."""
        if self._is_json:
            item = json.loads(body)
            items = item if isinstance(item, list) else [item]
            self.messages += [json.dumps(each, separators=(",", ":")).encode() for each in items]
        else:
            self.messages.append(body)
        grown, self.grown = self.grown, asyncio.Event()
        grown.set()

    async def tail(self) -> str:
        """Return the offset after the newest message."""
        return f"{len(self.messages):016}"

    async def read(self, offset: str) -> StreamPage:
        """Return the messages after an offset."""
        if offset != START and not OFFSET.fullmatch(offset):
            raise bad_request(RequestFault("query", "offset", "offset", "not an offset"))
        first = 0 if offset == START else int(offset)
        last, size = first, 0
        while last < len(self.messages) and size < PAGE_BYTES_MAX:
            size += len(self.messages[last])
            last += 1
        found = self.messages[first:last]
        body = b"[%b]" % b",".join(found) if self._is_json else b"".join(found)
        return StreamPage(body if found else None, f"{last:016}", last == len(self.messages))

    @contextmanager
    def reader(self) -> Iterator[MemoryReader]:
        """Open a reader for the block."""
        yield MemoryReader(self)


class Streams:
    """The streams by their paths, and the answers about them."""

    def __init__(self) -> None:
        self._streams: dict[str, MemoryStream] = {}

    async def answer(self, request: Request) -> Response:
        """Return the answer to a request."""
        path = request.url.path
        try:
            if request.method == "OPTIONS":
                response = Response(status_code=204)
            elif request.method == "PUT":
                response = await self._create(request)
            else:
                if path not in self._streams:
                    raise not_found("There is no such stream.")
                response = await self._use(request, self._streams[path])
        except ProblemError as problem:
            response = problem_response(problem, path)
        response.headers.update(HEADERS)
        return response

    async def _create(self, request: Request) -> Response:
        path, body = request.url.path, await request.body()
        media_type = request.headers.get("content-type", "application/octet-stream")
        known = self._streams.get(path)
        if known is not None:
            return Response(status_code=200 if known.media_type == media_type.lower() else 409)
        stream = self._streams[path] = MemoryStream(media_type.lower())
        if body and body != b"[]":
            stream.append(body)
        headers = {"Location": str(request.url), "Content-Type": media_type, NEXT_OFFSET: await stream.tail()}
        return Response(status_code=201, headers=headers)

    async def _use(self, request: Request, stream: MemoryStream) -> Response:
        if request.method == "DELETE":
            del self._streams[request.url.path]
            return Response(status_code=204)
        if request.method == "HEAD":
            return await stream.answers.head()
        if request.method == "POST":
            return await self._append(request, stream)
        query = request.query_params
        offsets = query.getlist("offset")
        live = query.get("live")
        if len(offsets) > 1 or "" in offsets or (live is not None and not offsets):
            raise bad_request(RequestFault("query", "offset", "offset", "expected one"))
        offset = offsets[0] if offsets else START
        if live is None:
            return await stream.answers.catch_up(offset)
        if offset not in (START, NOW):
            await stream.read(offset)
        mode: LiveMode = "sse" if live == "sse" else "long-poll"
        live_query = LiveQuery(offset, mode, query.get("cursor"))
        return LiveAnswer(stream.answers, stream.reader, live_query, HEADERS)

    async def _append(self, request: Request, stream: MemoryStream) -> Response:
        body = await request.body()
        media_type = request.headers.get("content-type")
        if not body or body.strip() == b"[]" or media_type is None:
            raise bad_request(RequestFault("body", "", "empty", "expected messages of a type"))
        if media_type.partition(";")[0].lower() != stream.media_type.partition(";")[0]:
            return Response(status_code=409)
        try:
            stream.append(body)
        except ValueError:
            raise bad_request(RequestFault("body", "", "json", "expected JSON")) from None
        return Response(status_code=204, headers={NEXT_OFFSET: await stream.tail()})


def application() -> Representations:
    """Return the application, with the entity tags of the api."""
    methods = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]
    return Representations(Starlette(routes=[Route("/{path:path}", Streams().answer, methods=methods)]))


def main() -> None:
    """Serve on a free port of this machine, and print its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    server = uvicorn.Server(
        uvicorn.Config(application(), log_config=None, lifespan="off", server_header=False)
    )
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
