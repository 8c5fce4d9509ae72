"""Which media type an answer has, and which a body may have."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st

from api.access.principal import Principal
from api.app import ROUTERS
from api.context import ApiContext
from api.http.answers import declaration_of
from api.http.negotiation import CACHED_CHARACTERS_MAX, parse_accept, preferred
from tests.support.http.documented_client import documented_answers

JSON, GEOJSON = "application/json", "application/geo+json"
BOTH = (JSON, GEOJSON)
OPERATOR = {"Authorization": "Bearer sesame"}


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (GEOJSON, GEOJSON),
        ("APPLICATION/GEO+JSON", GEOJSON),
        (f"{GEOJSON};q=0.5, {JSON}", JSON),
        (f"{JSON};q=0.5,{GEOJSON};q=0.501", GEOJSON),
        (f"{GEOJSON}, {JSON}", JSON),
        (f"{JSON};q=0, */*", GEOJSON),
        (f"*/*;q=1, {JSON};q=0", GEOJSON),
        (f"application/*;q=0.1, {GEOJSON};q=0.2, */*;q=1", GEOJSON),
        (f"{JSON};q=0, {GEOJSON};q=0", None),
        ("*/*;q=0", None),
        ("application/*;q=0", None),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),
        (f"{JSON}; charset=utf-8", JSON),
        (f'{JSON};charset="UTF-8"', JSON),
        (f"{JSON};version=2", None),
        (f"{JSON};version=2, {GEOJSON};q=0.1", GEOJSON),
        (f'text/plain;note="a, {GEOJSON}", {JSON};q=0.1', JSON),
        (f"{GEOJSON};q=1.5, {JSON};q=0.1", JSON),
        (f"{GEOJSON};q=nan, {JSON};q=0.1", JSON),
        ("text/csv", None),
        ("*/json", None),
        ("json", None),
        (",,;", None),
    ],
)
def test_the_most_specific_range_and_the_greatest_weight_count(
    accept: str | None, chosen: str | None
) -> None:
    assert preferred(accept, BOTH) == chosen


def test_a_long_accept_is_read_as_a_short_one() -> None:
    padding = ", ".join(f"text/x-{number}" for number in range(CACHED_CHARACTERS_MAX))
    assert preferred(f"{padding}, {GEOJSON}", BOTH) == GEOJSON
    assert preferred(padding, BOTH) is None


@pytest.mark.parametrize(
    "accept",
    ["a/b" + ";  " * 20_000 + "x", '"\\' * 30_000, "a/b;c=" + '"\\"' * 20_000, "*" * 60_000, "a/" * 30_000],
)
def test_a_hostile_accept_is_read_in_linear_time(accept: str) -> None:
    # A pattern that tries each division of the spaces or quotes would not end.
    assert preferred(accept, BOTH) is None


@given(st.text(alphabet='*/;=,q.0123456789 "\\aB+', max_size=40))
def test_a_choice_is_one_of_those_offered_and_its_weight_above_zero(accept: str) -> None:
    chosen = preferred(accept, BOTH)
    assert chosen in (*BOTH, None)
    if chosen is not None and accept.strip():
        assert any(each.fits(chosen) and each.quality > 0 for each in parse_accept(accept))


def routes_that_negotiate() -> list[tuple[str, str]]:
    """Return method and path of each route that has an answer with a body, but those that need no Accept."""
    return [
        (method, re.sub(r"\{\w+\}", "1", route.path))
        for router, _ in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        if (declaration := declaration_of(route.endpoint)) is not None and declaration.media_types
    ]


@pytest.mark.parametrize(("method", "path"), routes_that_negotiate())
async def test_every_route_refuses_what_it_cannot_send_before_it_does_anything(
    client: httpx.AsyncClient,
    parts: ApiContext,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
) -> None:
    async def admin(credential: str | None) -> Principal:
        return Principal("admin", "admin")

    # Who may use the route is asked first.
    monkeypatch.setattr(parts.authenticator, "principal_of", admin)
    response = await client.request(method, path, headers={"Accept": "text/x-nothing"})
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["vary"] == "Accept"
    assert method == "HEAD" or "expected" in response.json()["detail"]


def test_the_document_says_406_and_415_where_they_are_answered() -> None:
    for router, _ in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods or ():
                operation: Any = documented_answers().operation(method, route.path)
                negotiates = (method, re.sub(r"\{\w+\}", "1", route.path)) in routes_that_negotiate()
                assert ("406" in operation["responses"]) == negotiates
                takes_body = "requestBody" in operation and route.path != "/v1/acknowledge-replies"
                assert ("415" in operation["responses"]) == takes_body


async def test_an_unknown_key_is_refused_before_the_media_type(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer wrong", "Accept": "text/csv"}
    assert (await client.get("/v1/entities", headers=headers)).status_code == 401


async def test_weights_choose_between_json_and_geojson(client: httpx.AsyncClient) -> None:
    for path in ("/v1/entities", "/v1/entities/city.canal"):
        headers = {"Accept": f"{GEOJSON};q=0.1, {JSON};q=0"}
        assert (await client.get(path, headers=headers)).headers["content-type"] == GEOJSON
        headers = {"Accept": f"{GEOJSON};q=0.1, */*"}
        assert (await client.get(path, headers=headers)).headers["content-type"] == JSON


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/vnd.api+json"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/alarms/a~city.canal/_acknowledge"),
        ("POST", "/v1/subscriptions"),
        ("PUT", "/v1/rules/high"),
        ("POST", "/v1/rules/_backtest"),
    ],
)
async def test_a_body_of_another_media_type_is_refused(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    response = await client.request(method, path, content=b"{}", headers={**OPERATOR, **headers})
    assert response.status_code == 415
    assert response.headers["content-type"] == "application/problem+json"
    expected = {"Content-Type": "Accept", "Content-Encoding": "Accept-Encoding"}[list(headers)[-1]]
    assert response.headers[expected] in (JSON, "identity")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "Application/JSON"},
        {"Content-Encoding": "identity"},
    ],
)
async def test_a_body_of_the_expected_media_type_or_of_none_is_read(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await client.post("/v1/subscriptions", content=b'{"a": 1}', headers={**OPERATOR, **headers})
    assert response.status_code == 400
    assert [one["name"] for one in response.json()["errors"]] == ["url", "a"]


async def test_without_a_body_its_media_type_does_not_matter(client: httpx.AsyncClient) -> None:
    headers = {**OPERATOR, "Content-Type": "text/plain"}
    response = await client.post("/v1/alarms/a~city.canal/_acknowledge", headers=headers)
    assert response.status_code == 404


async def test_an_alert_about_one_alarm_is_no_feed(client: httpx.AsyncClient) -> None:
    headers = {"Accept": "application/atom+xml"}
    assert (await client.get("/v1/alarms/cap?alarm=a~city.canal", headers=headers)).status_code == 406


async def test_nobody_is_kept_from_an_acknowledgement_by_a_header(client: httpx.AsyncClient) -> None:
    for method in ("GET", "POST"):
        response = await client.request(method, "/v1/acknowledge/none", headers={"Accept": "text/csv"})
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
    accepted = {
        "text/html;q=0.1, application/json": "application/problem+json",
        "text/html, application/json;q=0.9": "text/html",
        "*/*": "application/problem+json",
    }
    for accept, media_type in accepted.items():
        response = await client.get("/v1/acknowledge/none", headers={"Accept": accept})
        assert response.headers["content-type"].startswith(media_type), accept
