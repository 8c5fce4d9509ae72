"""Alarms over HTTP, served from memory: visibility by role, and invalid commands."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from msgspec.structs import replace

from api.alarms.command_gateway import CommandResult, command_id
from api.context import ApiContext
from tests.support.payloads.alarm_events import (
    acknowledged_event,
    alarm_event,
    incident_event,
    operand_value,
    returned_event,
)
from twin.alarms.messages import AlarmBatch, AlarmEvent, CommandReply
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE
from twin.wire.codec import LAYOUT_VERSION

KEY = {"Authorization": "Bearer sesame"}

WATER = alarm_event()
AIR = acknowledged_event(
    alarm_event(
        "bad-air",
        "city.east.hill",
        theme="environment",
        severity=Severity.MINOR,
        raised_time=WATER.time - HOUR,
        told_time=WATER.told_time - HOUR,
        operands=(operand_value("city.east.hill", datastream=1, name="pm2_5", window=HOUR),),
    ),
    "duty desk",
)
OVER = returned_event(
    acknowledged_event(alarm_event("calm", severity=Severity.WARNING, raised_time=WATER.time - 2 * HOUR))
)
SILENT = alarm_event(
    "sensor-silent", "city.house", sensor="meter-1", theme="device", raised_time=WATER.time - 3 * HOUR
)
POWER = alarm_event(
    "overload",
    "city.house",
    theme="energy",
    raised_time=WATER.time - 4 * HOUR,
    operands=(operand_value("city.house", datastream=5, name="power_import", value=3.5, unit="kW"),),
)


@pytest.fixture
def alarms(parts: ApiContext) -> ApiContext:
    batch = AlarmBatch(
        LAYOUT_VERSION, WATER.time, (WATER, AIR, OVER, SILENT, POWER), (incident_event(WATER),)
    )
    parts.hub.on_alarms(2, 0, batch)
    return parts


@pytest.mark.usefixtures("alarms")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [WATER, AIR, OVER, SILENT, POWER]),
        ("state=unacknowledged", [WATER, SILENT, POWER]),
        ("state=acknowledged,normal", [AIR, OVER]),
        ("severity=warning,minor", [AIR, OVER]),
        ("theme=water", [WATER, OVER]),
        ("type=Waterway", [WATER, OVER]),
        ("parent=city.east", [AIR]),
        ("entity=city.house", [SILENT, POWER]),
        ("rule=bad-air", [AIR]),
        ("cause=high-water", [WATER]),
        ("active=false", [OVER]),
        ("acknowledged=true", [AIR, OVER]),
        ("acknowledged=false&theme=water", [WATER]),
        ("since=2026-11-23T12:00:01Z&entity=city.canal", [WATER, OVER]),
        ("since=2026-11-23T12:00:02Z", [OVER]),
        ("rule=bad-air&severity=warning", []),
    ],
)
async def test_alarms_are_filtered_newest_first(
    client: httpx.AsyncClient, query: str, expected: list[AlarmEvent]
) -> None:
    items = (await client.get(f"/v1/alarms?{query}", headers=KEY)).json()["items"]
    assert [one["id"] for one in items] == [one.alarm for one in expected]


@pytest.mark.usefixtures("alarms")
async def test_alarms_come_in_pages(client: httpx.AsyncClient) -> None:
    found, path = [], "/v1/alarms?limit=2"
    while path:
        page = (await client.get(path, headers=KEY)).json()
        found.append([one["id"] for one in page["items"]])
        path = page["_links"].get("next", {}).get("href")
    assert found == [[WATER.alarm, AIR.alarm], [OVER.alarm, SILENT.alarm], [POWER.alarm]]


@pytest.mark.usefixtures("alarms")
async def test_an_alarm_has_an_explanation(client: httpx.AsyncClient) -> None:
    alarm = (await client.get(f"/v1/alarms/{WATER.alarm}")).json()
    assert (alarm["state"], alarm["severity"], alarm["active"]) == ("unacknowledged", "major", True)
    assert (alarm["rule"], alarm["ruleVersion"], alarm["incidentId"]) == (
        "high-water",
        3,
        "high-water~city~1",
    )
    assert alarm["sentence"]["nl"].startswith("Waterstand")
    [one] = alarm["explanation"]["operands"]
    assert (one["value"], one["threshold"], one["unit"], one["quality"]) == (-0.25, -0.3, "m", "good")
    assert one["observations"][0]["sensorId"] == "level-1"
    for link in (one, one["observations"][0]):
        assert link["_links"]["provenance"]["href"] == (
            "/v1/entities/city.canal/provenance?property=water_level&time=2026-11-23T12%3A00%3A00Z"
        )
    assert alarm["_links"]["events"]["href"] == "/v1/alarms/high-water~city.canal/events"


@pytest.mark.usefixtures("alarms")
async def test_a_window_has_its_bounds(client: httpx.AsyncClient) -> None:
    [one] = (await client.get(f"/v1/alarms/{AIR.alarm}")).json()["explanation"]["operands"]
    assert one["window"] == {
        "start": "2026-11-23T11:00:00Z",
        "end": "2026-11-23T12:00:00Z",
        "statistic": "value",
    }
    assert "start=2026-11-23T11%3A00%3A00Z&end=2026-11-23T12" in one["_links"]["provenance"]["href"]


@pytest.mark.usefixtures("alarms")
async def test_names_of_actors_are_for_clients_with_a_key(client: httpx.AsyncClient) -> None:
    path = f"/v1/alarms/{AIR.alarm}"
    public, internal = (await client.get(path)).json(), (await client.get(path, headers=KEY)).json()
    assert public["acknowledged"]
    assert public["acknowledgedBy"] is None
    assert internal["acknowledgedBy"] == "duty desk"


@pytest.mark.usefixtures("alarms")
async def test_the_alarm_of_a_household_is_for_operators_without_its_value(
    client: httpx.AsyncClient,
) -> None:
    silent, power = f"/v1/alarms/{SILENT.alarm}", f"/v1/alarms/{POWER.alarm}"
    assert (await client.get(silent)).status_code == 404
    assert (await client.get(silent, headers=KEY)).status_code == 200
    listed = (await client.get("/v1/alarms")).json()["items"]
    assert SILENT.alarm not in [one["id"] for one in listed]
    for headers in ({}, KEY):
        alarm = (await client.get(power, headers=headers)).json()
        [one] = alarm["explanation"]["operands"]
        assert one["value"] is None
        assert one["observations"] == []
        assert "0.25" not in alarm["sentence"]["en"]


@pytest.mark.usefixtures("alarms")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/alarms/never~raised", 404),
        ("/v1/alarms/never~raised/events", 404),
        ("/v1/alarms/never~raised/episodes", 404),
        (f"/v1/alarms/{WATER.alarm}/episodes?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", 400),
        (f"/v1/alarms/{WATER.alarm}/episodes", 503),
        ("/v1/alarms?state=fine", 400),
        ("/v1/alarms?severity=cleared", 400),
        ("/v1/alarms?since=now", 400),
        ("/v1/alarms?cursor=x", 400),
        (f"/v1/alarms/{WATER.alarm}/events", 503),
    ],
)
async def test_an_invalid_query_is_a_problem(client: httpx.AsyncClient, path: str, status: int) -> None:
    response = await client.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_done_command_returns_the_alarm_after_it(
    client: httpx.AsyncClient, alarms: ApiContext
) -> None:
    after = acknowledged_event(WATER, "operator")
    done = CommandReply(command_id("operator", WATER.alarm, "acknowledge", "1"), "", WATER.alarm)
    batch = AlarmBatch(LAYOUT_VERSION, WATER.time, (after,), (), (done,))
    alarms.hub.on_alarms(2, 1, batch)
    alarms.command_gateway.on_alarms(batch)
    path, headers = f"/v1/alarms/{WATER.alarm}/_acknowledge", {**KEY, "Idempotency-Key": "1"}
    for _ in range(2):
        response = await client.post(path, headers=headers)
        assert response.status_code == 200
        assert response.json()["state"] == "acknowledged"
        assert response.json()["acknowledgedBy"] == "operator"


async def test_a_refused_command_has_a_reason(client: httpx.AsyncClient, alarms: ApiContext) -> None:
    refused = CommandReply(
        command_id("operator", OVER.alarm, "acknowledge", "k"),
        "acknowledge is not possible while the alarm is normal",
        OVER.alarm,
    )
    alarms.command_gateway.on_alarms(AlarmBatch(LAYOUT_VERSION, WATER.time, (), (), (refused,)))
    response = await client.post(
        f"/v1/alarms/{OVER.alarm}/_acknowledge", headers={**KEY, "Idempotency-Key": "k"}
    )
    assert response.status_code == 409
    assert "not possible while the alarm is normal" in response.json()["detail"]


async def test_a_command_without_an_outcome_names_where_it_will_be(
    client: httpx.AsyncClient, alarms: ApiContext
) -> None:
    sent = AsyncMock(return_value=CommandResult("unanswered"))
    alarms.command_gateway.send_command = sent  # type: ignore[method-assign]
    path = f"/v1/alarms/{WATER.alarm}"
    response = await client.post(f"{path}/_acknowledge", headers={**KEY, "Idempotency-Key": "k"})
    assert response.status_code == 202
    assert response.json()["commandId"] == command_id("operator", WATER.alarm, "acknowledge", "k")
    assert response.json()["_links"] == {"alarm": {"href": path}, "events": {"href": f"{path}/events"}}


@pytest.mark.usefixtures("alarms")
async def test_an_unconfirmed_command_may_be_sent_again(client: httpx.AsyncClient) -> None:
    response = await client.post(f"/v1/alarms/{WATER.alarm}/_acknowledge", headers=KEY)
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "Idempotency-Key" in response.json()["detail"]


@pytest.mark.usefixtures("alarms")
@pytest.mark.parametrize(
    ("action", "body", "status", "said"),
    [
        ("_shelve", {}, 400, "either `until` or `duration`"),
        ("_shelve", {"until": "2026-11-23T11:00:00Z"}, 400, "at most P7D away"),
        ("_shelve", {"until": "2026-12-01T12:00:00Z"}, 400, "at most P7D away"),
        ("_shelve", {"until": "later"}, 400, "RFC 3339"),
        ("_shelve", {"duration": "P1M"}, 400, "exact duration"),
        ("_shelve", {"duration": "PT1H", "until": "2026-11-23T13:00:00Z"}, 400, "either"),
        ("_assign", {}, 400, "assignee"),
        ("_assign", {"assignee": "Ann\r\nBcc: x"}, 400, "expected one line without control characters"),
        ("_comment", {"text": ""}, 400, "text"),
        ("_comment", {"text": "\x1b[2J"}, 400, "expected no control characters but tabs and line breaks"),
        ("_acknowledge", {"comment": "\u202e"}, 400, "not U+202E"),
        ("_comment", {"txet": "x"}, 400, "did you mean 'text'?"),
        ("_acknowledge", {"occurrence": -1}, 400, "occurrence"),
        ("_dance", {}, 404, "no resource at"),
    ],
)
async def test_an_invalid_command_is_refused(
    client: httpx.AsyncClient, action: str, body: dict[str, Any], status: int, said: str
) -> None:
    response = await client.post(f"/v1/alarms/{WATER.alarm}/{action}", json=body, headers=KEY)
    assert response.status_code == status
    assert said in response.text


@pytest.mark.usefixtures("alarms")
async def test_commands_are_for_operators(client: httpx.AsyncClient) -> None:
    for action in ("acknowledge", "shelve", "unshelve", "assign", "comment", "reset", "remove", "restore"):
        response = await client.post(f"/v1/alarms/{WATER.alarm}/_{action}")
        assert response.status_code == 401
    response = await client.post("/v1/alarms/never~raised/_acknowledge", headers=KEY)
    assert response.status_code == 404
    response = await client.post(f"/v1/alarms/{WATER.alarm}/_acknowledge", content="[1]", headers=KEY)
    assert response.status_code == 400


async def test_the_alarm_of_an_unknown_sensor_is_for_operators(
    client: httpx.AsyncClient, alarms: ApiContext
) -> None:
    gone = replace(
        SILENT, sensor="meter-9", alarm="sensor-silent~city.house~meter-9", time=WATER.time + MINUTE
    )
    alarms.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, WATER.time, (gone,)))
    assert (await client.get(f"/v1/alarms/{gone.alarm}")).status_code == 404
    assert (await client.get(f"/v1/alarms/{gone.alarm}", headers=KEY)).status_code == 200
