"""Incidents over HTTP; open ones are served from memory."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest

from api.alarms.command_gateway import CommandResult, command_id
from api.context import ApiContext
from tests.support.payloads.alarm_events import acknowledged_event, alarm_event, incident_event
from twin.alarms.messages import AlarmBatch, CommandReply
from twin.instant import MINUTE
from twin.wire.codec import LAYOUT_VERSION

KEY = {"Authorization": "Bearer sesame"}

FIRST = alarm_event()
SECOND = alarm_event(entity="city.east.hill")
SILENT = alarm_event(
    "silent", "city.house", sensor="meter-1", theme="device", raised_time=FIRST.time + MINUTE
)
WATER = incident_event(FIRST, SECOND)
METERS = incident_event(SILENT)
PATH = f"/v1/incidents/{WATER.incident}"


@pytest.fixture
def incidents(parts: ApiContext) -> ApiContext:
    batch = AlarmBatch(LAYOUT_VERSION, FIRST.time, (FIRST, SECOND, SILENT), (WATER, METERS))
    parts.hub.on_alarms(2, 0, batch)
    return parts


@pytest.mark.usefixtures("incidents")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("open=true", [METERS, WATER]),
        ("open=true&theme=water", [WATER]),
        ("open=true&cause=silent", [METERS]),
        ("open=true&area=city&severity=major", [METERS, WATER]),
        ("open=true&severity=warning", []),
    ],
)
async def test_open_incidents_need_no_database(client: httpx.AsyncClient, query: str, expected: Any) -> None:
    items = (await client.get(f"/v1/incidents?{query}", headers=KEY)).json()["items"]
    assert [one["id"] for one in items] == [one.incident for one in expected]


@pytest.mark.usefixtures("incidents")
async def test_open_incidents_come_in_pages(client: httpx.AsyncClient) -> None:
    page = (await client.get("/v1/incidents?open=true&limit=1", headers=KEY)).json()
    rest = (await client.get(page["_links"]["next"]["href"], headers=KEY)).json()
    assert [one["id"] for one in (*page["items"], *rest["items"])] == [METERS.incident, WATER.incident]
    assert "next" not in rest["_links"]


@pytest.mark.usefixtures("incidents")
async def test_an_incident_shows_the_alarms_that_the_role_may_see(client: httpx.AsyncClient) -> None:
    incident = (await client.get(PATH)).json()
    assert (incident["open"], incident["severity"], incident["areaName"]) == (True, "major", "City")
    assert [one["id"] for one in incident["alarms"]] == [FIRST.alarm, SECOND.alarm]
    assert incident["alarms"][0]["incidentId"] == WATER.incident
    hidden = f"/v1/incidents/{METERS.incident}"
    assert (await client.get(hidden)).status_code == 404
    assert (await client.get(hidden, headers=KEY)).status_code == 200
    listed = (await client.get("/v1/incidents?open=true")).json()["items"]
    assert [one["id"] for one in listed] == [WATER.incident]


async def test_acknowledging_an_incident_acknowledges_its_waiting_alarms(
    client: httpx.AsyncClient, incidents: ApiContext
) -> None:
    known = acknowledged_event(FIRST, "anna")
    incidents.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, FIRST.time, (known,)))
    id = command_id("operator", f"{SECOND.alarm}~1", "acknowledge", "k")
    incidents.command_gateway.on_alarms(
        AlarmBatch(LAYOUT_VERSION, FIRST.time, (), (), (CommandReply(id, "", SECOND.alarm),))
    )
    response = await client.post(f"{PATH}/_acknowledge", headers={**KEY, "Idempotency-Key": "k"})
    assert response.status_code == 200
    became = response.json()
    assert (became["acknowledged"], became["refused"], became["unanswered"]) == ([SECOND.alarm], [], [])


async def test_every_alarm_of_an_incident_has_its_outcome(
    client: httpx.AsyncClient, incidents: ApiContext
) -> None:
    sent = AsyncMock(return_value=[CommandResult("refused", "it is shelved"), CommandResult("unanswered")])
    incidents.command_gateway.send_commands = sent  # type: ignore[method-assign]
    response = await client.post(f"{PATH}/_acknowledge", headers=KEY)
    assert response.status_code == 202
    found = response.json()
    assert found["refused"] == [{"alarmId": FIRST.alarm, "reason": "it is shelved"}]
    assert (found["acknowledged"], found["unanswered"]) == ([], [SECOND.alarm])
    assert [each["id"] for each in found["alarms"]] == [FIRST.alarm, SECOND.alarm]


@pytest.mark.parametrize(
    ("action", "body"), [("_snooze", {"duration": "PT1H"}), ("_comment", {"text": "hello"})]
)
async def test_a_command_to_the_duty_loop_names_its_incident(
    client: httpx.AsyncClient, incidents: ApiContext, action: str, body: Any
) -> None:
    incidents.command_gateway.send_duty_command = AsyncMock()  # type: ignore[method-assign]
    response = await client.post(f"{PATH}/{action}", json=body, headers=KEY)
    assert response.status_code == 202
    assert response.json()["commandId"]
    assert response.json()["_links"] == {"incident": {"href": PATH}}


@pytest.mark.usefixtures("incidents")
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/v1/incidents", None, 503, "database"),
        ("GET", "/v1/incidents/none~city~1", None, 503, "database"),
        ("GET", "/v1/notifications", None, 503, "database"),
        ("GET", "/v1/notifications?outcome=lost", None, 400, "outcome"),
        ("GET", "/v1/alarms/_statistics?operators=0", None, 400, "operators"),
        ("GET", "/v1/alarms/_statistics?start=2020-01-01T00:00:00Z", None, 400, "31 days"),
        ("POST", f"{PATH}/_snooze", {"duration": "P2D"}, 400, "at most P1D away"),
        ("POST", f"{PATH}/_assign", {"assignee": "nobody"}, 400, "no duty plan"),
        ("POST", f"{PATH}/_comment", {"text": "hello"}, 503, "Idempotency-Key"),
    ],
)
async def test_faults_are_listed(
    client: httpx.AsyncClient, method: str, path: str, body: Any, status: int, *, said: str
) -> None:
    response = await client.request(method, path, json=body, headers=KEY)
    assert response.status_code == status
    assert said in response.text


@pytest.mark.usefixtures("incidents")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/notifications"),
        ("GET", "/v1/alarms/_statistics"),
        *(("POST", f"{PATH}/_{one}") for one in ("acknowledge", "snooze", "assign", "comment")),
    ],
)
async def test_operator_routes_refuse_anonymous_clients(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    assert (await client.request(method, path)).status_code == 401
