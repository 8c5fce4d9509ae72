"""What is sent of a whole answer: its entity tag, nothing more to who has it, or its compressed body.

ASGI middleware.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.answer_parts import ANSWER_BYTES_MAX
from api.http.compression import COMPRESSED_BYTES_MIN, TEXTS, accepts_gzip, compress
from api.http.conditional_requests import entity_tag, is_known
from api.http.header_values import bare_media_type

INLINE_BYTES_MAX = 32 * 1024
"""A larger body is hashed and compressed in a thread: other requests and streams go on meanwhile."""

OPEN_TEXTS = TEXTS - {"text/html"}
"""The page behind the link of a message comes without a key, and is not open data."""


class Representations:
    """Middleware between `RequestLimits` and the application, which holds its slots meanwhile.

    It changes the answers (200) to GET whose body comes at once; streams and files pass.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and complete its answer."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def send_represented(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if _is_whole(message):
                    start = message
                else:
                    await send(message)
            elif start is None:
                await send(message)
            else:
                started, start = start, None
                if message.get("more_body", False):
                    await send(started)
                    await send(message)
                else:
                    await _send_whole(scope, started, message.get("body", b""), send)

        await self._app(scope, receive, send_represented)


def _is_whole(start: Message) -> bool:
    """Whether an answer has one body of a bounded size, and no tag or encoding that its route chose."""
    headers = Headers(scope=start)
    return (
        start["status"] == HTTPStatus.OK
        and 0 < int(headers.get("content-length", 0)) <= ANSWER_BYTES_MAX
        and "etag" not in headers
        and "content-encoding" not in headers
    )


async def _send_whole(scope: Scope, start: Message, body: bytes, send: Send) -> None:
    request, headers = Headers(scope=scope), MutableHeaders(scope=start)
    large = len(body) > INLINE_BYTES_MAX
    tag = await asyncio.to_thread(entity_tag, body) if large else entity_tag(body)
    headers["ETag"] = tag
    media_type = bare_media_type(headers.get("content-type", ""))
    is_text = media_type in OPEN_TEXTS and len(body) >= COMPRESSED_BYTES_MIN
    if is_text:
        headers.add_vary_header("Accept-Encoding")
    if is_known(tag, ", ".join(request.getlist("if-none-match"))):
        del headers["Content-Length"]
        del headers["Content-Type"]
        start["status"] = HTTPStatus.NOT_MODIFIED.value
        body = b""
    elif is_text and _may_compress(request):
        body = await asyncio.to_thread(compress, body) if large else compress(body)
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(body))
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _may_compress(request: Headers) -> bool:
    """Whether an answer may be compressed: open data only, for a client that accepts it.

    With a key an answer may have what others may not know, beside texts that they chose: from its compressed
    length they could learn it (BREACH).
    """
    if "authorization" in request:
        return False
    return accepts_gzip(", ".join(request.getlist("accept-encoding")))
