"""Answers of a bounded size, written in parts, so that little waits in a connection. ASGI middleware."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import ProblemError, problem_response

ANSWER_BYTES_MAX = 8 * 1024 * 1024
"""The largest body that is in memory as a whole. Pages end far below it (`PAGE_BYTES_MAX`)."""

PART_BYTES_MAX = 64 * 1024
"""The next part is written when a connection has sent the one before."""


class AnswerParts:
    """Middleware below `ResponseHeaders`: refuses bodies above the limit, and divides the others.

    The connection learns how much of an answer waits outside it (`BoundedHttpProtocol.unwritten_bytes`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and divide its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection: Any = scope.get("state", {}).get("connection")
        start: Message | None = None
        refused = False

        async def send_in_parts(message: Message) -> None:
            nonlocal start, refused
            if message["type"] == "http.response.start":
                if int(Headers(scope=message).get("content-length", 0)) > ANSWER_BYTES_MAX:
                    start = message
                else:
                    await send(message)
                return
            body = message.get("body", b"")
            if start is not None:
                started, start = start, None
                if len(body) > ANSWER_BYTES_MAX:
                    refused = True
                    await problem_response(_too_large(len(body)), scope["path"])(scope, receive, send)
                    return
                await send(started)
            if not refused:
                await _send_parts(body, message.get("more_body", False), send, connection)

        await self._app(scope, receive, send_in_parts)


async def _send_parts(body: bytes, more_body: bool, send: Send, connection: Any) -> None:
    if len(body) <= PART_BYTES_MAX:
        await send({"type": "http.response.body", "body": body, "more_body": more_body})
        return
    view = memoryview(body)
    try:
        for first in range(0, len(body), PART_BYTES_MAX):
            part = bytes(view[first : first + PART_BYTES_MAX])
            rest = len(body) - first - len(part)
            if connection is not None:
                connection.unwritten_bytes = rest
            await send({"type": "http.response.body", "body": part, "more_body": more_body or rest > 0})
    finally:
        if connection is not None:
            connection.unwritten_bytes = 0


def _too_large(size: int) -> ProblemError:
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        f"The answer has {size} bytes, the limit is {ANSWER_BYTES_MAX}; ask for fewer items, or less time.",
    )
