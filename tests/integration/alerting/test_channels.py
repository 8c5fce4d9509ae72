"""Messages to a real SMTP server, and to a webhook that refuses, drops or hangs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, verify_link
from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.delivery.channels import ChannelSender
from alerting.delivery.delivery_pool import CHANNEL_THREADS_MAX, DeliveryOptions, DeliveryPool
from alerting.incidents.incident_state import NotificationRequest
from alerting.messages.message_text import MessageText
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from runtime.secret_files import SecretEnvironment
from tests.support.pipelines.duty_loop import INCIDENT, NOON, DutyLoop, duty_alarm, duty_plan
from tests.support.receivers.mail_server import MailServer, NotificationWebhook
from twin.alarms.severity import Severity
from twin.instant import MINUTE
from twin.model.duty import DutyPlan, NotificationChannel

KEY = b"key of links"
DEADLINE_S = 30.0


@pytest.fixture
def mails() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def hook() -> Iterator[NotificationWebhook]:
    server = NotificationWebhook()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def channels() -> Iterator[ChannelSender]:
    sender = ChannelSender(ChannelSecrets({"TOKEN": "s3cret/t0ken", "OPERATIONS": "operations@town.example"}))
    yield sender
    sender.close()


def message() -> OutgoingMessage:
    return OutgoingMessage(
        request=NotificationRequest(
            notification=f"{INCIDENT}~0~0~first~mail",
            incident=INCIDENT,
            kind="alarm",
            round=0,
            step=0,
            contact="first",
            channel="mail",
            due_time=NOON,
        ),
        text=MessageText(
            title="MAJOR · High water, Canal",
            body="Water level is −0.25 m",
            short="MAJOR",
            language="en",
            severity=Severity.MAJOR,
            answer_label="Acknowledge",
        ),
        due=NOON,
    )


def send(
    channels: ChannelSender, url: str, *, address: str = "first@town.example", link: str = ""
) -> AttemptResult:
    return channels.send(NotificationChannel(id="hook", url=url), message(), address, link)


def messages(plan: DutyPlan) -> list[OutgoingMessage]:
    """Return the messages of the first step."""
    run = DutyLoop(plan, delivers=lambda _: None)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    return list(run.messages.values())


def plan_over(**urls: str) -> DutyPlan:
    return duty_plan(channels=tuple(NotificationChannel(id=id, url=url) for id, url in urls.items()))


async def deliver(
    channels: ChannelSender, plan: DutyPlan, sent: list[OutgoingMessage]
) -> list[AttemptResult]:
    ended: asyncio.Queue[AttemptResult] = asyncio.Queue()
    options = DeliveryOptions(base_url="https://twin.example/", link_key=KEY, attempt_timeout_s=DEADLINE_S)
    pool = DeliveryPool(channels, options, ended.put_nowait)
    for message in sent:
        pool.start_attempt(message, plan, NOON)
    return [await asyncio.wait_for(ended.get(), DEADLINE_S) for _ in sent]


async def test_a_mail_names_alarm_place_and_time_and_has_an_acknowledge_link(
    mails: MailServer, channels: ChannelSender
) -> None:
    plan = plan_over(mail=mails.url)
    ended = await deliver(channels, plan, messages(plan))
    assert [one.sent for one in ended] == [True]
    (mail,) = mails.mails
    assert mail.notification == f"{INCIDENT}~0~0~first~mail"
    assert mail.to == "first@town.example"
    texts = [
        part.get_payload(decode=True).decode()  # type: ignore[union-attr]
        for part in mail.content.walk()
        if part.get_content_type() == "text/plain"
    ]
    for expected in (
        "High water, Canal",
        "since 23-11-2026 13:00",
        "-0.25 m, at or above -0.3 m",
        "East",
    ):
        assert expected in texts[0]
    token = texts[0].split(f"https://twin.example{LINK_PATH}")[1].split()[0]
    assert verify_link(KEY, token, NOON) == AcknowledgeLink(INCIDENT, "first", NOON + 72 * 60 * MINUTE)


async def test_a_webhook_that_hangs_delays_no_other_channel(
    mails: MailServer, hook: NotificationWebhook, channels: ChannelSender
) -> None:
    hook.behaviour = lambda _: "hang"
    plan = plan_over(mail=mails.url, sms=hook.url + "?rto=30")
    sent = messages(plan)
    over_hook = next(one for one in sent if one.request.channel == "sms")
    ended: list[AttemptResult] = []
    arrived = asyncio.Event()

    def end(result: AttemptResult) -> None:
        ended.append(result)
        arrived.set()

    pool = DeliveryPool(
        channels, DeliveryOptions(base_url="", link_key=KEY, attempt_timeout_s=DEADLINE_S), end
    )
    for number in range(CHANNEL_THREADS_MAX):
        request = over_hook.request._replace(notification=f"{over_hook.id}-{number}")
        pool.start_attempt(replace(over_hook, request=request), plan, NOON)
    pool.start_attempt(next(one for one in sent if one.request.channel == "mail"), plan, NOON)
    await asyncio.wait_for(arrived.wait(), DEADLINE_S)
    assert [one.sent for one in ended] == [True]
    assert pool.free_slots("sms") == 0
    assert pool.free_slots("mail") == CHANNEL_THREADS_MAX
    hook.stop()  # ends the requests that hang
    await pool.close()
    assert [one.sent for one in ended] == [True] + [False] * CHANNEL_THREADS_MAX


@pytest.mark.parametrize("behaviour", ["refuse", "drop"])
def test_a_failure_says_why_and_keeps_the_secret(
    hook: NotificationWebhook, channels: ChannelSender, behaviour: str, caplog: pytest.LogCaptureFixture
) -> None:
    hook.behaviour = lambda _: behaviour  # type: ignore[return-value, assignment]
    caplog.set_level(logging.DEBUG)
    url = f"json://duty:${{TOKEN}}@{hook.address}/${{TOKEN}}/{{address}}?+Key=${{TOKEN}}"
    result = send(channels, url, address="${OPERATIONS}")
    assert hook.requests[0].path == "/s3cret%2Ft0ken/operations@town.example"
    assert not result.sent
    assert not result.final
    assert result.detail
    for text in (result.detail, caplog.text):
        assert "s3cret" not in text
        assert "operations@town.example" not in text


def test_a_channel_without_its_secret_is_given_up_at_once(channels: ChannelSender) -> None:
    result = send(channels, "json://${NOWHERE}@127.0.0.1:1/")
    assert result.final
    assert "NOWHERE" in result.detail


def test_a_url_that_apprise_does_not_know_is_given_up_at_once(channels: ChannelSender) -> None:
    result = send(channels, "carrier-pigeon://loft")
    assert result.final


def test_the_log_gets_the_message_and_not_the_link(
    channels: ChannelSender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    link = "Acknowledge: https://twin.example/v1/acknowledge/token"
    assert send(channels, "livetwin://log", link=link).sent
    assert "High water" in caplog.text
    assert "token" not in caplog.text


async def test_a_missing_secret_file_is_reported_and_the_message_may_be_sent_again(
    tmp_path: Path,
) -> None:
    channels = ChannelSender(ChannelSecrets(SecretEnvironment({"HOOK_FILE": str(tmp_path / "none")})))
    plan = plan_over(mail="${HOOK}")
    [ended] = await deliver(channels, plan, messages(plan))
    channels.close()
    assert (ended.sent, ended.final) == (False, False)
    assert "channel mail: HOOK_FILE: " in ended.detail
