"""Webhooks created over HTTP, delivered by the role from a real log, and stored in a real database."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.live.history import history_player
from outlets.webhook_message import MESSAGE_EVENTS_MAX
from runtime.clock import system_clock
from runtime.kafka import topics
from runtime.kafka.consumer import log_identity
from tests.integration.api.conftest import PARTITIONS
from tests.integration.api.live.test_live_alarms import write_alarms
from tests.integration.api.stored_city import StoredCity, store_records
from tests.integration.outlets.webhook_system import LOOPBACK, WebhookSystem, state_event_ids, until_received
from tests.support.database.history_rows import store_observations
from tests.support.payloads.alarm_events import acknowledged_event, alarm_event, alarm_record
from tests.support.processes.role_process import RoleProcess
from tests.support.receivers.webhook_receiver import NO_ANSWER, Consent, WebhookReceiver, webhook_receiver
from tests.unit.outlets.test_signature import documented_verify
from twin.instant import SECOND, to_datetime
from twin.wire.messages import partition_of


@pytest.fixture
def role_settings(kafka: str, mqtt: tuple[str, int], stored: Any, service_folder: Path) -> dict[str, str]:
    return {
        "CITY": "city",
        "KAFKA": kafka,
        "PARTITIONS": str(PARTITIONS),
        "DATABASE": stored.dsn,
        "MQTT_PORT": str(mqtt[1]),
        "SINK_NETWORKS": LOOPBACK,
        "STATE_DIR": str(service_folder),
    }


async def test_events_are_sent_signed_and_in_order(hooks: WebhookSystem, kafka: str, log: Any) -> None:
    async with webhook_receiver() as receiver, webhook_receiver() as other:
        made = await hooks.subscribe(receiver.url, entity=["city.1"])
        single = await hooks.subscribe(other.url, "single", events=["alarm"])
        await log.write_updates("city.1", "city.2", "city.1")
        await hooks.start_outlets()
        await log.write_updates("city.1")
        raised = alarm_event(entity="city.1", operands=())
        await write_alarms(kafka, raised, acknowledged_event(raised))
        await until_received(receiver, lambda one: len(one.accepted_events) == 5)
        await until_received(other, lambda one: len(one.accepted_events) == 2)
        await hooks.until(made["id"], lambda one: one["cursor"] == receiver.accepted_events[-1]["cursor"])
    ids = receiver.accepted_ids()
    assert [one for one in ids if one.startswith("state")] == state_event_ids("city.1", 1, 2, 3)
    assert [one for one in ids if one.startswith("alarm")] == [
        f"alarm/{raised.alarm}/{one}" for one in (1, 2)
    ]
    assert other.accepted_ids() == [f"alarm/{raised.alarm}/{one}" for one in (1, 2)]
    assert receiver.accepted_events[0]["data"]["entityId"] == "city.1"
    verify = documented_verify()
    for request in receiver.requests:
        assert verify(made["secret"], request.headers, request.body, system_clock() / SECOND)
        assert not verify(single["secret"], request.headers, request.body, system_clock() / SECOND)
        assert request.headers["content-type"] == "application/cloudevents-batch+json"
    assert [len(one.events) for one in other.requests] == [1, 1]
    assert "secret" not in str(await hooks.get(""))


async def test_a_receiver_that_fails_gets_the_same_message_again(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver(500, 503, 302, NO_ANSWER) as receiver:
        await hooks.subscribe(receiver.url)
        await hooks.start_outlets(webhook_timeout_s=0.3)
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: bool(one.accepted_events))
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 2)
    assert [one.status for one in receiver.requests] == [500, 503, 302, NO_ANSWER, 204, 204]
    assert len({one.headers["webhook-id"] for one in receiver.requests[:5]}) == 1
    assert receiver.accepted_ids() == state_event_ids("city.1", 1, 2)


async def test_a_hanging_receiver_delays_no_other(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver(*[NO_ANSWER] * 100) as hanging, webhook_receiver() as receiver:
        stuck = await hooks.subscribe(hanging.url)
        await hooks.subscribe(receiver.url)
        await hooks.start_outlets(webhook_timeout_s=100)
        await log.write_updates("city.1")
        await until_received(hanging, lambda one: bool(one.requests))
        await log.write_updates(*["city.1"] * 30)
        await until_received(receiver, lambda one: len(one.accepted_events) == 31)
        assert len(hanging.requests) == 1
        assert (await hooks.get(f"/{stuck['id']}"))["deliveredTime"] is None


async def test_a_webhook_with_a_gone_receiver_is_disabled_until_it_is_resumed(
    hooks: WebhookSystem, log: Any
) -> None:
    async with webhook_receiver(204, 410) as receiver:
        made = await hooks.subscribe(receiver.url)
        await hooks.start_outlets()
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
        await log.write_updates("city.1")
        shown = await hooks.until(made["id"], lambda one: one["state"] == "disabled")
        assert shown["reason"] == "the receiver answered 410 Gone"
        await log.write_updates("city.1")
        assert len(receiver.requests) == 2
        await hooks.resume(made["id"])
        await until_received(receiver, lambda one: len(one.accepted_events) == 3)
    assert receiver.accepted_ids() == state_event_ids("city.1", 1, 2, 3)


async def test_dead_letters_are_kept_and_can_be_sent_again(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver(204, 500, 500) as receiver:
        made = await hooks.subscribe(receiver.url)
        await hooks.start_outlets(webhook_tries_max=2)
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.requests) == 3)
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 2)
        assert receiver.accepted_ids() == state_event_ids("city.1", 1, 3)
        (letter,) = (await hooks.get(f"/{made['id']}/dead-letters"))["items"]
        assert [one["id"] for one in letter["events"]] == state_event_ids("city.1", 2)
        assert (letter["tries"], letter["error"]) == (2, "the receiver answered 500")
        assert letter["cursor"] == receiver.accepted_events[0]["cursor"]
        await hooks.resume(made["id"], cursor=letter["cursor"])
        await until_received(receiver, lambda one: len(one.accepted_events) == 4)
    assert receiver.accepted_ids() == state_event_ids("city.1", 1, 3, 2, 3)


def has_accepted(event: str, receiver: WebhookReceiver) -> bool:
    return event in receiver.accepted_ids()


async def test_a_stopped_role_resumes_at_its_cursor(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver() as receiver:
        await hooks.subscribe(receiver.url)
        for first in (1, 4):
            await hooks.start_outlets()
            await log.write_updates("city.1", "city.1")
            newest = state_event_ids("city.1", first + 1)[0]
            await until_received(receiver, partial(has_accepted, newest))
            await hooks.stop_outlets()
            await log.write_updates("city.1")
        await hooks.start_outlets()
        await until_received(receiver, lambda one: len(one.accepted_events) >= 6)
    assert receiver.accepted_ids() == state_event_ids("city.1", 1, 2, 3, 4, 5, 6)


async def test_a_killed_role_loses_nothing(
    hooks: WebhookSystem, role_settings: dict[str, str], log: Any, service_folder: Path
) -> None:
    role = RoleProcess("outlets", role_settings, service_folder)
    try:
        async with webhook_receiver(204, NO_ANSWER) as receiver:
            await hooks.subscribe(receiver.url)
            await role.start()
            await log.write_updates("city.1")
            await until_received(receiver, lambda one: len(one.accepted_events) == 1)
            await log.write_updates(*["city.1"] * 20)
            await until_received(receiver, lambda one: len(one.requests) == 2)
            await role.stop(signal.SIGKILL)
            await log.write_updates(*["city.1"] * 20)
            await role.start()
            await until_received(receiver, lambda one: state_event_ids("city.1", 41)[0] in one.accepted_ids())
    finally:
        await role.stop()
    once = list(dict.fromkeys(receiver.accepted_ids()))
    assert once == state_event_ids("city.1", *range(1, 42))


async def test_delivery_continues_while_the_database_is_unavailable(
    hooks: WebhookSystem, stored: Any, log: Any
) -> None:
    async with webhook_receiver() as receiver:
        made = await hooks.subscribe(receiver.url)
        await hooks.start_outlets()
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
        for _ in range(3):
            await stored.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'livetwin-outlets' AND datname = current_database()"
            )
            await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 4)
        await hooks.until(made["id"], lambda one: one["cursor"] == receiver.accepted_events[-1]["cursor"])
    assert receiver.accepted_ids() == state_event_ids("city.1", 1, 2, 3, 4)


@pytest.fixture
def prompt_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a second for what may not be stored yet, instead of half a minute."""
    monkeypatch.setattr(history_player, "SETTLED_AFTER", SECOND)
    monkeypatch.setattr(history_player, "CLOCK_SKEW_MAX", 1)


@pytest.mark.usefixtures("prompt_histories")
async def test_what_a_lost_log_had_is_delivered_from_the_database(
    hooks: WebhookSystem, second_kafka: str, stored: StoredCity, log: Any, open_log: Any
) -> None:
    async with webhook_receiver() as receiver:
        await hooks.subscribe(receiver.url, mode="single")
        await hooks.start_outlets()
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
        await hooks.stop_outlets()
        missed = [log.update("city.1"), log.update("city.1")]
        await store_observations(stored.connection, [each.observation for each in missed])
        told = alarm_event(entity="city.1", told_time=system_clock())
        await store_records(stored, (topics.ALARMS, 0, alarm_record(told)))
        # Killed after the first of them, it goes on behind it.
        receiver.script = [204, NO_ANSWER]
        await hooks.start_outlets(kafka=second_kafka)
        await until_received(receiver, lambda one: len(one.requests) == 3)
        await hooks.stop_outlets()
        async with open_log(second_kafka) as other:
            await hooks.start_outlets(kafka=second_kafka)
            await until_received(receiver, lambda one: len(one.accepted_events) == 4)
            update = other.update("city.2")
            await other.write([update])
            reached = {partition_of("city.2", PARTITIONS): 1}
            await stored.remember(await log_identity(second_kafka), reached, update)
            await until_received(receiver, lambda one: len(one.accepted_events) == 5)
    shown = [event["data"].get("value", event["id"]) for event in receiver.accepted_events]
    assert shown == [1.0, 2.0, 3.0, f"alarm/{told.alarm}/1", 1.0]
    assert len(set(receiver.accepted_ids())) == 5
    assert [event.get("sequence") for event in receiver.accepted_events[1:3]] == [None, None]


async def test_a_gap_is_delivered_when_the_database_does_not_reach_back_and_later_events_follow(
    hooks: WebhookSystem, second_kafka: str, stored: StoredCity, log: Any, open_log: Any
) -> None:
    async with webhook_receiver() as receiver:
        await hooks.subscribe(receiver.url)
        await hooks.start_outlets()
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 1)
        await hooks.stop_outlets()
        await stored.connection.execute(
            "INSERT INTO datastream_retention (datastream_id, raw_from) VALUES (%s, %s)",
            (stored.datastream("city.1"), to_datetime(system_clock())),
        )
        await stored.connection.commit()
        receiver.answering.clear()
        async with open_log(second_kafka) as other:
            await hooks.start_outlets(kafka=second_kafka)
            await until_received(receiver, lambda one: len(one.requests) == 2)
            await other.write_updates("city.2", "city.2")
            # What changes while the receiver takes its time over the gap must reach it all the same.
            await hooks.counts("livetwin_api_updates_total", 2, outcome="taken")
            receiver.answering.set()
            await until_received(receiver, lambda one: len(one.accepted_events) == 4)
    gap = receiver.accepted_events[1]
    assert (gap["type"], gap["data"]["reason"]) == ("nl.city-twin.gap.v1", "log-changed")
    assert receiver.accepted_ids()[2:] == state_event_ids("city.2", 1, 2)


async def test_with_snapshots_delivery_begins_with_the_whole_view(hooks: WebhookSystem, log: Any) -> None:
    async with webhook_receiver() as receiver:
        await log.write_updates("city.1", "city.2")
        await hooks.subscribe(receiver.url, events=["snapshot", "state"])
        await hooks.start_outlets()
        await until_received(receiver, lambda one: len(one.accepted_events) == 2)
        await log.write_updates("city.1")
        await until_received(receiver, lambda one: len(one.accepted_events) == 3)
    assert {one["type"] for one in receiver.accepted_events[:2]} == {"nl.city-twin.snapshot.v1"}
    assert [one["data"].get("complete", False) for one in receiver.accepted_events] == [False, True, False]
    assert receiver.accepted_ids()[2:] == state_event_ids("city.1", 2)


async def test_a_killed_role_loses_nothing_of_a_batch_that_waits(
    hooks: WebhookSystem, role_settings: dict[str, str], log: Any, service_folder: Path
) -> None:
    waiting = RoleProcess("outlets", {**role_settings, "WEBHOOK_BATCH_S": "60"}, service_folder, "waiting")
    role = RoleProcess("outlets", role_settings, service_folder, "again")
    async with webhook_receiver() as receiver:
        try:
            await hooks.subscribe(receiver.url)
            await waiting.start()
            await log.write_updates(*["city.1"] * 130)
            await until_received(receiver, lambda one: len(one.accepted_events) == MESSAGE_EVENTS_MAX)
            await waiting.stop(signal.SIGKILL)
            await log.write_updates(*["city.1"] * 20)
            await role.start()
            await until_received(receiver, partial(has_accepted, state_event_ids("city.1", 150)[0]))
        finally:
            await waiting.stop()
            await role.stop()
    assert list(dict.fromkeys(receiver.accepted_ids())) == state_event_ids("city.1", *range(1, 151))
    assert len(receiver.requests[0].events) == MESSAGE_EVENTS_MAX
    assert receiver.requests[1].events[0]["id"] in state_event_ids("city.1", 1, MESSAGE_EVENTS_MAX + 1)


async def test_events_of_a_batch_wait_for_others_but_an_alarm_does_not(
    hooks: WebhookSystem, kafka: str, log: Any
) -> None:
    async with webhook_receiver() as receiver:
        await hooks.subscribe(receiver.url, entity=["city.1"])
        await hooks.start_outlets(webhook_batch_s=60.0)
        await log.write_updates("city.1", "city.1")
        await hooks.counts("livetwin_api_updates_total", 2, outcome="taken")
        raised = alarm_event(entity="city.1", operands=())
        await write_alarms(kafka, raised)
        await until_received(receiver, lambda one: bool(one.requests))
        assert len(receiver.requests) == 1
    assert sorted(receiver.accepted_ids()) == sorted(
        [*state_event_ids("city.1", 1, 2), f"alarm/{raised.alarm}/1"]
    )


async def test_a_subscription_from_before_gets_what_it_always_got(
    hooks: WebhookSystem, stored: Any, log: Any
) -> None:
    async with webhook_receiver() as receiver, webhook_receiver() as other:
        receiver.consents = other.consents = [Consent(405, None, None)]
        await hooks.subscribe(other.url, "single", options={"format": "livetwin"})
        # As the version before stored it: without a format.
        await stored.connection.execute(
            "INSERT INTO webhook (id, url, filter, mode, secret, created_at, created_by, cursor) "
            "SELECT 'before', %s, filter, 'batch', secret, created_at, created_by, cursor FROM webhook",
            (receiver.url,),
        )
        await stored.connection.commit()
        await hooks.start_outlets(webhook_batch_s=60.0)
        await log.write_updates("city.1")
        for one in (receiver, other):
            await until_received(one, lambda one: len(one.accepted_events) == 1)
        shown = await hooks.get("/before")
    assert (shown["format"], shown["handshake"], shown["sunsetTime"]) == (
        "livetwin",
        False,
        "2027-12-01T00:00:00Z",
    )
    assert receiver.handshakes == other.handshakes == []
    bodies = []
    for one in (receiver, other):
        (event,) = one.accepted_events
        data = json.dumps(event["data"], separators=(",", ":"))
        # The cursor says how far each of them is in every partition of the log.
        body = (
            '{"specversion":"1.0","id":"state/city.1/pm2_5/1/live","source":"/livetwin/city",'
            f'"type":"livetwin.state","subject":"city.1","time":"{event["data"]["phenomenonTime"]}",'
            f'"datacontenttype":"application/json","cursor":"{event["cursor"]}","data":{data}}}'
        )
        bodies.append(body.encode())
    assert receiver.requests[0].body == b"[" + bodies[0] + b"]"
    assert other.requests[0].body == bodies[1]
    for request in (receiver.requests[0], other.requests[0]):
        assert "webhook-request-origin" not in request.headers
