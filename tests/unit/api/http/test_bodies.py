"""Bodies and lists of names that are refused: too long, too deep, or not text."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.http.bodies import BODY_BYTES_MAX
from api.http.parameters import NAMES_MAX
from api.http.problems import FAULTS_MAX

KEY = {"Authorization": "Bearer sesame"}
URL = "https://hooks.example/twin"


async def post(client: httpx.AsyncClient, content: bytes, path: str = "/v1/subscriptions") -> httpx.Response:
    response = await client.post(path, content=content, headers=KEY)
    assert response.headers["content-type"] == "application/problem+json"
    return response


async def test_a_body_beyond_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    response = await post(client, b'{"url":"' + b"a" * BODY_BYTES_MAX + b'"}')
    assert response.status_code == 413
    assert str(BODY_BYTES_MAX) in response.json()["detail"]


@pytest.mark.parametrize(
    ("content", "code", "detail"),
    [
        (b'{"url":' + b"[" * 5_000, "malformed", "nested 5001 levels deep, at most 64"),
        (b'{"url":' + b'{"a":' * 64 + b"1" + b"}" * 65, "malformed", "nested 65 levels deep, at most 64"),
        (b'{"url":"\xff"}', "malformed", "utf-8"),
        (b'{"url":"\\ud800"}', "malformed", ""),
        (b'{"url":"a\\u0000b"}', "nul", "no text contains"),
        (b'{"url":' + b"9" * 5_000 + b"}", "malformed", "out of range"),
        (b"[]", "malformed", "expected"),
    ],
)
async def test_a_body_that_is_not_a_json_object_is_refused_with_the_reason(
    client: httpx.AsyncClient, content: bytes, code: str, detail: str
) -> None:
    response = await post(client, content)
    assert response.status_code == 400
    [fault] = response.json()["errors"]
    assert (fault["in"], fault["code"]) == ("body", code)
    assert detail in fault["detail"]


async def test_faults_of_parameters_and_body_are_listed_together(client: httpx.AsyncClient) -> None:
    body = {"url": 1, "filter": {"entity": ["nowhere"]}, "colour": "red"}
    response = await client.post("/v1/subscriptions?prope=x", json=body, headers=KEY)
    assert response.status_code == 400
    faults = [(one["in"], one["name"]) for one in response.json()["errors"]]
    assert faults == [
        ("query", "prope"),
        ("body", "url"),
        ("body", "filter.entity.0"),
        ("body", "colour"),
    ]
    headers = {**KEY, "Idempotency-Key": "x" * 201}
    path = "/v1/alarms/a~city.canal/_shelve?prope=x"
    response = await client.post(path, json={"occurrence": -1, "comment": 1}, headers=headers)
    assert [one["name"] for one in response.json()["errors"]] == [
        "prope",
        "Idempotency-Key",
        "occurrence",
        "comment",
    ]


async def test_a_stranger_is_not_told_what_a_route_takes(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/subscriptions?prope=x", json={"url": 1})
    assert response.status_code == 401
    assert "errors" not in response.json()


async def test_a_filter_accepts_a_limited_number_of_names(client: httpx.AsyncClient) -> None:
    names = ",".join(["a"] * (NAMES_MAX + 1))
    for path in (f"/v1/entities?type={names}", f"/v1/live?entity={names}", f"/v1/alarms?rule={names}"):
        response = await client.get(path)
        assert response.status_code == 400
        assert str(NAMES_MAX) in response.json()["errors"][0]["detail"]


async def test_a_problem_lists_a_limited_number_of_faults_and_their_total(client: httpx.AsyncClient) -> None:
    query = "&".join(f"wrong{number}=1" for number in range(FAULTS_MAX + 50))
    problem: dict[str, Any] = (await client.get(f"/v1/entities?{query}")).json()
    assert len(problem["errors"]) == FAULTS_MAX
    assert f"{FAULTS_MAX + 50} faults" in problem["detail"]
    assert f"the first {FAULTS_MAX}" in problem["detail"]


async def test_a_time_whose_offset_leaves_the_calendar_is_a_fault(
    client: httpx.AsyncClient,
) -> None:
    for time in ("9999-12-31T23:00:00-23:00", "0001-01-01T00:00:00%2B23:00"):
        response = await client.get(f"/v1/entities/city.canal/history?property=water_level&start={time}")
        assert response.status_code == 400
        assert response.json()["errors"][0]["name"].startswith("start")


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/subscriptions", {"url": URL, "handshake": 0}, "handshake"),
        ("/v1/subscriptions", {"url": URL, "filter": {"entity": None}}, "filter.entity"),
        ("/v1/subscriptions", {"url": URL, "filter": {"events": True}}, "filter.events"),
        ("/v1/subscriptions", {"url": URL, "filter": {"property": [7]}}, "filter.property"),
        (
            "/v1/rules/_backtest",
            {
                "rule": "high-water",
                "start": "2026-11-01T00:00:00Z",
                "end": "2026-11-02T00:00:00Z",
                "limit": False,
            },
            "limit",
        ),
    ],
)
async def test_a_value_of_another_json_type_is_refused(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], name: str
) -> None:
    response = await client.post(path, json=body, headers=KEY)
    assert response.status_code == 400
    assert [one["name"] for one in response.json()["errors"]] == [name]
