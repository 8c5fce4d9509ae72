"""The API key of a browser's WebSocket, in the only header that a page can set. ASGI middleware.

A page cannot set `Authorization` on a WebSocket, and a URL is no place for a key: proxies log it. So a page
offers the key as a subprotocol, which the server never selects, beside one that it does:

    new WebSocket(url, ["livetwin.v1", "livetwin.bearer." + base64url(key)])
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.problems import ProblemError, problem_response

PROTOCOL = "livetwin.v1"
"""The subprotocol of the messages."""

KEY_PREFIX = "livetwin.bearer."


class SocketKeys:
    """Middleware before everything that reads `Authorization`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with the key of a WebSocket in `Authorization`."""
        if scope["type"] == "websocket":
            try:
                scope = _with_authorization(scope)
            except ProblemError as problem:
                await problem_response(problem, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _with_authorization(scope: Scope) -> Scope:
    keys = [each for each in scope["subprotocols"] if each.startswith(KEY_PREFIX)]
    if not keys:
        return scope
    headers = [(name, value) for name, value in scope["headers"] if name != b"sec-websocket-protocol"]
    if len(keys) > 1 or any(name == b"authorization" for name, _ in headers):
        raise _unauthorized("the key is given more than once: use Authorization or one subprotocol")
    return {
        **scope,
        "headers": [*headers, (b"authorization", b"Bearer " + key_of(keys))],
        "subprotocols": [each for each in scope["subprotocols"] if each not in keys],
    }


def key_of(keys: Sequence[str]) -> bytes:
    """Return the key in a subprotocol; raise a problem (401) when it is not base64url.

    >>> key_of(["livetwin.bearer.c2VzYW1l"])
    b'sesame'
    """
    text = keys[0].removeprefix(KEY_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        key.decode("ascii")
    except (ValueError, binascii.Error):
        raise _unauthorized("it is not an API key in base64url") from None
    return key


def _unauthorized(reason: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        f"The subprotocol '{KEY_PREFIX}…' has no usable API key: {reason}.",
        headers={"WWW-Authenticate": "Bearer"},
    )
