"""Request size and rate limits, applied before routing. ASGI middleware."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.authentication import Authenticator
from api.access.principal import Principal
from api.http.limits.admission import PROBE_LIMITS, Admission, Caller, CallerKind
from api.http.limits.rate_limiter import RateLimitDecision, RateLimiter
from api.http.limits.request_weight import HEAVY_TOKENS, LIGHT, request_weight
from api.http.problems import ProblemError, RequestFault, bad_request, problem_response
from api.http.response_headers import BEGINNINGS
from api.metrics import ApiMetrics
from twin.model.role import role_includes

# A cursor of the live stream has at most 40,000 characters; 500 names take as many again.
TARGET_BYTES_MAX = 96 * 1024
# The header Last-Event-ID carries such a cursor.
HEADERS_BYTES_MAX = 64 * 1024

# A problem shows this much of a refused path.
_SHOWN_CHARACTERS = 200
# A household gets a whole IPv6 network: its addresses differ in the last 64 bits.
_IPV6_INTERFACE_BITS = 64

PROBES = ("/v1/health/live", "/v1/health/ready", "/metrics")
"""Paths without a limit of rate. Each has slots of its own: readiness may wait for the database."""


class RequestLimits:
    """Middleware between `ResponseHeaders` and the application. No rate limit without `rate_limiter`."""

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        metrics: ApiMetrics,
        rate_limiter: RateLimiter | None,
        admission: Admission,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._metrics = metrics
        self._rate_limiter = rate_limiter
        self._admission = admission
        self._probes = {path: Admission(metrics, PROBE_LIMITS) for path in PROBES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        principal = known_principal(scope, self._authenticator)
        client = client_identity(scope, principal)
        state = scope.setdefault("state", {})
        state["client"] = client
        problem = malformed_request_problem(scope)
        limiter = self._rate_limiter
        probe = self._probes.get(scope["path"])
        weight = request_weight(scope["path"]) if probe is None else LIGHT
        if limiter is not None and probe is None:
            tokens = 1 if weight == LIGHT else HEAVY_TOKENS
            decision = limiter.take(client, asyncio.get_running_loop().time(), tokens)
            if not decision.granted:
                self._metrics.requests_limited.labels("requests").inc()
                problem = rate_problem(decision, limiter)
            send = _with_rate_headers(send, decision, limiter)
            # Of the messages of a WebSocket, each of which is a request.
            state["rate_limiter"] = limiter
        if problem is None:
            caller = Caller(client, caller_kind(principal))
            await self._run_admitted(probe or self._admission, caller, weight, scope, receive, send)
        else:
            await problem_response(problem, scope["path"][:_SHOWN_CHARACTERS])(scope, receive, send)

    async def _run_admitted(  # noqa: PLR0917 - an ASGI application has three
        self,
        admission: Admission,
        caller: Caller,
        weight: int,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Pass a request on once it has slots; give them back when its answer begins.

        A stream goes on after that, and an answer waits for its reader: these have their own limits.
        """
        try:
            await admission.enter(caller, weight)
        except ProblemError as problem:
            await problem_response(problem, scope["path"][:_SHOWN_CHARACTERS])(scope, receive, send)
            return
        if _is_for_nobody(scope):
            admission.leave(caller, weight)
            return
        entered = True

        def leave() -> None:
            nonlocal entered
            if entered:
                entered = False
                admission.leave(caller, weight)

        async def send_and_leave(message: Message) -> None:
            if message["type"] in BEGINNINGS:
                leave()
            await send(message)

        # For an answer that waits for something to happen.
        scope["state"]["leave_slots"] = leave
        try:
            await self._app(scope, receive, send_and_leave)
        finally:
            leave()


def rate_problem(decision: RateLimitDecision, limiter: RateLimiter) -> ProblemError:
    """Return the problem (429) of a client beyond the limit of rate."""
    return ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"This client used its burst of {limiter.burst} requests; from then on at most "
        f"{limiter.per_s:g} requests a second are answered. Wait, follow /v1/live instead of polling, "
        "or use an API key of your own.",
        headers={"Retry-After": str(max(1, ceil(decision.wait_s)))},
    )


def caller_kind(principal: Principal | None) -> CallerKind:
    """Return the kind of a caller; a credential counts as none until it was found valid."""
    if principal is None:
        return "anonymous"
    return "operator" if role_includes(principal.role, "operator") else "key"


def known_principal(scope: Scope, authenticator: Authenticator) -> Principal | None:
    """Return who sends a request, if the credential was valid at its last check."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return authenticator.known_principal(value.decode("latin-1").partition(" ")[2].strip())
    return None


def client_identity(scope: Scope, principal: Principal | None) -> str:
    """Return the identity of a client: its principal if that is known, else its address.

    An IPv6 address counts as its network of 64 bits: who has one address of it has all of them.
    """
    if principal is not None:
        return f"principal {principal.name}"
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ip_address(host)
    except ValueError:
        return f"address {host[:_SHOWN_CHARACTERS]}"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"network {int(address) >> _IPV6_INTERFACE_BITS:x}"
    return f"address {address}"


def malformed_request_problem(scope: Scope) -> ProblemError | None:
    """Return the problem of a request that is too large, contains a NUL or lacks one Host; else None."""
    query = scope["query_string"]
    size = len(scope.get("raw_path") or scope["path"]) + len(query)
    if size > TARGET_BYTES_MAX:
        return ProblemError(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            f"Path and query have {size} bytes, the limit is {TARGET_BYTES_MAX}; request fewer items.",
        )
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > HEADERS_BYTES_MAX:
        return ProblemError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The headers have {size} bytes, the limit is {HEADERS_BYTES_MAX}; send fewer headers.",
        )
    if scope.get("http_version") == "1.1":
        hosts = sum(name == b"host" for name, _ in scope["headers"])
        if hosts != 1:
            detail = f"found {hosts} headers Host: HTTP/1.1 requires one (RFC 9112, 3.2)"
            return bad_request(RequestFault("header", "Host", "host", detail))
    faults = [
        RequestFault(part, "", "nul", "found a NUL character, which no name and no text contains")
        for part, has_nul in (("path", "\0" in scope["path"]), ("query", b"%00" in query or b"\0" in query))
        if has_nul
    ]
    return bad_request(*faults) if faults else None


def _is_for_nobody(scope: Scope) -> bool:
    """Return whether a request only reads, and its client has closed the connection."""
    connection: Any = scope["state"].get("connection")
    return connection is not None and connection.is_lost and scope["method"] in ("GET", "HEAD")


def _with_rate_headers(send: Send, decision: RateLimitDecision, limiter: RateLimiter) -> Send:
    """Return a `send` that adds the remaining quota (draft-ietf-httpapi-ratelimit-headers-10)."""

    async def send_with_limits(message: Message) -> None:
        if message["type"] in BEGINNINGS:
            headers = MutableHeaders(scope=message)
            headers["RateLimit-Policy"] = f'"client";q={limiter.burst};w={limiter.window_s}'
            headers["RateLimit"] = f'"client";r={decision.remaining};t={ceil(decision.wait_s)}'
        await send(message)

    return send_with_limits
