"""Methods of HTTP: HEAD wherever GET works, OPTIONS, and 405 with the methods of a path. ASGI middleware."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import ProblemError, problem_response

ORDER = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE")
"""The methods that any path has, as `Allow` lists them."""

FILE_METHODS = "GET, HEAD, OPTIONS"
"""Of the files of the page."""

_PREFLIGHT = {
    "Access-Control-Allow-Methods": ", ".join(ORDER),
    "Access-Control-Allow-Headers": "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, "
    "If-Match, If-None-Match, Last-Event-ID",
    "Access-Control-Max-Age": "86400",
}


class AllowedMethods:
    """The methods of each path; a path without parameters comes before those with parameters that it fits."""

    def __init__(self, routes: Iterable[APIRoute]) -> None:
        self._literal: dict[str, set[str]] = {}
        self._patterns: dict[re.Pattern[str], set[str]] = {}
        for route in routes:
            methods = (
                self._patterns.setdefault(route.path_regex, set())
                if route.param_convertors
                else self._literal.setdefault(route.path, set())
            )
            methods |= route.methods or set()

    def of(self, path: str) -> str:
        """Return the value of `Allow` for a path, in a time proportional to the routes; empty for no path."""
        found = self._literal.get(path)
        if found is None:
            found = next(
                (methods for pattern, methods in self._patterns.items() if pattern.match(path)), None
            )
        return _allow(found) if found is not None else ""

    def has(self, path: str, method: str) -> bool:
        """Whether a path without parameters has a route of its own for a method."""
        return method in self._literal.get(path, ())

    def refuses(self, path: str, method: str) -> bool:
        """Whether this is a path without parameters that has other methods only.

        The router would take its last part for an id: `GET /v1/quarantine/_replay` for the message `_replay`.
        """
        found = self._literal.get(path)
        return found is not None and method not in found


def _allow(methods: set[str]) -> str:
    allowed = {*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}
    return ", ".join(method for method in ORDER if method in allowed)


class Methods:
    """Middleware below `ResponseHeaders`. The application answers HEAD as GET, whose body is left out.

    A path may have a route for HEAD where that is another question than GET.
    """

    def __init__(self, app: ASGIApp, allowed: AllowedMethods) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer OPTIONS and a method that its path does not have."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS":
            await self._answer_options(scope, receive, send)
        elif self._allowed.refuses(path, "GET" if method == "HEAD" else method):
            await problem_response(method_problem(method, path, self._allowed.of(path)), path)(
                scope, receive, send
            )
        elif method == "HEAD" and not self._allowed.has(path, method):
            await self._answer_head(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer_options(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        allowed = ", ".join(ORDER) if path == "*" else self._allowed.of(path)
        is_preflight = any(name == b"access-control-request-method" for name, _ in scope["headers"])
        if not allowed and not is_preflight:
            # A file of the page, or nothing.
            await self._app(scope, receive, send)
            return
        headers = [(name.lower().encode(), value.encode()) for name, value in _PREFLIGHT.items()]
        if allowed:
            headers.append((b"allow", allowed.encode()))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _answer_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {**scope, "method": "GET"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                if "route" in inner:
                    scope["route"] = inner["route"]
                await send(message)
                # The response is complete: a stream ends now, as when its client leaves.
                await send({"type": "http.response.body", "body": b""})

        await self._app(inner, receive, send_head)


def method_problem(method: str, path: str, allowed: str) -> ProblemError:
    """Return the problem (405) of a path without this method; `allowed` are those that it has."""
    return ProblemError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        f"{path} does not support the method {method}; it supports {allowed}.",
        headers={"Allow": allowed},
    )


def add_method_handler(app: FastAPI, allowed: AllowedMethods) -> None:
    """Make an application name the methods of a path where it refuses one.

    Its router knows those of one route only.
    """

    async def refuse(request: Request, _: Exception) -> Response:
        path = request.url.path
        problem = method_problem(request.method, path, allowed.of(path) or FILE_METHODS)
        return problem_response(problem, path)

    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, refuse)
