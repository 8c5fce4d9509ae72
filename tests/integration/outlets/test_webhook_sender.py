"""The webhook sender: results of a receiver's answers, and addresses that are refused."""

from __future__ import annotations

import pytest

from outlets.webhook_message import WebhookMessage
from outlets.webhook_sender import SenderIdentity, WebhookSender
from runtime.clock import system_clock
from runtime.sink_address import SinkRules, parse_networks
from tests.support.receivers.webhook_receiver import NO_ANSWER, Consent, webhook_receiver

PUBLIC = SinkRules()
HERE = SinkRules(parse_networks("127.0.0.0/8, ::1/128"))
MESSAGE = WebhookMessage("msg_1", "application/json", b"[]", [], "")
SECRET = b"0" * 32
IDENTITY = SenderIdentity("twin.example.nl", 6_000)


def sending(rules: SinkRules, timeout_s: float = 5.0) -> WebhookSender:
    return WebhookSender(rules, system_clock, timeout_s, IDENTITY)


@pytest.mark.parametrize(
    ("status", "result", "detail"),
    [
        (200, "delivered", ""),
        (299, "delivered", ""),
        (302, "failed", "the receiver answered 302"),
        (410, "gone", "the receiver answered 410 Gone"),
        (500, "failed", "the receiver answered 500"),
        (NO_ANSWER, "failed", "no answer within 0.2 s"),
    ],
)
async def test_the_answer_of_the_receiver_gives_the_result(status: int, result: str, detail: str) -> None:
    async with webhook_receiver(status) as receiver, sending(HERE, 0.2) as sender:
        receiver.headers = {"Location": receiver.url}
        outcome = await sender.send(receiver.url, SECRET, MESSAGE, names_origin=True)
        assert (outcome.result, outcome.detail) == (result, detail)
        assert len(receiver.requests) == 1, "a redirect is not followed"


@pytest.mark.parametrize(("asked", "expected"), [("7", 7.0), ("", None), ("soon", None), ("-1", None)])
async def test_a_receiver_can_ask_for_a_delay(asked: str, expected: float | None) -> None:
    async with webhook_receiver(503) as receiver, sending(HERE) as sender:
        receiver.headers = {"Retry-After": asked}
        assert (await sender.send(receiver.url, SECRET, MESSAGE, names_origin=True)).retry_after_s == expected


async def test_an_unreachable_receiver_is_a_failure() -> None:
    async with sending(HERE) as sender:
        outcome = await sender.send("http://127.0.0.1:9/", SECRET, MESSAGE, names_origin=True)
    assert outcome.result == "failed"
    assert "127.0.0.1" in outcome.detail


async def test_a_name_is_refused_for_its_resolved_address() -> None:
    name = "0x7f000001"  # The C library resolves it to 127.0.0.1 without a DNS query.
    PUBLIC.check_url(f"https://{name}/")
    async with webhook_receiver() as receiver, sending(PUBLIC) as sender:
        url = receiver.url.replace("http://127.0.0.1", f"https://{name}")
        outcome = await sender.send(url, SECRET, MESSAGE, names_origin=True)
    assert outcome.result == "failed"
    assert "127.0.0.1 is not on the public internet" in outcome.detail


@pytest.mark.parametrize("names_origin", [True, False])
async def test_a_message_names_the_origin_that_was_agreed_upon(names_origin: bool) -> None:
    async with webhook_receiver() as receiver, sending(HERE) as sender:
        await sender.send(receiver.url, SECRET, MESSAGE, names_origin=names_origin)
    found = receiver.requests[0].headers.get("webhook-request-origin")
    assert found == ("twin.example.nl" if names_origin else None)


@pytest.mark.parametrize(
    ("consent", "result", "rate_max", "detail"),
    [
        (Consent(), "granted", 6_000, ""),
        (Consent(200, "Twin.example.NL", "120"), "granted", 120, ""),
        (Consent(rate="99999"), "granted", 6_000, ""),
        (Consent(rate=None), "granted", 6_000, ""),
        (Consent(405), "granted", 6_000, ""),  # the status is no consent, and no refusal
        (Consent(origin=None), "refused", None, "which was 204, found none"),
        (
            Consent(200, "other.example.nl"),
            "refused",
            None,
            "found WebHook-Allowed-Origin 'other.example.nl'",
        ),
        (Consent(405, None, None), "refused", None, "expected WebHook-Allowed-Origin with 'twin.example.nl'"),
        (Consent(302, None), "refused", None, "which was 302"),
        (Consent(rate="0"), "refused", None, "consents to no rate"),
        (Consent(rate="-1"), "refused", None, "found '-1'"),
        (Consent(rate="1.5"), "refused", None, "found '1.5'"),
        (Consent(rate="9" * 20), "refused", None, "expected WebHook-Allowed-Rate"),
        (Consent(503, None, None), "failed", None, "the receiver answered 503 to OPTIONS"),
        (Consent(429, None, None), "failed", None, "the receiver answered 429 to OPTIONS"),
        (Consent(NO_ANSWER), "failed", None, "no answer to OPTIONS within 0.2 s"),
    ],
)
async def test_the_headers_of_an_answer_to_options_are_the_consent(
    consent: Consent, result: str, rate_max: int | None, detail: str
) -> None:
    async with webhook_receiver() as receiver, sending(HERE, 0.2) as sender:
        receiver.headers = {"Location": receiver.url, "Retry-After": "7"}
        receiver.consents = [consent]
        answer = await sender.request_consent(receiver.url)
    assert (answer.result, answer.rate_max) == (result, rate_max)
    assert detail in answer.detail
    assert answer.retry_after_s == (7.0 if consent.status in (429, 503) else None)
    (asked,) = receiver.handshakes
    assert asked["webhook-request-origin"] == "twin.example.nl"
    assert asked["webhook-request-rate"] == "6000"
    assert "webhook-request-callback" not in asked


async def test_the_handshake_connects_to_allowed_addresses_only() -> None:
    name = "0x7f000001"  # The C library resolves it to 127.0.0.1 without a DNS query.
    async with webhook_receiver() as receiver, sending(PUBLIC) as sender:
        for url in (receiver.url, receiver.url.replace("http://127.0.0.1", f"https://{name}")):
            answer = await sender.request_consent(url)
            assert answer.result == "failed"
            assert "127.0.0.1 is not on the public internet" in answer.detail
    assert receiver.handshakes == []
