"""Messages to a real SMTP server, and to a webhook that refuses, drops or hangs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, occurrence_digest, verify_link
from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.delivery.channels import ChannelSender
from alerting.delivery.delivery_pool import (
    CHANNEL_THREADS_MAX,
    CONTACT_THREADS_MAX,
    DeliveryOptions,
    DeliveryPool,
)
from alerting.delivery.message_file import MESSAGE_FILE_BYTES_MAX, MessageFile
from alerting.incidents.incident_state import NotificationRequest
from alerting.messages.message_text import MessageText
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from runtime.secret_files import SecretEnvironment
from tests.support.pipelines.duty_loop import INCIDENT, NOON, DutyLoop, duty_alarm, duty_plan
from tests.support.receivers.mail_server import MailBehaviour, MailServer, NotificationWebhook
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
    sender = ChannelSender(
        ChannelSecrets({"TOKEN": "s3cret/t0ken", "OPERATIONS": "operations@town.example"}), DEADLINE_S
    )
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
        assert pool.reserve(message)
        pool.start_attempt(message, plan, NOON)
    return [await asyncio.wait_for(ended.get(), DEADLINE_S) for _ in sent]


async def test_a_mail_names_alarm_place_and_time_and_has_an_acknowledge_link(
    mails: MailServer, channels: ChannelSender
) -> None:
    plan = plan_over(mail=mails.url)
    sent = messages(plan)
    ended = await deliver(channels, plan, sent)
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
    told = frozenset({occurrence_digest(duty_alarm())})
    assert verify_link(KEY, token, NOON) == AcknowledgeLink(INCIDENT, "first", NOON + 72 * 60 * MINUTE, told)


async def test_the_link_of_a_digest_acknowledges_what_the_mail_tells_of_all_its_incidents(
    mails: MailServer, channels: ChannelSender
) -> None:
    plan = plan_over(mail=mails.url)
    run = DutyLoop(plan, delivers=lambda _: None)
    alarms = [duty_alarm("canal", rule=cause) for cause in ("flood", "power")]
    for alarm in alarms:
        run.on_alarms(alarm)
    run.advance(MINUTE)
    (digest,) = [one for one in run.messages.values() if one.parts]
    assert [one.sent for one in await deliver(channels, plan, [digest])] == [True]
    (mail,) = mails.mails
    text = mail.content.as_string()
    assert "In-Reply-To" not in mail.content, "it belongs to no single incident"
    body = next(
        part.get_payload(decode=True).decode()  # type: ignore[union-attr]
        for part in mail.content.walk()
        if part.get_content_type() == "text/plain"
    )
    assert "flood, Canal" in body, text
    assert "power, Canal" in body, text
    token = body.split(f"https://twin.example{LINK_PATH}")[1].split()[0]
    told = frozenset(map(occurrence_digest, alarms))
    assert verify_link(KEY, token, NOON) == AcknowledgeLink("", "first", NOON + 72 * 60 * MINUTE, told)


async def test_a_channel_with_little_room_gets_a_digest_that_it_accepts(
    hook: NotificationWebhook, channels: ChannelSender
) -> None:
    hooked = NotificationChannel(id="sms", url=hook.url)
    assert channels.body_characters(hooked) > 10_000
    assert channels.body_characters(NotificationChannel(id="chat", url="discord://1/${TOKEN}")) == 2_000
    assert channels.body_characters(NotificationChannel(id="sms", url="nonsense://")) == 160
    assert channels.body_characters(NotificationChannel(id="log", url="livetwin://log")) == 160


async def test_a_webhook_that_hangs_delays_neither_another_channel_nor_another_contact(
    mails: MailServer, hook: NotificationWebhook, channels: ChannelSender
) -> None:
    hook.behaviour = lambda _: "hang"
    plan = plan_over(mail=mails.url, sms=hook.url + "?rto=30")
    sent = messages(plan)
    over_hook = next(one for one in sent if one.request.channel == "sms")
    over_mail = next(one for one in sent if one.request.channel == "mail")
    ended: list[AttemptResult] = []
    arrived = asyncio.Event()

    def end(result: AttemptResult) -> None:
        ended.append(result)
        arrived.set()

    pool = DeliveryPool(
        channels, DeliveryOptions(base_url="", link_key=KEY, attempt_timeout_s=DEADLINE_S), end
    )
    for number in range(CONTACT_THREADS_MAX):
        request = over_hook.request._replace(notification=f"{over_hook.id}-{number}")
        message = replace(over_hook, request=request)
        assert pool.reserve(message)
        pool.start_attempt(message, plan, NOON)
    assert not pool.reserve(over_hook)
    assert pool.reserve(replace(over_hook, request=over_hook.request._replace(contact="second")))
    assert pool.reserve(over_mail)
    pool.start_attempt(over_mail, plan, NOON)
    await asyncio.wait_for(arrived.wait(), DEADLINE_S)
    assert [one.sent for one in ended] == [True]
    hook.stop()  # ends the requests that hang
    await pool.close()
    assert [one.sent for one in ended] == [True] + [False] * CONTACT_THREADS_MAX
    assert pool.reserve(over_hook)


async def test_requests_that_hang_delay_no_other_webhook(
    hook: NotificationWebhook, channels: ChannelSender
) -> None:
    other = NotificationWebhook()
    other.start()
    hook.behaviour = lambda _: "hang"
    plan = plan_over(mail=other.url, sms=hook.url)
    sent = {one.request.channel: one for one in messages(plan)}
    ended: asyncio.Queue[AttemptResult] = asyncio.Queue()
    options = DeliveryOptions(base_url="", link_key=KEY, attempt_timeout_s=DEADLINE_S)
    pool = DeliveryPool(channels, options, ended.put_nowait)
    for number in range(CHANNEL_THREADS_MAX):
        request = sent["sms"].request._replace(notification=f"hanging-{number}", contact=f"contact-{number}")
        message = replace(sent["sms"], request=request)
        assert pool.reserve(message)
        pool.start_attempt(message, plan, NOON)
    assert pool.reserve(sent["mail"])
    pool.start_attempt(sent["mail"], plan, NOON)
    result = await asyncio.wait_for(ended.get(), DEADLINE_S)
    assert (result.id, result.sent) == (sent["mail"].id, True)
    hook.stop()
    other.stop()
    await pool.close()


def test_the_threads_of_a_channel_are_bounded(channels: ChannelSender) -> None:
    pool = DeliveryPool(
        channels, DeliveryOptions(base_url="", link_key=KEY, attempt_timeout_s=DEADLINE_S), lambda _: None
    )
    requests = [
        message().request._replace(contact=f"contact-{number}") for number in range(CHANNEL_THREADS_MAX + 1)
    ]
    reserved = [pool.reserve(replace(message(), request=request)) for request in requests]
    assert reserved == [True] * CHANNEL_THREADS_MAX + [False]


def send_within(url: str, timeout_s: float = DEADLINE_S) -> AttemptResult:
    channels = ChannelSender(ChannelSecrets({}), timeout_s)
    try:
        return send(channels, url)
    finally:
        channels.close()


def test_a_mail_that_the_server_has_and_does_not_confirm_is_doubtful(mails: MailServer) -> None:
    mails.behaviour = lambda _: "hang after mail"
    result = send_within(mails.url, timeout_s=0.5)
    assert len(mails.mails) == 1
    assert (result.sent, result.doubtful) == (False, True)
    assert "has the mail, and did not confirm it within 0.5 s" in result.detail


def test_a_mail_that_the_server_never_asked_for_is_sent_again(mails: MailServer) -> None:
    mails.behaviour = lambda _: "hang before mail"
    result = send_within(mails.url, timeout_s=0.5)
    assert mails.mails == []
    assert (result.sent, result.doubtful, result.final) == (False, False, False)
    assert "no answer in time" in result.detail


@pytest.mark.parametrize(
    ("behaviour", "is_final", "reply"),
    [("refuse address", True, "550 no such mailbox"), ("refuse for now", False, "451 try again later")],
)
def test_the_reply_of_a_mail_server_says_whether_another_attempt_can_succeed(
    mails: MailServer, behaviour: MailBehaviour, is_final: bool, reply: str
) -> None:
    mails.behaviour = lambda _: behaviour
    result = send_within(mails.url)
    assert (result.sent, result.doubtful, result.final) == (False, False, is_final)
    assert reply in result.detail


def test_a_mail_to_several_addresses_is_not_repeated_for_those_that_have_it(mails: MailServer) -> None:
    mails.behaviour = lambda address: "refuse address" if address.startswith("third") else "accept"
    result = send_within(f"{mails.url},second@town.example,third@town.example")
    assert len(mails.mails) == 1
    assert (result.sent, result.final) == (False, True)
    assert "third@town.example (550 no such mailbox)" in result.detail


def test_a_mail_server_that_does_not_listen_cannot_be_reached(free_port: int) -> None:
    result = send_within(f"mailto://127.0.0.1:{free_port}?from=duty@town.example&to=first@town.example")
    assert (result.sent, result.doubtful, result.final) == (False, False, False)
    assert f"mail server 127.0.0.1:{free_port} cannot be reached: " in result.detail


def test_the_mails_of_an_incident_are_a_thread_and_each_attempt_has_the_same_id(mails: MailServer) -> None:
    for _ in range(2):
        assert send_within(mails.url).sent
    first, second = (mail.content for mail in mails.mails)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Message-ID"] != first["References"] == first["In-Reply-To"]


def test_a_webhook_that_has_the_message_and_does_not_answer_is_doubtful(hook: NotificationWebhook) -> None:
    hook.behaviour = lambda _: "hang"
    result = send_within(hook.url, timeout_s=0.5)
    assert len(hook.requests) == 1
    assert (result.sent, result.doubtful) == (False, True)
    assert "no answer in time" in result.detail


@pytest.mark.parametrize("behaviour", ["refuse", "drop"])
def test_a_failure_says_why_and_keeps_the_secret(
    hook: NotificationWebhook, channels: ChannelSender, behaviour: str, caplog: pytest.LogCaptureFixture
) -> None:
    hook.behaviour = lambda _: behaviour  # type: ignore[return-value, assignment]
    reason = "error=500" if behaviour == "refuse" else "A Connection error occurred"
    caplog.set_level(logging.DEBUG)
    url = f"json://duty:${{TOKEN}}@{hook.address}/${{TOKEN}}/{{address}}?+Key=${{TOKEN}}"
    result = send(channels, url, address="${OPERATIONS}")
    assert hook.requests[0].path == "/s3cret%2Ft0ken/operations@town.example"
    assert not result.sent
    assert not result.final
    assert reason in result.detail
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


def test_the_file_of_messages_has_the_link_is_for_its_owner_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "messages.txt"
    path.touch(mode=0o644)
    channels = ChannelSender(ChannelSecrets({}), DEADLINE_S, message_file=MessageFile(path))
    link = "Acknowledge: https://twin.example/v1/acknowledge/token"
    try:
        assert send(channels, "livetwin://log", link=link).sent
        assert link in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        path.write_text("x" * MESSAGE_FILE_BYTES_MAX)
        assert send(channels, "livetwin://log", link=link).sent
        assert (path.exists(), (tmp_path / "messages.txt.1").exists()) == (False, True)
        path.mkdir()
        result = send(channels, "livetwin://log", link=link)
    finally:
        channels.close()
    assert (result.sent, result.final) == (False, False)
    assert "token" not in result.detail


async def test_a_missing_secret_file_is_reported_and_the_message_may_be_sent_again(
    tmp_path: Path,
) -> None:
    channels = ChannelSender(
        ChannelSecrets(SecretEnvironment({"HOOK_FILE": str(tmp_path / "none")})), DEADLINE_S
    )
    plan = plan_over(mail="${HOOK}")
    [ended] = await deliver(channels, plan, messages(plan))
    channels.close()
    assert (ended.sent, ended.final) == (False, False)
    assert "channel mail: HOOK_FILE: " in ended.detail
