"""HEAD, OPTIONS, and the methods that a path allows."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.types import Message

from api.app import ROUTERS, create_app
from api.context import ApiContext
from api.http.methods import AllowedMethods

OPERATOR = {"Authorization": "Bearer sesame"}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/entities",
        "/v1/entities?limit=2",
        "/v1/entities/city.canal",
        "/v1/entities/nowhere",
        "/v1/entities/city.canal/state",
        "/v1/entities?limit=0",
        "/v1/datastreams/5/observations",
        "/v1/alarms",
        "/v1/alarms/cap",
        "/v1/duty/on-call",
        "/v1/health/live",
        "/v1/health/ready",
        "/v1/openapi.json",
        "/v1/acknowledge/token",
        "/page.json",
        "/sign-in/nowhere.json",
        "/.well-known/jwks.json",
    ],
)
async def test_head_answers_as_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert head.status_code == got.status_code
    assert (head.content, got.content != b"") == (b"", True)
    headers = [
        {name: value for name, value in one.headers.items() if name != "ratelimit"} for one in (got, head)
    ]
    assert headers[0] == headers[1]


def test_every_path_that_has_get_allows_head() -> None:
    routes = [route for router, _ in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    allowed = AllowedMethods(routes)
    for route in routes:
        methods = allowed.of(re.sub(r"\{\w+\}", "1", route.path)).split(", ")
        assert (route.methods or set()) <= set(methods)
        assert ("GET" in methods) == ("HEAD" in methods)


async def test_head_of_the_live_stream_ends(client: httpx.AsyncClient) -> None:
    # The transport returns once the application does.
    response = await client.head("/v1/live")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in response.headers


async def test_head_is_counted_for_its_route(client: httpx.AsyncClient) -> None:
    await client.head("/v1/entities/city.canal")
    text = (await client.get("/metrics")).text
    assert 'livetwin_api_requests_total{route="/v1/entities/{id}",status="200"} 1.0' in text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/entities", "GET, HEAD, OPTIONS"),
        ("PUT", "/v1/duty/overrides", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/v1/duty/overrides/1", "GET, HEAD, OPTIONS, DELETE"),
        ("PUT", "/v1/duty/push-subscriptions", "GET, HEAD, OPTIONS, POST"),
        ("GET", "/v1/duty/push-subscriptions/1", "OPTIONS, DELETE"),
        ("POST", "/v1/rules/high", "GET, HEAD, OPTIONS, PUT, DELETE"),
        ("GET", "/v1/alarms/a~b/_shelve", "OPTIONS, POST"),
        ("GET", "/v1/quarantine/_replay", "OPTIONS, POST"),
        ("HEAD", "/v1/quarantine/_replay", "OPTIONS, POST"),
        ("DELETE", "/v1/rules/_backtest", "OPTIONS, POST"),
        ("GET", "/v1/rules/_backtest", "OPTIONS, POST"),
        ("GET", "/v1/unassigned-devices/_assign", "OPTIONS, POST"),
        ("DELETE", "/v1/alarms/_statistics", "GET, HEAD, OPTIONS"),
        ("PATCH", "/v1/alarms/cap", "GET, HEAD, OPTIONS"),
        ("BREW", "/v1/entities", "GET, HEAD, OPTIONS"),
        ("POST", "/metrics", "GET, HEAD, OPTIONS"),
    ],
)
async def test_another_method_is_refused_with_those_that_the_path_has(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path, headers=OPERATOR)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert response.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert (
            response.json()["detail"]
            == f"{path} does not support the method {method}; it supports {allowed}."
        )
    options = await client.options(path)
    assert (options.status_code, options.headers["allow"]) == (204, allowed)


async def test_no_method_exists_at_an_unknown_path(client: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        response = await client.request(method, "/v1/nowhere")
        assert response.status_code == 404
        assert "allow" not in response.headers


async def test_a_preflight_of_an_unknown_path_is_allowed_so_that_a_browser_shows_its_404(
    client: httpx.AsyncClient,
) -> None:
    asked = {"Origin": "https://other.example", "Access-Control-Request-Method": "GET"}
    response = await client.options("/v1/nowhere", headers=asked)
    assert response.status_code == 204
    assert "allow" not in response.headers


async def test_options_of_the_server_name_all_methods(parts: ApiContext) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "OPTIONS", "path": "*", "scheme": "http", "headers": []}
    await create_app(parts)(scope, unread, send)
    assert sent[0]["status"] == 204
    assert (b"allow", b"GET, HEAD, OPTIONS, POST, PUT, DELETE") in sent[0]["headers"]


async def unread() -> Message:
    raise AssertionError("OPTIONS has no body")


async def test_files_of_the_page_are_read_only(parts: ApiContext) -> None:
    (parts.settings.static_dir / "index.html").write_text("<title>The city</title>")
    transport = httpx.ASGITransport(create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        assert (await client.head("/")).headers["content-length"] == "23"
        for path in ("/", "/index.html"):
            refused = await client.post(path)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
            assert (await client.options(path)).headers["allow"] == "GET, HEAD, OPTIONS"
        for method in ("GET", "POST", "OPTIONS"):
            assert (await client.request(method, "/v1/nowhere")).status_code == 404
