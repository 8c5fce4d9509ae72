"""What an acknowledgement link shows of an incident, as JSON and as a page, and what became of the button."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from msgspec.structs import replace

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, occurrence_digest, sign_link
from api.alarms.command_gateway import CommandResult
from api.alarms.links.linked_incident import LINKED_ALARMS_MAX, NextStep, next_step
from api.context import ApiContext
from tests.support.payloads.alarm_events import (
    acknowledged_event,
    alarm_event,
    incident_event,
    notification_event,
)
from tests.support.pipelines.duty_loop import NOON, duty_city, duty_plan
from tests.unit.api.conftest import NOW
from twin.alarms.messages import AlarmBatch, AlarmEvent
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import Level, Rule, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, Instant
from twin.model.bilingual_text import BilingualText
from twin.model.duty import Contact, DutyPlan
from twin.wire.codec import LAYOUT_VERSION

AS_JSON = {"Accept": "application/json"}
RULE = Rule(
    id="high-water",
    title=BilingualText("High water", "Hoog water"),
    theme="water",
    condition=ThresholdCondition(
        operand=Operand("water_level"), direction="above", levels=(Level(Severity.MINOR, -0.3, -0.35),)
    ),
    guidance=BilingualText("Open the <sluice>.", "Open de <sluis>."),
)
WORST = alarm_event(entity="city.2", severity=Severity.CRITICAL, sentence_en="Worst.")
MINOR = alarm_event(severity=Severity.MINOR, sentence_en="Minor.")
LATER = alarm_event(entity="city.1", sentence_en="Later.")
INCIDENT = incident_event(MINOR, WORST, LATER)


def token(*told: AlarmEvent, contact: str = "anna", expires: Instant = NOW + HOUR) -> str:
    digests = frozenset(map(occurrence_digest, told))
    return sign_link(b"links", AcknowledgeLink(INCIDENT.incident, contact, expires, digests))


TOKEN = token(MINOR, WORST)


@pytest.fixture(autouse=True)
def incident(parts: ApiContext) -> None:
    parts.hub.on_alarms(2, 0, AlarmBatch(LAYOUT_VERSION, NOW, (MINOR, WORST, LATER), (INCIDENT,)))
    plan = DutyPlan(contacts=(Contact(id="anna", name="Duty officer water", language="en"),))
    parts.hub.set_model(dataclasses.replace(parts.model, version=2, duty=plan, rules={RULE.id: RULE}))


def answer_commands(parts: ApiContext, *changed: AlarmEvent, refused: str = "") -> AsyncMock:
    """Let the alarm stage answer: with these events, or a refusal."""

    async def send(commands: list[Any]) -> list[CommandResult]:
        parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, changed))
        return [CommandResult("refused" if refused else "done", refused) for _ in commands]

    sent = AsyncMock(side_effect=send)
    parts.command_gateway.send_commands = sent  # type: ignore[method-assign]
    return sent


async def test_the_worst_alarm_comes_first_with_what_to_do_and_what_the_link_covers(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get(LINK_PATH + TOKEN, headers=AS_JSON)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert "Accept" in response.headers["vary"]
    found = response.json()
    assert [(one["sentence"]["en"], one["told"], one["waits"]) for one in found["alarms"]] == [
        ("Worst.", True, True),
        ("Later.", False, True),
        ("Minor.", True, True),
    ]
    worst = found["alarms"][0]
    assert worst["guidance"] == {"en": "Open the <sluice>.", "nl": "Open de <sluis>."}
    assert worst["title"]["nl"] == "Hoog water"
    assert (found["waiting"], found["later"], found["omitted"]) == (2, 1, 0)
    assert found["contact"] == {"id": "anna", "name": "Duty officer water", "language": "en"}
    assert found["_links"]["page"]["href"] == f"/?incident={INCIDENT.incident}"
    assert worst["_links"]["page"]["href"] == f"/?alarm={WORST.alarm}"
    assert found["notifications"] is None, "the database is away, and the button works"


async def test_the_document_is_bounded_and_counts_the_rest(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    many = [alarm_event(entity=f"city.{number}") for number in range(100, 140)]
    parts.hub.on_alarms(
        2, 1, AlarmBatch(LAYOUT_VERSION, NOW, tuple(many), (incident_event(*many, MINOR, revision=9),))
    )
    response = await client.get(LINK_PATH + token(*many), headers=AS_JSON)
    found = response.json()
    assert (len(found["alarms"]), found["omitted"], found["waiting"]) == (LINKED_ALARMS_MAX, 21, 40)
    assert len(response.content) < 30_000
    page = await client.get(LINK_PATH + token(*many), headers={"Accept": "text/html"})
    assert page.text.count("<li") == LINKED_ALARMS_MAX
    assert "… and 20 more" in page.text
    assert len(page.content) < 30_000


async def test_an_acknowledgement_counts_and_what_came_later_still_waits(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    done = [acknowledged_event(one, "Duty officer water") for one in (MINOR, WORST)]
    sent = answer_commands(parts, *done)
    found = (await client.post(LINK_PATH + TOKEN, headers={**AS_JSON, "Idempotency-Key": "phone-1"})).json()
    assert (found["outcome"], found["acknowledgedBy"]) == ("acknowledged", "Duty officer water")
    assert found["answer"] == "Thank you. Your acknowledgement is recorded."
    assert (found["waiting"], found["later"]) == (0, 1)
    assert {one.alarm for one in sent.call_args.args[0]} == {MINOR.alarm, WORST.alarm}
    again = (await client.post(LINK_PATH + TOKEN, headers={**AS_JSON, "Idempotency-Key": "phone-1"})).json()
    assert again["outcome"] == "acknowledged", "the phone did not get the first answer"
    assert sent.call_args.args[0] == [], "nothing is acknowledged twice"


async def test_one_that_comes_late_says_who_was_first_and_what_happened_since(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    done = [acknowledged_event(one, "ben") for one in (MINOR, WORST)]
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, tuple(done)))
    answer_commands(parts)
    found = (await client.post(LINK_PATH + TOKEN, headers=AS_JSON)).json()
    assert (found["outcome"], found["acknowledgedBy"]) == ("already", "ben")
    assert found["acknowledgedTime"] is not None
    assert found["answer"].startswith("ben acknowledged these alarms at ")
    assert [one["sentence"]["en"] for one in found["alarms"] if one["waits"]] == ["Later."]


async def test_one_that_became_worse_meanwhile_is_not_acknowledged(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    worse = replace(MINOR, revision=3, kind="worsened", severity=Severity.CRITICAL, worst=Severity.CRITICAL)
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, (worse,)))
    answer_commands(parts)
    found = (await client.post(LINK_PATH + token(MINOR), headers=AS_JSON)).json()
    assert (found["outcome"], found["acknowledgedBy"]) == ("changed", None)
    assert found["later"] == 3


async def test_one_whose_alarms_are_over_says_so(client: httpx.AsyncClient, parts: ApiContext) -> None:
    over = [
        replace(one, revision=3, kind="returned", state="normal", active=False, returned_time=NOW)
        for one in (MINOR, WORST, LATER)
    ]
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, tuple(over)))
    answer_commands(parts)
    found = (await client.post(LINK_PATH + TOKEN, headers=AS_JSON)).json()
    assert found["outcome"] == "over"
    assert found["alarms"][0]["returnedTime"] is not None


@pytest.mark.parametrize(
    ("link", "code"),
    [(token(MINOR, expires=NOW - HOUR), "expired"), (token(MINOR, contact="ben"), "not-in-plan")],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_is_not_valid_any_more_says_why_to_a_program(
    client: httpx.AsyncClient, method: str, link: str, code: str
) -> None:
    refused = await client.request(method, LINK_PATH + link, headers=AS_JSON)
    assert (refused.status_code, refused.headers["content-type"]) == (410, "application/problem+json")
    assert [fault["code"] for fault in refused.json()["errors"]] == [code]


async def test_the_page_has_the_worst_first_what_to_do_and_leads_to_the_incident_itself(
    client: httpx.AsyncClient,
) -> None:
    page = (await client.get(LINK_PATH + TOKEN, headers={"Accept": "text/html"})).text
    assert page.index("Worst.") < page.index("Minor.") < page.index("Later.")
    assert "<b>What to do:</b> Open the &lt;sluice&gt;." in page
    assert f"href='/?incident={INCIDENT.incident}'" in page
    assert f"href='/?alarm={WORST.alarm}'" in page
    assert "href='/'" not in page


@pytest.mark.parametrize(
    ("languages", "title"),
    [
        ("", "Deze link"),
        ("nl-NL,nl;q=0.9,en;q=0.8", "Deze link"),
        ("de,en;q=0.8,nl;q=0.3", "This link"),
        ("fr", "Deze link"),
    ],
)
async def test_a_refusal_is_in_the_language_that_the_browser_prefers(
    client: httpx.AsyncClient, languages: str, title: str
) -> None:
    headers = {"Accept": "text/html", "Accept-Language": languages}
    assert title in (await client.get(f"{LINK_PATH}nonsense", headers=headers)).text


def test_who_is_next_follows_from_the_plan_and_what_was_sent() -> None:
    city = duty_city(duty_plan())
    alarm = alarm_event(entity="canal", area="town.east")
    opened = incident_event(alarm)
    first = notification_event(contact="first", round=0, step=0, due_time=NOON, time=NOON)
    second = notification_event(
        contact="second", round=0, step=1, due_time=NOON + 10 * MINUTE, time=NOON + 10 * MINUTE
    )
    last = notification_event(contact="third", round=1, step=2, due_time=NOON + HOUR, time=NOON + HOUR)
    assert next_step(opened, [], city) is None, "nobody was notified yet, or nobody knows"
    assert next_step(opened, [first], city) == NextStep(("second",), NOON + 10 * MINUTE)
    assert next_step(opened, [second, first], city) == NextStep(
        ("first", "second", "third"), NOON + 20 * MINUTE
    )
    assert next_step(opened, [last], city) is None, "all rounds are over"
    acknowledged = incident_event(acknowledged_event(alarm, "anna"))
    assert next_step(acknowledged, [first], city) is None
