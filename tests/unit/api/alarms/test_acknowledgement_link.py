"""Acknowledgement links: what they show, and when they are refused."""

from __future__ import annotations

import dataclasses
from unittest.mock import AsyncMock

import httpx
import pytest
from msgspec.structs import replace

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, occurrence_digest, sign_link
from api.alarms.command_gateway import CommandResult, command_id
from api.context import ApiContext
from tests.support.payloads.alarm_events import acknowledged_event, alarm_event, incident_event
from tests.unit.api.conftest import NOW
from twin.alarms.messages import AlarmBatch, AlarmEvent, CommandReply
from twin.alarms.severity import Severity
from twin.instant import HOUR
from twin.model.duty import Contact, DutyPlan
from twin.wire.codec import LAYOUT_VERSION

RAISED = alarm_event(sentence_en="Level <b>high</b>.")
INCIDENT = incident_event(RAISED)
TOLD = frozenset({occurrence_digest(RAISED)})
TOKEN = sign_link(b"links", AcknowledgeLink(INCIDENT.incident, "anna", NOW + HOUR, TOLD))
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
    again = replace(RAISED, revision=3, kind="unshelved")
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, (again,)))
    page = (await client.post(f"{LINK_PATH}{TOKEN}")).text
    assert "already used for this occurrence" in page
    assert "Thank you" not in page


@pytest.mark.parametrize(
    "later",
    [
        alarm_event(entity="city.1", sentence_en="Another."),
        replace(RAISED, revision=3, occurrence=2, sentence_en="Again."),
        replace(RAISED, revision=3, kind="worsened", severity=Severity.CRITICAL, sentence_en="Worse."),
    ],
    ids=["another alarm", "another occurrence", "a worse one"],
)
async def test_what_came_after_the_message_is_shown_and_not_acknowledged(
    client: httpx.AsyncClient, parts: ApiContext, later: AlarmEvent
) -> None:
    alarms = {event.alarm: event for event in (RAISED, later)}
    incident = replace(incident_event(*alarms.values()), revision=9)
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, (later,), (incident,)))
    sent = AsyncMock(return_value=[])
    parts.command_gateway.send_commands = sent  # type: ignore[method-assign]
    is_told = RAISED.alarm != later.alarm
    sent.return_value = [CommandResult("done")] if is_told else []
    page = (await client.get(f"{LINK_PATH}{TOKEN}")).text
    assert later.sentence_en in page.split("These came after your message")[1]
    assert ("<button>" in page) == is_told
    await client.post(f"{LINK_PATH}{TOKEN}")
    assert [command.alarm for command in sent.call_args.args[0]] == [RAISED.alarm] * is_told


async def test_a_link_of_a_digest_acknowledges_what_it_told_of_several_incidents(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    other, later, elsewhere = (
        alarm_event(entity="city.1", rule=rule, cause=rule, area=area, sentence_en=f"{rule}.")
        for rule, area in (("smoke", "city.1"), ("smoke-too", "city.1"), ("noise", "city.2"))
    )
    later = replace(later, cause="smoke")
    events = (other, later, elsewhere)
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, events))
    told = TOLD | {occurrence_digest(other)}
    token = sign_link(b"links", AcknowledgeLink("", "anna", NOW + HOUR, told))
    page = (await client.get(f"{LINK_PATH}{token}")).text
    waiting, came_later = page.split("These came after your message")
    assert "Level &lt;b&gt;high" in waiting
    assert "smoke." in waiting
    assert "smoke-too." in came_later
    assert "noise." not in page, "an alarm of an incident that the digest did not contain"
    sent = AsyncMock(return_value=[CommandResult("done"), CommandResult("done")])
    parts.command_gateway.send_commands = sent  # type: ignore[method-assign]
    await client.post(f"{LINK_PATH}{token}")
    assert {command.alarm for command in sent.call_args.args[0]} == {RAISED.alarm, other.alarm}


async def test_a_link_of_an_earlier_version_acknowledges_nothing(client: httpx.AsyncClient) -> None:
    token = sign_link(b"links", AcknowledgeLink(INCIDENT.incident, "anna", NOW + HOUR))
    page = (await client.get(f"{LINK_PATH}{token}")).text
    assert "These came after your message" in page
    assert "<button>" not in page


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
