"""Headers of every response: API-Version, security headers and CORS. Counts requests. ASGI middleware."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import ApiMetrics

API_VERSION = "1.0.0"

TRANSPORT_SECURITY = "max-age=31536000"
"""Strict-Transport-Security of answers over TLS."""

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "API-Version, Content-Crs, Content-Location, Deprecation, ETag, Link, "
    "Location, RateLimit, RateLimit-Policy, Retry-After, Stream-Cursor, Stream-Next-Offset, "
    "Stream-Up-To-Date, Sunset",
}

FRAME_ANCESTORS = "livetwin.frame_ancestors"
"""Member of a request's scope: the origins whose pages may embed the answer; none by default."""

_UNFRAMEABLE = "frame-ancestors 'none'"

BEGINNINGS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
"""The messages with which the answer to a request begins; the last one refuses a WebSocket."""


def standard_headers(tiles: str | None, connect_origins: Sequence[str] = ()) -> dict[str, str]:
    """Return the headers of every response; `tiles` and `connect_origins` as in the policy."""
    return {
        "API-Version": API_VERSION,
        "Content-Security-Policy": content_security_policy(tiles, connect_origins),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        **_CORS,
    }


def content_security_policy(tiles: str | None, connect_origins: Sequence[str] = ()) -> str:
    """Return the policy that allows only what the page needs; MapLibre draws in a blob worker.

    `tiles` is the address of the map's tiles; `connect_origins` are those of the token endpoints to which the
    page sends the code of a person who signs in. Going to an issuer and back is navigation, which no member
    of the policy restricts.

    >>> "https://tiles.example" in content_security_policy("https://tiles.example/{z}/{x}/{y}.png")
    True
    >>> "connect-src 'self' https://sso.example;" in content_security_policy(None, ["https://sso.example"])
    True
    """
    host = ""
    if tiles:
        parts = urlsplit(tiles)
        host = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            # MapLibre and charts set styles on elements.
            "style-src 'self' 'unsafe-inline'",
            f"img-src 'self' data: blob:{host}",
            " ".join((f"connect-src 'self'{host}", *connect_origins)),
            "font-src 'self'",
            "worker-src 'self' blob:",
            "child-src blob:",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            _UNFRAMEABLE,
        )
    )


def _allow_frames(headers: MutableHeaders, origins: Sequence[str]) -> None:
    """Let pages of some origins embed an answer: `X-Frame-Options` knows none or all of them."""
    if origins:
        allowed = " ".join(("frame-ancestors 'self'", *origins))
        policy = headers["Content-Security-Policy"]
        headers["Content-Security-Policy"] = policy.replace(_UNFRAMEABLE, allowed)
        del headers["X-Frame-Options"]


class ResponseHeaders:
    """The outermost middleware of the application."""

    def __init__(
        self, app: ASGIApp, metrics: ApiMetrics, tiles: str | None, connect_origins: Sequence[str] = ()
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._headers = standard_headers(tiles, connect_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and complete the headers of its response."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        began = clock()

        async def send_complete(message: Message) -> None:
            if message["type"] in BEGINNINGS:
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                _allow_frames(headers, scope.get(FRAME_ANCESTORS, ()))
                if scope["scheme"] in ("https", "wss"):
                    headers["Strict-Transport-Security"] = TRANSPORT_SECURITY
                self._count(scope, message.get("status", HTTPStatus.SWITCHING_PROTOCOLS), clock() - began)
            await send(message)

        await self._app(scope, receive, send_complete)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # The pattern of the route, never the path: the number of label values stays small.
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(route, str(int(status))).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
