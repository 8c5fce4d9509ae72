"""Acknowledgement links: what they show, and when they are refused."""

from __future__ import annotations

import dataclasses

import httpx
import pytest
from msgspec.structs import replace

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, sign_link
from api.alarms.command_gateway import command_id
from api.context import ApiContext
from tests.support.payloads.alarm_events import acknowledged_event, alarm_event, incident_event
from tests.unit.api.conftest import NOW
from twin.alarms.messages import AlarmBatch, CommandReply
from twin.instant import HOUR
from twin.model.duty import Contact, DutyPlan
from twin.wire.codec import LAYOUT_VERSION

RAISED = alarm_event(sentence_en="Level <b>high</b>.")
INCIDENT = incident_event(RAISED)
TOKEN = sign_link(b"links", AcknowledgeLink(INCIDENT.incident, "anna", NOW + HOUR))
PERSON = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(autouse=True)
def incident(parts: ApiContext) -> None:
    parts.hub.on_alarms(2, 0, AlarmBatch(LAYOUT_VERSION, NOW, (RAISED,), (INCIDENT,)))
    plan = DutyPlan(contacts=(Contact(id="anna", name="Duty officer water", language="en"),))
    parts.hub.set_model(dataclasses.replace(parts.model, version=2, duty=plan))


async def test_the_page_lists_the_alarms_and_has_one_button(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{LINK_PATH}{TOKEN}")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "form-action 'self'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    page = response.text
    assert "Duty officer water" in page
    assert "Level &lt;b&gt;high&lt;/b&gt;." in page
    assert page.count("<button>") == page.count("<form method=post>") == 1
    assert "since 2026-11-23 13:00" in page, "times are those of the city"


async def test_without_waiting_alarms_there_is_no_button(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    known = acknowledged_event(RAISED, "anna")
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, (known,)))
    page = (await client.get(f"{LINK_PATH}{TOKEN}")).text
    assert "No alarm waits" in page
    assert "acknowledged by anna" in page
    assert "<button>" not in page


async def test_a_link_works_once_per_occurrence(client: httpx.AsyncClient, parts: ApiContext) -> None:
    id = command_id("Duty officer water", f"{RAISED.alarm}~1", "acknowledge", TOKEN)
    parts.command_gateway.on_alarms(
        AlarmBatch(LAYOUT_VERSION, NOW, (), (), (CommandReply(id, "", RAISED.alarm),))
    )
    worsened = replace(RAISED, revision=3, kind="worsened")
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, (worsened,)))
    page = (await client.post(f"{LINK_PATH}{TOKEN}")).text
    assert "already used for this occurrence" in page
    assert "Thank you" not in page


@pytest.mark.parametrize(
    ("token", "status", "said"),
    [
        (
            sign_link(b"others", AcknowledgeLink(INCIDENT.incident, "anna", NOW + HOUR)),
            404,
            "not one of ours",
        ),
        ("nonsense", 404, "not one of ours"),
        (f"{TOKEN[:9]}~~~~{TOKEN[9:]}", 404, "not one of ours"),
        (
            sign_link(b"links", AcknowledgeLink(INCIDENT.incident, "ben", NOW + HOUR)),
            410,
            "duty plan any more",
        ),
        (TOKEN[:-4] + "AAAA", 404, "not one of ours"),
        (sign_link(b"links", AcknowledgeLink(INCIDENT.incident, "anna", NOW - HOUR)), 410, "has expired"),
        (sign_link(b"links", AcknowledgeLink("none~city~1", "anna", NOW + HOUR)), 503, "database"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_invalid_link_gives_its_reason_as_a_page_or_a_problem(
    client: httpx.AsyncClient, method: str, token: str, status: int, said: str
) -> None:
    path = f"{LINK_PATH}{token}"
    page = await client.request(method, path, headers=PERSON)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert said in page.text
    problem = await client.request(method, path)
    assert (problem.status_code, problem.json()["status"]) == (status, status)
    assert problem.headers["content-type"] == "application/problem+json"
