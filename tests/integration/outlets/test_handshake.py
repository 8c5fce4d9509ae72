"""The consent of receivers, asked before the first message, and the rate that they allow."""

from __future__ import annotations

from typing import Any

from tests.integration.outlets.webhook_system import WebhookSystem, state_event_ids, until_received
from tests.support.receivers.webhook_receiver import NO_ANSWER, Consent, webhook_receiver

REFUSED = Consent(405, None, None)


async def test_a_receiver_consents_before_it_gets_the_first_message(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver() as receiver:
        made = await hooks.subscribe(receiver.url)
        assert (made["format"], made["handshake"]) == ("nlgov", True)
        assert (made["consentTime"], made["rateMax"]) == (None, None)
        await log.write_updates("city.1")
        await hooks.start_outlets(base_url="https://twin.example.nl", webhook_rate_max=3_000)
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
        shown = await hooks.until(made["id"], lambda one: one["consentTime"] is not None)
        assert (shown["rateMax"], shown["lastError"]) == (3_000, None)
        await hooks.stop_outlets()
        await hooks.start_outlets(base_url="https://twin.example.nl")
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 2)
    assert [one["webhook-request-origin"] for one in receiver.handshakes] == ["twin.example.nl"], "asked once"
    assert receiver.handshakes[0]["webhook-request-rate"] == "3000"
    assert {one.headers["webhook-request-origin"] for one in receiver.requests} == {"twin.example.nl"}
    event = receiver.accepted_events[0]
    assert event["source"] == "urn:nld:city-twin:systeem:livetwin"
    assert event["type"] == "nl.city-twin.state-changed.v1"


async def test_a_receiver_that_refuses_gets_nothing_until_it_consents(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver() as refusing, webhook_receiver() as receiver:
        refusing.consents = [REFUSED]
        made = await hooks.subscribe(refusing.url)
        await hooks.subscribe(receiver.url)
        await hooks.start_outlets()
        await log.write_updates("city.1")
        shown = await hooks.until(made["id"], lambda one: one["state"] == "disabled")
        assert shown["reason"] == shown["lastError"]
        assert "the receiver does not consent: expected WebHook-Allowed-Origin" in shown["reason"]
        assert (shown["consentTime"], shown["failures"]) == (None, 1)
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
        assert refusing.requests == []
        await hooks.resume(made["id"])
        await log.write_updates("city.1")
        await until_received(refusing, lambda one: len(one.accepted_events) == 2)
    assert len(refusing.handshakes) == 2
    assert refusing.accepted_ids() == state_event_ids("city.1", 1, 2), "from its creation on"


async def test_a_slow_receiver_is_asked_again_and_delays_no_other(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver() as slow, webhook_receiver() as receiver:
        slow.consents = [Consent(NO_ANSWER), Consent(503, None, None), Consent(NO_ANSWER)]
        made = await hooks.subscribe(slow.url)
        await hooks.subscribe(receiver.url)
        await hooks.start_outlets(webhook_timeout_s=0.3)
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
        await until_received(slow, lambda one: len(one.accepted_events) == 1)
        assert len(slow.handshakes) == 4
        await hooks.counts("livetwin_outlets_webhook_handshakes_total", 3, result="failed")
        shown = await hooks.until(made["id"], lambda one: one["consentTime"] is not None)
    assert (shown["failures"], shown["lastError"], shown["failingSinceTime"]) == (0, None, None)
    assert slow.accepted_ids() == state_event_ids("city.1", 1)


async def test_a_receiver_that_never_answers_is_given_up_without_a_message(
    hooks: WebhookSystem, log: Any
) -> None:
    async with webhook_receiver() as receiver:
        receiver.consents = [Consent(503, None, None)] * 3
        made = await hooks.subscribe(receiver.url)
        await hooks.start_outlets(webhook_tries_max=3)
        await log.write_updates("city.1")
        shown = await hooks.until(made["id"], lambda one: one["state"] == "disabled")
        assert shown["reason"] == "the receiver answered 503 to OPTIONS"
        assert (await hooks.get(f"/{made['id']}/dead-letters"))["items"] == [], "its events stay in the log"
        await hooks.resume(made["id"])
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
    assert receiver.accepted_ids() == state_event_ids("city.1", 1)


async def test_a_receiver_gets_no_more_requests_than_it_allows(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver() as receiver:
        receiver.consents = [Consent(rate="6")]  # one in ten seconds
        made = await hooks.subscribe(receiver.url)
        await hooks.start_outlets()
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.requests) == 1)
        for number in range(2, 7):
            await log.write_updates("city.1")
            await hooks.counts("livetwin_api_updates_total", number, outcome="taken")
        await until_received(receiver, lambda one: len(one.accepted_events) == 6)
        assert (await hooks.get(f"/{made['id']}"))["rateMax"] == 6
    assert [len(one.events) for one in receiver.requests] == [1, 5], "what comes meanwhile is one batch"
    assert receiver.accepted_ids() == state_event_ids("city.1", *range(1, 7))


async def test_a_subscriber_may_answer_for_the_consent(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver() as receiver:
        receiver.consents = [REFUSED]
        await hooks.subscribe(receiver.url, options={"handshake": False})
        await hooks.start_outlets()
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
    assert receiver.handshakes == []
    assert receiver.accepted_events[0]["type"] == "nl.city-twin.state-changed.v1"
