"""Messages to browsers over a push service that takes, refuses, hangs, is killed, or has forgotten them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey
from msgspec.structs import replace

from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.delivery.channels import ChannelSender
from alerting.delivery.push_channel import PushOptions
from alerting.delivery.push_encryption import RECORD_BYTES_MAX
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from runtime.push_key import PushKey
from runtime.sink_address import SinkRules, parse_networks
from tests.support.pipelines.duty_loop import INCIDENT, NOON, DutyLoop, duty_alarm, duty_plan
from tests.support.receivers.push_service import Browser, PushService
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND
from twin.model.duty import (
    PUSH_URL,
    DutyPlan,
    EscalationPolicy,
    EscalationStep,
    NotificationChannel,
    PushSubscription,
)

HERE = SinkRules(parse_networks("127.0.0.0/8"))
PAGE = "https://twin.example"
LINK = f"Acknowledge: {PAGE}/v1/acknowledge/token"
PUSH = NotificationChannel(id="push", url=PUSH_URL)
KEY_PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    .decode()
)
KEY = PushKey.from_pem(KEY_PEM)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PushService]:
    service = PushService(tmp_path)
    yield service
    service.stop()


def plan(*browsers: PushSubscription) -> DutyPlan:
    policy = EscalationPolicy(
        id="usual",
        steps=(
            EscalationStep(notify="on-call", channels=("push",), wait=10 * MINUTE),
            EscalationStep(notify="on-call", channels=("sms",), wait=10 * MINUTE),
        ),
        group_wait=5 * SECOND,
    )
    known = duty_plan(policy)
    return replace(known, channels=(*known.channels, PUSH), push_subscriptions=browsers)


def alarm_message(severity: Severity = Severity.MAJOR) -> OutgoingMessage:
    run = DutyLoop(plan(), delivers=lambda _: None)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    message = next(one for one in run.messages.values() if one.request.channel == "push")
    return replace(message, text=replace(message.text, severity=severity))


def send(
    service: PushService,
    *browsers: PushSubscription,
    message: OutgoingMessage | None = None,
    link: str = LINK,
    rules: SinkRules = HERE,
    timeout_s: float = 30.0,
    key: PushKey | None = KEY,
) -> AttemptResult:
    options = PushOptions(key, PAGE, lambda: NOON, service.trust)
    sender = ChannelSender(ChannelSecrets({}), timeout_s, rules, options)
    try:
        return sender.send(PUSH, message or alarm_message(), "", link, subscriptions=browsers)
    finally:
        sender.close()


def test_each_browser_of_the_contact_gets_the_message_and_only_it_can_read_it(service: PushService) -> None:
    phone, tablet, other = (
        Browser(service, "phone"),
        Browser(service, "tablet"),
        Browser(service, "other", contact="second"),
    )
    message = alarm_message()
    assert send(service, *(one.subscription for one in (phone, tablet, other)), message=message).sent
    by_path = {request.path: request for request in service.requests}
    assert sorted(by_path) == [phone.path, tablet.path]
    for browser in (phone, tablet):
        found = browser.decrypt(by_path[browser.path].body)
        assert found == {
            "title": message.text.title,
            "body": "-0.25 m, since 23-11-2026 13:00",
            "url": f"{PAGE}/v1/acknowledge/token",
            "tag": INCIDENT,
            "severity": "major",
            "language": "en",
            "notification": message.id,
        }
    assert b"water" not in by_path[phone.path].body
    with pytest.raises(InvalidTag):
        other.decrypt(by_path[phone.path].body)


def test_the_request_identifies_the_server_to_the_push_service_alone(service: PushService) -> None:
    phone = Browser(service, "phone")
    assert send(service, phone.subscription).sent
    [request] = service.requests
    assert request.headers["Content-Encoding"] == "aes128gcm"
    scheme, _, parameters = request.headers["Authorization"].partition(" ")
    token, public = (part.split("=", 1)[1] for part in parameters.split(", "))
    assert (scheme, public) == ("vapid", KEY.public)
    point = base64.urlsafe_b64decode(public + "=")
    key = ECKey.import_key(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": base64.urlsafe_b64encode(point[1:33]).decode().rstrip("="),
            "y": base64.urlsafe_b64encode(point[33:]).decode().rstrip("="),
        }
    )
    claims = json.loads(jws.deserialize_compact(token, key, algorithms=["ES256"]).payload)
    assert claims == {"aud": service.url, "exp": (NOON + 12 * HOUR) // SECOND, "sub": PAGE}


@pytest.mark.parametrize(
    ("severity", "urgency", "hours"),
    [(Severity.CRITICAL, "high", 12), (Severity.MINOR, "normal", 4), (Severity.CLEARED, "low", 4)],
)
def test_the_priority_says_how_urgent_it_is_and_how_long_it_is_kept(
    service: PushService, severity: Severity, urgency: str, hours: int
) -> None:
    assert send(service, Browser(service, "phone").subscription, message=alarm_message(severity)).sent
    headers = service.requests[0].headers
    assert (headers["Urgency"], headers["TTL"]) == (urgency, str(hours * 3600))


def test_a_later_message_of_the_incident_has_the_same_topic_and_no_other_browser_has_it(
    service: PushService,
) -> None:
    phone, tablet = Browser(service, "phone"), Browser(service, "tablet")
    for severity in (Severity.MAJOR, Severity.CLEARED):
        send(service, phone.subscription, tablet.subscription, message=alarm_message(severity))
    topics = {(one.path, one.headers["Topic"]) for one in service.requests}
    assert len(topics) == 2
    assert all(len(topic) == 32 for _, topic in topics)
    digest = replace(alarm_message(), parts=(("a", "b", frozenset()),))
    send(service, phone.subscription, message=digest)
    assert "Topic" not in service.requests[-1].headers, "a digest is of other incidents than the one before"


@pytest.mark.parametrize("link", ["", f"Acknowledge: {PAGE}/v1/acknowledge/{'x' * 8_000}"])
def test_without_a_link_that_fits_the_message_leads_to_the_incident_on_the_page(
    service: PushService, link: str
) -> None:
    phone = Browser(service, "phone")
    message = alarm_message()
    text = replace(message.text, title="é" * 500, short="ü" * 2_000, line="")
    assert send(service, phone.subscription, message=replace(message, text=text), link=link).sent
    body = service.requests[0].body
    assert len(body) <= RECORD_BYTES_MAX
    assert phone.decrypt(body)["url"] == f"{PAGE}/?incident={INCIDENT}"


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_has_ended_is_named_and_not_tried_again(
    service: PushService, status: int
) -> None:
    phone = Browser(service, "phone")
    service.status = status
    result = send(service, phone.subscription)
    assert (result.sent, result.final, result.gone) == (False, True, ("phone",))
    assert "phone" not in result.detail, "an endpoint is a secret, also in the answer of its service"
    assert f"127.0.0.1: answered {status}: no subscription …" in result.detail


def test_one_browser_that_took_the_message_is_enough(service: PushService) -> None:
    phone, old = Browser(service, "phone"), Browser(service, "old")
    service.statuses = {old.path: 410}
    result = send(service, phone.subscription, old.subscription)
    assert (result.sent, result.gone) == (True, ("old",))


@pytest.mark.parametrize(
    ("status", "is_final"), [(429, False), (500, False), (503, False), (400, True), (403, True), (413, True)]
)
def test_the_answer_of_the_push_service_says_whether_another_attempt_can_succeed(
    service: PushService, status: int, is_final: bool
) -> None:
    service.status = status
    result = send(service, Browser(service, "phone").subscription)
    assert (result.sent, result.final, result.doubtful, result.gone) == (False, is_final, False, ())


def test_a_busy_push_service_is_tried_again_although_another_subscription_has_ended(
    service: PushService,
) -> None:
    phone, old = Browser(service, "phone"), Browser(service, "old")
    service.statuses = {old.path: 410, phone.path: 503}
    result = send(service, phone.subscription, old.subscription)
    assert (result.sent, result.final, result.gone) == (False, False, ("old",))


def test_a_push_service_that_has_the_message_and_hangs_is_doubtful(service: PushService) -> None:
    service.hangs = True
    result = send(service, Browser(service, "phone").subscription, timeout_s=0.5)
    assert (result.sent, result.final, result.doubtful) == (False, False, True)


def test_a_push_service_that_breaks_off_is_tried_again(service: PushService) -> None:
    service.drops = True
    result = send(service, Browser(service, "phone").subscription)
    assert (result.sent, result.final, result.doubtful) == (False, False, False)


def test_a_push_service_that_is_killed_is_tried_again(tmp_path: Path) -> None:
    service = PushService(tmp_path)
    phone = Browser(service, "phone")
    service.stop()
    result = send(service, phone.subscription)
    assert (result.sent, result.final, result.doubtful) == (False, False, False)
    assert phone.path not in result.detail


def test_nothing_is_sent_to_an_address_that_is_not_allowed(service: PushService) -> None:
    result = send(service, Browser(service, "phone").subscription, rules=SinkRules())
    assert (result.sent, result.final) == (False, True)
    assert "127.0.0.1 is not on the public internet" in result.detail
    assert service.requests == []


def test_nothing_is_sent_after_the_end_of_a_subscription_or_without_a_key(service: PushService) -> None:
    phone = Browser(service, "phone")
    ended = send(service, phone.expiring(NOON))
    assert (ended.final, ended.detail) == (True, "contact first has no browser that takes messages")
    without = send(service, phone.subscription, key=None)
    assert (without.final, "LIVETWIN_PUSH_KEY" in without.detail) == (True, True)
    assert service.requests == []


def test_without_a_browser_the_next_step_follows_at_once(service: PushService) -> None:
    phone = Browser(service, "phone")
    service.status = 410
    run = DutyLoop(
        plan(phone.subscription),
        delivers=lambda message: message.request.channel != "push" or None,
    )
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    message = next(one for one in run.messages.values() if one.request.channel == "push")
    run.manager.end_attempt(send(service, phone.subscription, message=message), run.now)
    run.advance(SECOND)
    assert [one.request.channel for one in run.messages.values()] == ["push", "sms"]
