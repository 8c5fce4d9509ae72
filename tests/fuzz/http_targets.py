"""Targets for HTTP requests: each family of paths in the OpenAPI document.

An input is a request as text: method and target, headers, an empty line, a body. The application receives it
as from the server. The law: the status is below 500, or 503 since there is no database here; every refusal is
a problem document that names its faults.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote, urlencode

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from api.access.access_tokens import AccessTokens
from api.access.api_keys import ApiKeys
from api.access.authentication import Authenticator
from api.app import create_app, create_context
from api.context import ApiContext
from api.http.responses import encode_page_cursor
from api.live.live_view import ViewSeed
from api.settings import ApiSettings
from storage.stores.tokens import TOKEN_PREFIX, TokenGrant
from tests.fuzz.device_targets import dictionary_of
from tests.fuzz.engine import FuzzTarget
from tests.support.cities.small_cities import small_city
from tests.support.http.documented_answers import openapi_document, served_paths
from tests.support.payloads.device_payloads import RECEIVED

KEY = f"{TOKEN_PREFIX}fuzz"
HEAD_BYTES_MAX = 64 * 1024
ANSWER_S_MAX = 20.0
"""Time limit of a response: a request that waits for ever is a fault, too."""

METHODS = ("get", "post", "put", "delete")

# Names of parameters, with an example value of each.
_EXAMPLES: dict[str, str] = {
    "id": "town.street", "entity": "town.street", "property": "noise_level", "start": "2026-10-24T00:00:00Z",
    "end": "2026-10-25T00:00:00Z", "interval": "PT1H", "aggregate": "mean,p95",
    "timezone": "Europe/Amsterdam",
    "fill": "null", "knownAt": "2026-10-24T12:00:00Z", "limit": "10", "bbox": "4.70,52.60,4.80,52.67",
    "near": "4.75,52.63", "radius": "500", "q": "str", "theme": "water", "type": "Road",
    "parent": "town", "freshness": "live", "events": "state,gap", "time": "2026-10-24T12:00:00Z",
    "feed": "ttn",
    "reason": "malformed", "device": "kade", "resolved": "true", "x": "noise_level", "y": "noise_level",
    "lag": "24",
    "method": "pearson", "severity": "major", "state": "unacknowledged", "active": "true", "open": "true",
    "since": "2026-10-24T12:00:00Z", "rule": "high-water", "cause": "rain", "area": "town",
    "alarm": "a~town.street",
    "at": "2026-10-24T12:00:00Z", "team": "operations", "incident": "rain~town~1", "contact": "anna",
    "outcome": "sent", "token": "AAAA", "acknowledged": "false", "sensor": "noise-1",
    "minChange": "0.5", "minInterval": "PT10S", "fields": "entityId,value", "heartbeat": "PT5S",
}  # fmt: skip
_WORDS = (
    b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HEAD ", b"OPTIONS ", b"%00", b"%2F", b"%ff", b"%F0%9F%8C%8A",
    b"%0a", b"&",
    b"?", b"=", b"//", b"/..", b"?cursor=", b"&limit=", b"Last-Event-ID: ", b"If-Match: ", b"If-None-Match: ",
    b"Accept: application/geo+json", b"Accept: text/html", b"Idempotency-Key: ", b"Authorization: Bearer ",
    *(b"&cursor=" + encode_page_cursor(key).encode()
      for key in ("town", 17, (RECEIVED, "a"), (RECEIVED, 1), 2**63, "\0")),
    b"Content-Length: 99999999", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Host: ",
    b"X-Forwarded-For: ",
)  # fmt: skip


async def _grant(hashed: bytes) -> TokenGrant | None:
    return TokenGrant("fuzz", "admin", None)


class ApiUnderTest:
    """The API without a database, with the event loop that it runs in."""

    def __init__(self) -> None:
        settings = ApiSettings(
            city="town",
            partitions=2,
            kafka="127.0.0.1:9",
            database="postgresql://nobody@127.0.0.1:9/none",
            link_key="links",
            client_requests_per_s=0,
            static_dir=Path(__file__).parent,
        )
        made = create_context(settings, small_city(), lambda: RECEIVED, CollectorRegistry())
        made.hub.reset("log-1", ViewSeed(), [0] * 4)
        self.context: ApiContext = replace(
            made, authenticator=Authenticator(ApiKeys(None, _grant), AccessTokens((), made.clock))
        )
        self.app: ASGIApp = create_app(self.context)
        self._runner = asyncio.Runner()
        self._runner.run(self.context.database.open())

    def ask(self, data: bytes) -> str:
        """Send a request; return its status and the codes of its faults."""
        return self._runner.run(asyncio.wait_for(send_request(self.app, data), ANSWER_S_MAX))

    @property
    def paths(self) -> dict[str, Any]:
        """The operations of the OpenAPI document by path."""
        return served_paths(openapi_document(self.app))


# No part of the versioned API.
_BESIDE = ("/.well-known/jwks.json", "/.well-known/security.txt", "/metrics")


@cache
def api_under_test() -> ApiUnderTest:
    """Return the application, which is created once."""
    return ApiUnderTest()


async def send_request(app: ASGIApp, data: bytes) -> str:
    """Send a request to an application and check its response."""
    scope, body = request_scope(data)
    received = [{"type": "http.request", "body": body, "more_body": False}]
    status, headers, answer = 0, {}, bytearray()

    async def receive() -> MutableMapping[str, Any]:
        # The client of a stream disconnects at once.
        return received.pop() if received else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], dict(message["headers"])
        else:
            answer.extend(message.get("body", b""))

    await app(scope, receive, send)
    return check_response(scope, status, headers, bytes(answer))


def check_response(scope: dict[str, Any], status: int, headers: dict[bytes, bytes], answer: bytes) -> str:
    """Assert that a response keeps the law; return its status and fault codes."""
    asked_for = f"{scope['method']} {scope['path'][:200]!r}"
    assert 200 <= status < 500 or status == 503, f"{asked_for} was answered {status}: {answer[:300]!r}"
    assert b"Traceback" not in answer
    for name, value in headers.items():
        assert not {0, 10, 13} & {*name, *value}, f"a header of {asked_for} holds a line break: {value!r}"
    if status < 400 or scope["method"] == "HEAD":
        return str(status)
    if headers[b"content-type"].startswith(b"text/html"):
        return f"{status} page"
    assert headers[b"content-type"] == b"application/problem+json", f"{asked_for}: {headers}"
    problem = json.loads(answer)
    assert problem["status"] == status
    assert problem["detail"]
    faults = problem.get("errors", ())
    assert all(one["detail"] and one["code"] and one["in"] for one in faults)
    assert len(answer) < 1_000_000, f"{asked_for}: a problem of {len(answer)} bytes"
    return f"{status} {' '.join(sorted({one['code'] for one in faults}))}"


def request_scope(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the ASGI scope and body of a request; parts that no server lets through are corrected."""
    head, _, body = data.partition(b"\n\n")
    head = head[:HEAD_BYTES_MAX]
    first, *lines = head.split(b"\n")
    method, _, target = first.partition(b" ")
    path, _, query = quote_from_bytes(target, safe="%/?&=;:@,+$!*'()~[]").partition("?")
    headers = [
        (name.strip().lower(), value.strip())
        for name, colon, value in (line.partition(b":") for line in lines)
        if colon and name.strip() and not {0, 10, 13} & {*name, *value}
    ]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", b"city.example"))  # a request without it is answered 400 whatever it asks
    path = path if path.startswith("/") else "/" + path
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method.decode("ascii", "replace").upper() or "GET",
        "scheme": "http",
        "root_path": "",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "server": ("city.example", 80),
        "client": ("203.0.113.7", 40_000),
        "state": {},
    }, body


def http_targets() -> list[FuzzTarget]:
    """Return a target for each family of paths."""
    families: dict[str, list[bytes]] = {}
    beside: dict[str, Any] = {path: {"get": {}} for path in _BESIDE}
    for path, operations in {**api_under_test().paths, **beside}.items():
        family = path.split("/")[2] if path.startswith("/v1/") else "other"
        families.setdefault(family, []).extend(
            request
            for method in METHODS
            if method in operations
            for request in _requests(path, method, operations[method])
        )
    return [
        FuzzTarget(
            name=f"http-{family}",
            size_max=HEAD_BYTES_MAX,
            run=api_under_test().ask,
            corpus=tuple(seeds),
            dictionary=(*_WORDS, *dictionary_of(tuple(seeds))),
        )
        for family, seeds in sorted(families.items())
    ]


def _requests(path: str, method: str, operation: dict[str, Any]) -> list[bytes]:
    """Return valid requests of an operation: without parameters, with all, and with each example body."""
    query = {}
    for parameter in operation.get("parameters", ()):
        example = _EXAMPLES.get(parameter["name"], "1")
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", example)
        elif parameter["in"] == "query" and parameter["name"] != "cursor":
            query[parameter["name"]] = example
    bare = f"{method.upper()} {path}"
    key = f"\nAuthorization: Bearer {KEY}\nAccept: application/json"
    made = [bare + key, f"{bare}?{urlencode(query)}{key}"]
    made += [f"{bare}{key}\n\n{json.dumps(body)}" for body in _bodies(operation)]
    return [one.encode() for one in made]


def _bodies(operation: dict[str, Any]) -> list[Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    named = [one["value"] for one in content.get("examples", {}).values()]
    return named + ([content["example"]] if "example" in content else [])
