"""A connection to an ASGI application without a server: a stream, or a WebSocket, read while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.types import ASGIApp, Message

DEADLINE_S = 10.0

_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


class AsgiConnection:
    """One connection. `status` is that of the answer; 101 of a WebSocket that is open."""

    def __init__(self, incoming: asyncio.Queue[Message], outgoing: asyncio.Queue[Message]) -> None:
        self.status = 0
        self._incoming = incoming
        self._outgoing = outgoing

    async def begin(self) -> None:
        """Read the beginning of the answer."""
        message = await self._next()
        assert message["type"] in _STARTS, message
        self.status = message.get("status", HTTPStatus.SWITCHING_PROTOCOLS.value)

    def send(self, message: object) -> None:
        """Send a message of a WebSocket."""
        self._incoming.put_nowait(
            {"type": "websocket.receive", "text": msgspec.json.encode(message).decode()}
        )

    async def until(self, mark: str) -> str:
        """Return what comes, up to the part with a text, or to the end of the connection."""
        text = ""
        while mark not in text:
            message = await self._next()
            text += message.get("text") or message.get("body", b"").decode()
            if message["type"] == "websocket.close" or message.get("more_body") is False:
                break
        return text

    async def _next(self) -> Message:
        async with asyncio.timeout(DEADLINE_S):
            return await self._outgoing.get()


@asynccontextmanager
async def asgi_connection(
    app: ASGIApp, url: str, credential: str | None, *, websocket: bool = False
) -> AsyncIterator[AsgiConnection]:
    """Open a connection to the path and query of a URL for the block."""
    parts = urlsplit(url)
    headers = [(b"host", b"city.example")]
    if credential is not None:
        headers.append((b"authorization", b"Bearer " + credential.encode()))
    kind: dict[str, Any] = {"type": "http", "scheme": "http", "method": "GET"}
    first: Message = {"type": "http.request", "body": b"", "more_body": False}
    if websocket:
        kind = {"type": "websocket", "scheme": "ws", "subprotocols": []}
        first = {"type": "websocket.connect"}
    scope = {
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("city.example", 80),
        "extensions": {"websocket.http.response": {}},
        "state": {},
        **kind,
    }
    incoming, outgoing = asyncio.Queue[Message](), asyncio.Queue[Message]()
    incoming.put_nowait(first)

    async def serve() -> None:
        await app(scope, incoming.get, outgoing.put)

    serving = asyncio.create_task(serve())
    connection = AsgiConnection(incoming, outgoing)
    try:
        await connection.begin()
        yield connection
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
