"""Requests and pages of the Python client, against a server that follows a script."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx
import pytest

from livetwin_client import LiveTwin, NotFoundError, Retries, UnavailableError, UnexpectedAnswerError
from tests.support.http.scripted_transport import ScriptedAnswer, ScriptedTransport, Step, json_answer


def client(*steps: Step, **options: Any) -> tuple[LiveTwin, ScriptedTransport, list[float]]:
    transport = ScriptedTransport(steps)
    delays: list[float] = []

    async def sleep(delay_s: float) -> None:
        delays.append(delay_s)

    twin = LiveTwin("http://twin.test/", transport=transport, sleep=sleep, random=Random(1), **options)
    return twin, transport, delays


def page(items: list[Any], self: str, next: str | None = None) -> ScriptedAnswer:
    links = {"self": {"href": self}} | ({"next": {"href": next}} if next else {})
    return json_answer({"items": items, "_links": links})


async def all_of(generator: AsyncGenerator[Any, None]) -> list[Any]:
    return [each async for each in generator]


async def test_items_come_from_all_pages() -> None:
    second = "/v1/entities?type=Street&limit=2&cursor=x%3D%3D"
    twin, transport, _ = client(
        page([{"id": "a"}, {"id": "b"}], "/v1/entities?type=Street&limit=2", second),
        page([{"id": "c"}], second),
    )
    assert await all_of(twin.entities(type="Street", limit=2)) == [{"id": "a"}, {"id": "b"}, {"id": "c"}]
    assert [str(request.url) for request in transport.requests] == [
        "http://twin.test/v1/entities?type=Street&limit=2",
        f"http://twin.test{second}",
    ]


async def test_the_next_page_is_not_asked_for_before_it_is_needed() -> None:
    twin, transport, _ = client(
        page([{"id": "a"}], "/v1/alarms", "/v1/alarms?cursor=x"), page([], "/v1/alarms?cursor=x")
    )
    alarms = twin.alarms()
    await anext(alarms)
    assert len(transport.requests) == 1
    await alarms.aclose()


async def test_history_is_paged_and_ids_and_times_are_encoded() -> None:
    first, second = [
        json_answer({"entityId": "a/b", "buckets": [], "_links": links})
        for links in ({"self": {"href": "/1"}, "next": {"href": "/v1/2"}}, {"self": {"href": "/v1/2"}})
    ]
    twin, transport, _ = client(first, second)
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    pages = await all_of(twin.history("a/b", property="pm2_5", start=start, interval="PT1H"))
    assert len(pages) == 2
    assert transport.requests[0].url.raw_path == (
        b"/v1/entities/a%2Fb/history?property=pm2_5&start=2026-11-23T12%3A00%3A00%2B00%3A00&interval=PT1H"
    )


async def test_a_time_without_a_zone_is_an_error() -> None:
    twin, _, _ = client()
    with pytest.raises(ValueError, match="without a time zone"):
        await all_of(twin.history("a", property="pm2_5", start=datetime(2026, 11, 23)))  # noqa: DTZ001


@pytest.mark.parametrize("following", ["/v1/entities", "https://other.test/v1/entities?cursor=x"])
async def test_the_next_page_is_another_one_of_the_same_server(following: str) -> None:
    twin, transport, _ = client(page([], "/v1/entities", following), api_key="sesame")
    with pytest.raises(UnexpectedAnswerError, match="next page"):
        await all_of(twin.entities())
    assert len(transport.requests) == 1


async def test_a_request_is_made_again_while_the_server_is_busy() -> None:
    busy = ScriptedAnswer(status=429, headers={"retry-after": "3"})
    twin, _, delays = client(httpx.ConnectError("refused"), busy, json_answer({"ok": True}))
    assert await twin.get("/v1/x") == {"ok": True}
    assert len(delays) == 2
    assert delays[1] >= 3.0


async def test_attempts_have_an_end() -> None:
    twin, transport, _ = client(*[ScriptedAnswer(status=503)] * 9, retries=Retries(attempts_max=3))
    with pytest.raises(UnavailableError, match=r"/v1/x: answer 503, in each of 3 attempts"):
        await twin.get("/v1/x")
    assert len(transport.requests) == 3


async def test_what_does_not_exist_is_not_asked_for_again() -> None:
    problem = {
        "title": "Not Found",
        "status": 404,
        "detail": "No entity.",
        "instance": "/v1/entities/x/state",
    }
    twin, transport, _ = client(json_answer(problem, 404))
    with pytest.raises(NotFoundError, match="No entity"):
        await twin.state("x")
    assert len(transport.requests) == 1


@pytest.mark.parametrize("text", [b"<html>", b"", b"[" * 100_000])
async def test_an_answer_that_is_not_json_is_an_error(text: bytes) -> None:
    twin, _, _ = client(ScriptedAnswer([text]))
    with pytest.raises(UnexpectedAnswerError, match=r"/v1/x: found '.*', expected JSON"):
        await twin.get("/v1/x")


@pytest.mark.parametrize("path", ["v1/entities", "https://other.test/v1", ""])
async def test_a_path_begins_with_a_slash(path: str) -> None:
    twin, transport, _ = client(api_key="sesame")
    with pytest.raises(ValueError, match="begins with /"):
        await twin.get(path)
    assert transport.requests == []


@pytest.mark.parametrize("address", ["twin.test:8080", "ftp://twin.test"])
def test_an_address_is_one_of_http(address: str) -> None:
    with pytest.raises(ValueError, match="begins with http:// or https://"):
        LiveTwin(address)


async def test_the_log_has_no_password_of_the_address(caplog: pytest.LogCaptureFixture) -> None:
    transport = ScriptedTransport([ScriptedAnswer(status=503), json_answer({})])

    async def sleep(delay_s: float) -> None:
        del delay_s

    async with LiveTwin("http://me:secret@twin.test", transport=transport, sleep=sleep) as twin:
        await twin.get("/v1/x")
    assert "twin.test: answer 503; trying again in" in caplog.text
    assert "secret" not in caplog.text
