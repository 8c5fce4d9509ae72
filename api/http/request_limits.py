"""The gate: what every request must be before it is looked at, and how often one client may ask. ASGI."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from math import ceil

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.api_keys import ApiKeys
from api.http.problems import ProblemError, RequestFault, bad_request, problem_response
from api.http.rate_limiter import RateLimitDecision, RateLimiter
from api.metrics import ApiMetrics

# A cursor of the live stream has at most 40,000 characters, and five hundred names as many again.
TARGET_BYTES_MAX = 96 * 1024
# Last-Event-ID is such a cursor.
HEADERS_BYTES_MAX = 64 * 1024

# Of a path that is refused so much is told.
_SHOWN_CHARACTERS = 200
# One household of the network has so many addresses.
_IPV6_HOUSEHOLD = 64

# What watches over this process must not be kept out by whoever shares its address.
_UNLIMITED = ("/v1/health/", "/metrics")


class RequestLimits:
    """Middleware between that of the headers and all else. Without `allowances` nobody is limited."""

    def __init__(
        self, app: ASGIApp, keys: ApiKeys, metrics: ApiMetrics, rate_limiter: RateLimiter | None
    ) -> None:
        self._app = app
        self._keys = keys
        self._metrics = metrics
        self._allowances = rate_limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = client_identity(scope, self._keys)
        scope.setdefault("state", {})["client"] = client
        problem = malformed_request_problem(scope)
        allowance = None
        if self._allowances is not None and not scope["path"].startswith(_UNLIMITED):
            allowance = self._allowances.take(client, asyncio.get_running_loop().time())
            if not allowance.granted:
                problem = self._too_often(allowance, self._allowances)
            send = _telling(send, allowance, self._allowances)
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(problem, scope["path"][:_SHOWN_CHARACTERS])(scope, receive, send)

    def _too_often(self, allowance: RateLimitDecision, allowances: RateLimiter) -> ProblemError:
        self._metrics.requests_limited.labels("requests").inc()
        return ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"This client has asked {allowances.burst} times at once, at most {allowances.per_s:g} times a "
            "second are answered from then on; ask later, follow /v1/live instead of asking again, or use an "
            "API key of your own.",
            headers={"Retry-After": str(max(1, ceil(allowance.wait_s)))},
        )


def client_identity(scope: Scope, keys: ApiKeys) -> str:
    """Return who asks: by an API key that was good a moment ago, else by address.

    An IPv6 address counts as its network of 64 bits: who has one address of it has them all.
    """
    for name, value in scope["headers"]:
        if name == b"authorization":
            known = keys.known_hash(value.decode("latin-1").partition(" ")[2].strip())
            if known is not None:
                return f"key {known.hex()}"
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ip_address(host)
    except ValueError:
        return f"address {host[:_SHOWN_CHARACTERS]}"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"network {int(address) >> _IPV6_HOUSEHOLD:x}"
    return f"address {address}"


def malformed_request_problem(scope: Scope) -> ProblemError | None:
    """Return why a request is none that anybody answers; None when it may go on."""
    query = scope["query_string"]
    size = len(scope.get("raw_path") or scope["path"]) + len(query)
    if size > TARGET_BYTES_MAX:
        return ProblemError(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            f"Path and query have {size} bytes, at most {TARGET_BYTES_MAX} are read; ask for fewer things.",
        )
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > HEADERS_BYTES_MAX:
        return ProblemError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The headers have {size} bytes, at most {HEADERS_BYTES_MAX} are read; send fewer.",
        )
    faults = [
        RequestFault(place, "", "nul", "found a NUL character, which no name and no text holds")
        for place, found in (("path", "\0" in scope["path"]), ("query", b"%00" in query or b"\0" in query))
        if found
    ]
    return bad_request(*faults) if faults else None


def _telling(send: Send, allowance: RateLimitDecision, allowances: RateLimiter) -> Send:
    """Return a `send` that tells what is left (draft-ietf-httpapi-ratelimit-headers-10)."""

    async def send_with_limits(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["RateLimit-Policy"] = f'"client";q={allowances.burst};w={allowances.window_s}'
            headers["RateLimit"] = f'"client";r={allowance.remaining};t={ceil(allowance.wait_s)}'
        await send(message)

    return send_with_limits
