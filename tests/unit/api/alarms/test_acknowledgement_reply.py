"""Replies to messages: who may send them, from whom they count, and what the answer says."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from msgspec.structs import replace
from pydantic import SecretStr, ValidationError

from alerting.delivery.acknowledge_links import occurrence_digest
from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.delivery.reply_codes import CODE_VALID, encode_occurrences, reply_code
from api.alarms import acknowledgement_reply
from api.alarms.command_gateway import CommandResult
from api.alarms.reply_request import reply_signature
from api.app import REPLY_CODES_BURST, create_app
from api.context import ApiContext
from api.settings import ApiSettings
from tests.support.payloads.alarm_events import (
    acknowledged_event,
    alarm_event,
    incident_event,
    notification_event,
)
from tests.unit.api.conftest import NOW, REPLY_KEY
from twin.alarms.messages import AlarmBatch
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND
from twin.model.duty import Contact, DutyPlan, NotificationChannel, WebhookTemplate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import NotificationEvent

PATH = "/v1/acknowledge-replies"
KEY = {"Authorization": f"Bearer {REPLY_KEY}"}
NUMBER = "+31612345678"
RAISED = alarm_event()
INCIDENT = incident_event(RAISED)
MESSAGE = notification_event(
    notification="m-1",
    incident=INCIDENT.incident,
    contact="anna",
    channel="sms",
    time=NOW - HOUR,
    answerable=encode_occurrences([occurrence_digest(RAISED)]),
)
CODE = reply_code(b"links", "m-1")
TEMPLATE = WebhookTemplate(url="https://x.example/", body={"to": "{address}", "text": "{text}"}, replies=True)


@pytest.fixture
def parts(parts: ApiContext) -> ApiContext:
    parts = dataclasses.replace(parts, contact_secrets=ChannelSecrets({"ANNA": NUMBER}))
    parts.hub.on_alarms(2, 0, AlarmBatch(LAYOUT_VERSION, NOW, (RAISED,), (INCIDENT,)))
    parts.log_follower.ready.set()
    plan = DutyPlan(
        channels=(
            NotificationChannel(id="sms", webhook=TEMPLATE),
            NotificationChannel(id="call", webhook=replace(TEMPLATE, replies=False)),
        ),
        contacts=(
            Contact(id="anna", name="Duty officer water", language="en", addresses={"sms": "${ANNA}"}),
            Contact(id="ben", name="Duty officer roads", addresses={"sms": "+31600000001"}),
            Contact(id="cleo", name="Team lead", addresses={"call": "+31600000002", "sms": "${CLEO}"}),
        ),
    )
    parts.hub.set_model(dataclasses.replace(parts.model, version=2, duty=plan))
    sent = AsyncMock(return_value=[CommandResult("done")])
    parts.command_gateway.send_commands = sent  # type: ignore[method-assign]
    return parts


@pytest.fixture(autouse=True)
def messages(monkeypatch: pytest.MonkeyPatch, parts: ApiContext) -> list[NotificationEvent]:
    """The stored messages, in place of the database."""
    stored = [MESSAGE]

    async def read(_: Any, contact: str, channel: str, *__: Any) -> list[NotificationEvent]:
        return [one for one in stored if (one.contact, one.channel) == (contact, channel)]

    monkeypatch.setattr(acknowledgement_reply, "read_answerable_notifications", read)
    monkeypatch.setattr(type(parts.database), "connection", lambda _: _Nothing())
    return stored


class _Nothing:
    async def __aenter__(self) -> AsyncMock:
        return AsyncMock()

    async def __aexit__(self, *_: object) -> None:
        return None


def reply(text: str = CODE, sender: str = NUMBER) -> dict[str, str]:
    return {"from": sender, "text": text}


def acknowledge(parts: ApiContext, record: int = 1) -> Callable[..., Any]:
    """Return a stand-in for the alarm stage that acknowledges everything."""

    async def send(commands: Any) -> list[CommandResult]:
        known = acknowledged_event(RAISED, "Duty officer water")
        parts.hub.on_alarms(2, record, AlarmBatch(LAYOUT_VERSION, NOW, (known,)))
        return [CommandResult("done") for _ in commands]

    return send


async def test_a_reply_acknowledges_what_its_message_told(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    sent = AsyncMock(side_effect=acknowledge(parts))
    parts.command_gateway.send_commands = sent  # type: ignore[method-assign]
    for number in (1, 2):  # a provider may send it twice
        answer = await client.post(PATH, json=reply(f"ok {CODE.lower()}"), headers=KEY)
        assert answer.status_code == 200
        assert answer.json() == {
            "outcome": "acknowledged",
            "answer": "Thank you. Your acknowledgement is recorded.",
            "contactId": "anna",
            "notificationId": "m-1",
            "incidentId": INCIDENT.incident,
            "_links": {"incident": {"href": f"/v1/incidents/{INCIDENT.incident}"}},
        }
        assert sent.call_count == number
    [command] = sent.call_args_list[0].args[0]
    assert (command.alarm, command.actor, command.action) == (
        RAISED.alarm,
        "Duty officer water",
        "acknowledge",
    )
    assert sent.call_args_list[1].args[0] == [], "nothing waits any more"


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"severity": Severity.CRITICAL, "kind": "worsened"}, "changed"),
        ({"occurrence": 2}, "changed"),
        ({"state": "acknowledged", "occurrence": 2}, "over"),
        ({"state": "acknowledged", "acknowledged_by": "Duty officer roads"}, "over"),
        ({"state": "normal", "active": False}, "over"),
    ],
)
async def test_what_became_worse_or_came_later_is_not_acknowledged(
    client: httpx.AsyncClient, parts: ApiContext, changed: dict[str, Any], outcome: str
) -> None:
    later = replace(RAISED, revision=3, **changed)
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, (later,)))
    parts.command_gateway.send_commands = sent = AsyncMock(return_value=[])  # type: ignore[method-assign]
    answer = await client.post(PATH, json=reply(), headers=KEY)
    assert (answer.status_code, answer.json()["outcome"]) == (200, outcome)
    assert sent.call_args.args[0] == []


async def test_a_reply_waits_until_the_live_view_is_up_to_date(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    parts.log_follower.ready.clear()
    answer = await client.post(PATH, json=reply(), headers=KEY)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), "the provider sends it again"
    assert parts.command_gateway.send_commands.call_count == 0  # type: ignore[attr-defined]


async def test_the_answer_says_that_other_alarms_still_wait(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    other = replace(RAISED, alarm="other")
    incident = incident_event(RAISED, other, revision=2)
    parts.hub.on_alarms(2, 1, AlarmBatch(LAYOUT_VERSION, NOW, (other,), (incident,)))
    sent = AsyncMock(side_effect=acknowledge(parts, 2))
    parts.command_gateway.send_commands = sent  # type: ignore[method-assign]
    for _ in range(2):
        answer = (await client.post(PATH, json=reply(), headers=KEY)).json()
        assert answer["outcome"] == "acknowledged"
        assert answer["answer"] == (
            "Thank you. Your acknowledgement is recorded. "
            "Other alarms of this incident still wait, or have become worse: look at the page."
        )


@pytest.mark.parametrize(
    ("result", "status", "outcome"),
    [
        (CommandResult("refused", "it has become worse"), 200, "changed"),
        (CommandResult("unanswered"), 202, "unanswered"),
        (CommandResult("done"), 200, "used"),
    ],
)
async def test_the_answer_says_what_the_alarm_stage_did(
    client: httpx.AsyncClient, parts: ApiContext, result: CommandResult, status: int, outcome: str
) -> None:
    sent = AsyncMock(return_value=[result])
    parts.command_gateway.send_commands = sent  # type: ignore[method-assign]
    answer = await client.post(PATH, json=reply(), headers=KEY)
    assert (answer.status_code, answer.json()["outcome"]) == (status, outcome)


@pytest.mark.parametrize(
    ("sender", "text", "outcome"),
    [
        (NUMBER, "yes", "no-code"),
        (NUMBER, "AAAAAA", "unknown-code"),
        ("+31600000001", CODE, "unknown-code"),
    ],
    ids=["no code", "a code of nobody", "the code of another contact"],
)
async def test_another_code_acknowledges_nothing(
    client: httpx.AsyncClient, parts: ApiContext, sender: str, text: str, outcome: str
) -> None:
    answer = await client.post(PATH, json=reply(text, sender), headers=KEY)
    assert (answer.status_code, answer.json()["outcome"]) == (200, outcome)
    assert parts.command_gateway.send_commands.call_count == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("sender", ["+31699999999", "+31600000002", "", "Alkmaar"])
async def test_somebody_who_is_no_contact_of_the_channel_gets_no_answer(
    client: httpx.AsyncClient, parts: ApiContext, sender: str
) -> None:
    answer = await client.post(PATH, json=reply(sender=sender), headers=KEY)
    assert answer.status_code == 200, "an error would make the provider repeat it"
    assert (answer.json()["outcome"], answer.json()["answer"]) == ("unknown-sender", "")
    assert parts.command_gateway.send_commands.call_count == 0  # type: ignore[attr-defined]


async def test_a_code_is_valid_for_three_days(
    client: httpx.AsyncClient, parts: ApiContext, messages: list[NotificationEvent]
) -> None:
    messages[0] = replace(MESSAGE, time=NOW - CODE_VALID - SECOND)
    answer = await client.post(PATH, json=reply(), headers=KEY)
    assert answer.json()["outcome"] == "expired"
    assert answer.json()["answer"] == "This code is no longer valid. Acknowledge the alarm on the page."
    assert parts.command_gateway.send_commands.call_count == 0  # type: ignore[attr-defined]


async def test_codes_are_limited_by_contact(client: httpx.AsyncClient) -> None:
    for _ in range(REPLY_CODES_BURST):
        assert (await client.post(PATH, json=reply("AAAAAA"), headers=KEY)).status_code == 200
    refused = await client.post(PATH, json=reply(), headers=KEY)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    other = await client.post(PATH, json=reply(sender="+31600000001"), headers=KEY)
    assert other.status_code == 200, "another contact is not limited by it"


def signed(body: bytes, key: str = REPLY_KEY, at: int = NOW // SECOND) -> dict[str, str]:
    return {
        "webhook-id": "1",
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,AAAA {reply_signature(key, '1', str(at), body)}",
        "content-type": "application/json",
    }


BODY = b'{"from": "+31612345678", "text": "yes"}'
BASIC = "Basic " + base64.b64encode(f"provider:{REPLY_KEY}".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (KEY, 200),
        ({"Authorization": BASIC}, 200),
        (signed(BODY), 200),
        ({}, 401),
        ({"Authorization": "Bearer sesame"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": f"Basic {REPLY_KEY}"}, 401),
        ({"Authorization": f"Digest {REPLY_KEY}"}, 401),
        (signed(BODY, key="other"), 401),
        (signed(BODY + b" "), 401),
        (signed(BODY, at=(NOW - 6 * MINUTE) // SECOND), 401),
        (signed(BODY, at=(NOW + 6 * MINUTE) // SECOND), 401),
        ({**signed(BODY), "webhook-id": "2"}, 401),
        ({**signed(BODY), "webhook-timestamp": "x"}, 401),
    ],
)
async def test_only_the_provider_sends_replies(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await client.post(PATH, content=BODY, headers=headers)
    assert answer.status_code == status, answer.text


async def test_without_a_key_no_replies_are_taken(parts: ApiContext) -> None:
    settings = parts.settings.model_copy(update={"reply_key": None})
    app = create_app(dataclasses.replace(parts, settings=settings))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://city.example"
    ) as client:
        answer = await client.post(PATH, json=reply(), headers={"Authorization": "Bearer "})
    assert answer.status_code == 404
    assert "LIVETWIN_REPLY_KEY is not set" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["replies", "x" * 31])
def test_a_short_key_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="at least 32"):
        ApiSettings(reply_key=SecretStr(key))


def test_an_empty_key_is_none() -> None:
    assert ApiSettings(reply_key="").reply_key is None


async def test_a_form_and_other_names_are_read(client: httpx.AsyncClient) -> None:
    form = {"From": NUMBER, "Body": "yes", "MessageSid": "1"}
    answer = await client.post(f"{PATH}?sender=From&text=Body", data=form, headers=KEY)
    assert answer.json()["outcome"] == "no-code"
    number = int(NUMBER.removeprefix("+"))
    answer = await client.post(
        f"{PATH}?sender=originator", json={"originator": number, "text": ""}, headers=KEY
    )
    assert answer.json()["outcome"] == "no-code"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"from": "1"}', b'{"from": ["1"], "text": "a"}', b'{"from": true, "text": "a"}'],
)
async def test_a_body_without_sender_or_text_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post(PATH, content=body, headers=KEY)).status_code == 400


async def test_an_address_whose_variable_is_missing_here_is_told_in_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.post(PATH, json=reply(sender="+31600000009"), headers=KEY)
    assert answer.json()["outcome"] == "unknown-sender"
    assert "replies of cleo cannot be checked" in caplog.text
    assert "CLEO" in caplog.text


@pytest.mark.usefixtures("client")
async def test_a_reply_is_read_whatever_its_headers_say(parts: ApiContext) -> None:
    """Providers differ, and a refused reply leaves an alarm without its acknowledgement."""
    headers = {**KEY, "Content-Type": "text/plain", "Accept": "application/xml"}
    transport = httpx.ASGITransport(create_app(parts))
    # Not the client that compares with the document, which has no such body.
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as other:
        answer = await other.post(PATH, content=json.dumps(reply("AAAAAA")), headers=headers)
    assert answer.json()["outcome"] == "unknown-code"
