"""Limits of request size and of requests per client."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from api.context import ApiContext
from api.http.limits.admission import CLIENT_SLOTS, Admission, Caller
from api.http.limits.rate_limiter import RateLimiter
from api.http.limits.request_limits import (
    HEADERS_BYTES_MAX,
    TARGET_BYTES_MAX,
    RequestLimits,
    client_identity,
    malformed_request_problem,
)
from api.http.parameters import NAMES_MAX
from api.live.cursor import CURSOR_CHARACTERS_MAX

FEW = 3
OTHER = ("203.0.113.9", 40_000)


def client(parts: ApiContext, address: tuple[str, int] = ("203.0.113.7", 40_000)) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(parts), client=address), base_url="http://city.example"
    )


def limited(parts: ApiContext) -> ApiContext:
    changed = parts.settings.model_copy(update={"client_requests_per_s": 0.001, "client_requests_burst": FEW})
    return replace(parts, settings=changed)


@pytest.mark.parametrize(
    "path", ["/v1/entities/a%00b", "/v1/entities?q=%00", "/v1/ledger?feed=%00&start=%00"]
)
async def test_a_nul_is_refused_in_path_and_query(parts: ApiContext, path: str) -> None:
    async with client(parts) as asking:
        response = await asking.get(path)
    assert response.status_code == 400
    assert [one["code"] for one in response.json()["errors"]] == ["nul"]


@pytest.mark.parametrize("part", ["path", "query_string"])
def test_a_target_beyond_the_limit_is_refused(part: str) -> None:
    scope = {"path": "/", "query_string": b"", "headers": []}
    scope[part] = ("/" if part == "path" else b"q") * (TARGET_BYTES_MAX + 1)
    problem = malformed_request_problem(scope)
    assert problem is not None
    assert problem.status == 414
    assert str(TARGET_BYTES_MAX) in problem.detail


def test_a_target_with_a_cursor_and_five_hundred_names_is_accepted() -> None:
    query = f"cursor={'a' * CURSOR_CHARACTERS_MAX}&entity={','.join(['b' * 100] * NAMES_MAX)}"
    headers = [(b"last-event-id", b"a" * CURSOR_CHARACTERS_MAX)]
    assert (
        malformed_request_problem({"path": "/v1/live", "query_string": query.encode(), "headers": headers})
        is None
    )


async def test_headers_beyond_the_limit_are_refused(parts: ApiContext) -> None:
    async with client(parts) as asking:
        response = await asking.get("/v1/entities", headers={"X-Long": "a" * HEADERS_BYTES_MAX})
    assert response.status_code == 431
    assert str(HEADERS_BYTES_MAX) in response.json()["detail"]


async def test_a_client_beyond_its_rate_gets_a_retry_after(parts: ApiContext) -> None:
    context = limited(parts)
    async with client(context) as asking:
        answers = [await asking.get("/page.json") for _ in range(FEW + 1)]
        assert [one.status_code for one in answers] == [200] * FEW + [429]
        assert [one.headers["ratelimit"].split(";")[1] for one in answers] == ["r=2", "r=1", "r=0", "r=0"]
        assert answers[0].headers["ratelimit-policy"] == f'"client";q={FEW};w=3000'
        refused = answers[-1]
        assert refused.headers["content-type"] == "application/problem+json"
        assert 0 < int(refused.headers["retry-after"]) <= 1_000
        assert "/v1/live" in refused.json()["detail"]
        # The endpoints that monitor the process have no such limit.
        assert (await asking.get("/v1/health/live")).status_code == 200
        assert 'livetwin_api_limited_total{limit="requests"} 1.0' in (await asking.get("/metrics")).text


async def test_clients_have_separate_limits(parts: ApiContext) -> None:
    context = limited(parts)
    app = create_app(context)
    first, second = (
        httpx.AsyncClient(transport=httpx.ASGITransport(app, client=address), base_url="http://city.example")
        for address in (("203.0.113.7", 1), OTHER)
    )
    async with first, second:
        for _ in range(FEW):
            await first.get("/page.json")
        assert (await first.get("/page.json")).status_code == 429
        assert (await second.get("/page.json")).status_code == 200
        # A key has a bucket of its own, wherever it is used from.
        keyed = await first.get("/page.json", headers={"Authorization": "Bearer sesame"})
        assert keyed.status_code == 200
        # An unknown key has no quota of its own: else a client could invent any number of them.
        unknown = await first.get("/page.json", headers={"Authorization": "Bearer livetwin_guess"})
        assert unknown.status_code == 429


async def test_the_settings_can_switch_off_the_rate_limit(parts: ApiContext) -> None:
    changed = parts.settings.model_copy(update={"client_requests_per_s": 0, "client_requests_burst": 1})
    async with client(replace(parts, settings=changed)) as asking:
        answers = [await asking.get("/page.json") for _ in range(3)]
    assert [one.status_code for one in answers] == [200] * 3
    assert "ratelimit" not in answers[0].headers


def test_ipv6_addresses_of_one_network_are_one_client() -> None:
    def who(host: str | None) -> str:
        scope: dict[str, Any] = {"headers": [], "client": (host, 1) if host is not None else None}
        return client_identity(scope, None)

    assert who("2001:db8:0:1::1") == who("2001:db8:0:1:ffff::2") != who("2001:db8:0:2::1")
    assert who("203.0.113.7") != who("203.0.113.8")
    assert who("::ffff:203.0.113.7") == who("::ffff:203.0.113.7") != who("::ffff:203.0.113.8")
    assert who(None) == who("")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), max_size=60))
def test_no_client_exceeds_its_burst_and_its_rate(steps: list[tuple[str, float]]) -> None:
    limiter = RateLimiter(per_s=2.0, burst=4)
    now, granted = 0.0, dict.fromkeys("abc", 0)
    for client, pause in steps:
        now += pause
        decision = limiter.take(client, now)
        granted[client] += decision.granted
        assert granted[client] <= 4 + 2.0 * now + 1e-6
        assert 0 <= decision.remaining <= 4
        if not decision.granted:
            assert limiter.take(client, now + decision.wait_s + 1e-6).granted
            now += decision.wait_s + 1e-6
            granted[client] += 1


def test_the_number_of_buckets_is_bounded() -> None:
    limiter = RateLimiter(per_s=1.0, burst=1, clients_max=10)
    for number in range(1_000):
        limiter.take(str(number), 0.0)
    assert len(limiter._buckets) == 10


@pytest.mark.parametrize(("method", "begun"), [("GET", []), ("POST", ["POST"])])
async def test_a_read_that_waited_for_a_slot_is_not_begun_for_a_client_that_has_gone(
    parts: ApiContext, method: str, begun: list[str]
) -> None:
    found: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope["method"])

    async def unused(*arguments: Any) -> Any:
        raise AssertionError(arguments)

    admission = Admission(parts.metrics)
    limits = RequestLimits(app, parts.authenticator, parts.metrics, None, admission)
    connection = SimpleNamespace(is_lost=False)
    scope = {
        "type": "http",
        "method": method,
        "path": "/v1/live",
        "query_string": b"",
        "headers": [],
        "client": OTHER,
        "state": {"connection": connection},
    }
    caller = Caller(client_identity(scope, None), "anonymous")
    slots = CLIENT_SLOTS["anonymous"]
    await admission.enter(caller, slots)
    waiting = asyncio.ensure_future(limits(scope, unused, unused))
    await asyncio.sleep(0)
    connection.is_lost = True
    admission.leave(caller, slots)
    await waiting
    assert found == begun
    # Its slots are free again.
    async with asyncio.timeout(10):
        await admission.enter(caller, slots)


async def test_probes_beyond_a_few_wait_and_every_client_is_answered_in_turn(parts: ApiContext) -> None:
    begun: list[str] = []
    proceed = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.append(scope["client"][0])
        await proceed.wait()

    async def unused(*arguments: Any) -> Any:
        raise AssertionError(arguments)

    def probe(limits: RequestLimits, host: str, path: str = "/v1/health/live") -> asyncio.Future[None]:
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [],
            "client": (host, 1),
        }
        return asyncio.ensure_future(limits(scope, unused, unused))

    limits = RequestLimits(app, parts.authenticator, parts.metrics, None, Admission(parts.metrics))
    flood, monitor = "203.0.113.7", "203.0.113.8"
    waiting = [probe(limits, flood) for _ in range(200)]
    await asyncio.sleep(0)
    assert begun == [flood]
    waiting.append(probe(limits, monitor))
    await asyncio.sleep(0)
    assert begun == [flood, monitor]
    # Those of liveness wait for none of readiness, which may wait for the database.
    waiting.append(probe(limits, flood, "/v1/health/ready"))
    await asyncio.sleep(0)
    assert begun == [flood, monitor, flood]
    proceed.set()
    await asyncio.gather(*waiting)
    assert len(begun) == len(waiting)


@pytest.mark.parametrize("hosts", [0, 2])
def test_a_request_has_exactly_one_host(hosts: int) -> None:
    scope: dict[str, Any] = {"path": "/", "query_string": b"", "http_version": "1.1"}
    problem = malformed_request_problem({**scope, "headers": [(b"host", b"city.example")] * hosts})
    assert problem is not None
    assert (problem.status, problem.faults[0].name) == (400, "Host")
    assert malformed_request_problem({**scope, "headers": [(b"host", b"city.example")]}) is None
