"""The webhook sender: results of a receiver's answers, and addresses that are refused."""

from __future__ import annotations

import pytest

from outlets.cloud_event import WebhookMessage
from outlets.webhook_sender import WebhookSender
from runtime.clock import system_clock
from runtime.sink_address import SinkRules, parse_networks
from tests.support.receivers.webhook_receiver import NO_ANSWER, webhook_receiver

PUBLIC = SinkRules()
HERE = SinkRules(parse_networks("127.0.0.0/8, ::1/128"))
MESSAGE = WebhookMessage("msg_1", "application/json", b"[]", [], "")
SECRET = b"0" * 32


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
    async with webhook_receiver(status) as receiver, WebhookSender(HERE, system_clock, 0.2) as sender:
        receiver.headers = {"Location": receiver.url}
        outcome = await sender.send(receiver.url, SECRET, MESSAGE)
        assert (outcome.result, outcome.detail) == (result, detail)
        assert len(receiver.requests) == 1, "a redirect is not followed"


@pytest.mark.parametrize(("asked", "expected"), [("7", 7.0), ("", None), ("soon", None), ("-1", None)])
async def test_a_receiver_can_ask_for_a_delay(asked: str, expected: float | None) -> None:
    async with webhook_receiver(503) as receiver, WebhookSender(HERE, system_clock, 5) as sender:
        receiver.headers = {"Retry-After": asked}
        assert (await sender.send(receiver.url, SECRET, MESSAGE)).retry_after_s == expected


async def test_an_unreachable_receiver_is_a_failure() -> None:
    async with WebhookSender(HERE, system_clock, 5) as sender:
        outcome = await sender.send("http://127.0.0.1:9/", SECRET, MESSAGE)
    assert outcome.result == "failed"
    assert "127.0.0.1" in outcome.detail


async def test_a_name_is_refused_for_its_resolved_address() -> None:
    name = "0x7f000001"  # The C library resolves it to 127.0.0.1 without a DNS query.
    PUBLIC.check_url(f"https://{name}/")
    async with webhook_receiver() as receiver, WebhookSender(PUBLIC, system_clock, 5) as sender:
        url = receiver.url.replace("http://127.0.0.1", f"https://{name}")
        outcome = await sender.send(url, SECRET, MESSAGE)
    assert outcome.result == "failed"
    assert "127.0.0.1 is not on the public internet" in outcome.detail
