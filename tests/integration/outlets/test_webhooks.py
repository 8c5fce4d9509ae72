"""Webhooks: made over HTTP, delivered by the role from a real log, kept in a real database."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import system_clock
from tests.integration.api.conftest import PARTITIONS
from tests.integration.api.test_live_alarms import tell
from tests.integration.outlets.webhook_system import LOOPBACK, Hooks, came, states
from tests.support.payloads.alarm_events import acknowledged, alarm_event
from tests.support.processes.role_process import RoleProcess
from tests.support.receivers.webhook_receiver import HANG, receiving
from tests.unit.outlets.test_signature import documented_verify
from twin.instant import SECOND


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


async def test_events_are_sent_signed_and_in_order(hooks: Hooks, kafka: str, log: Any) -> None:
    async with receiving() as receiver, receiving() as other:
        made = await hooks.subscribe(receiver.url, entity=["city.1"])
        single = await hooks.subscribe(other.url, "single", events=["alarm"])
        await log.tell("city.1", "city.2", "city.1")
        await hooks.start_outlets()
        await log.tell("city.1")
        raised = alarm_event(entity="city.1", operands=())
        await tell(kafka, raised, acknowledged(raised))
        await came(receiver, lambda one: len(one.taken) == 5)
        await came(other, lambda one: len(one.taken) == 2)
        await hooks.until(made["id"], lambda one: one["cursor"] == receiver.taken[-1]["cursor"])
    ids = receiver.ids()
    assert [one for one in ids if one.startswith("state")] == states("city.1", 1, 2, 3)
    assert [one for one in ids if one.startswith("alarm")] == [
        f"alarm/{raised.alarm}/{one}" for one in (1, 2)
    ]
    assert other.ids() == [f"alarm/{raised.alarm}/{one}" for one in (1, 2)]
    assert receiver.taken[0]["data"]["entityId"] == "city.1"
    verify = documented_verify()
    for one in receiver.tries:
        assert verify(made["secret"], one.headers, one.body, system_clock() / SECOND)
        assert not verify(single["secret"], one.headers, one.body, system_clock() / SECOND)
        assert one.headers["content-type"] == "application/cloudevents-batch+json"
    assert [len(one.events) for one in other.tries] == [1, 1]
    assert "secret" not in str(await hooks.get(""))


async def test_a_receiver_that_fails_gets_the_same_message_again(hooks: Hooks, log: Any) -> None:
    async with receiving(500, 503, 302, HANG) as receiver:
        await hooks.subscribe(receiver.url)
        await hooks.start_outlets(webhook_timeout_s=0.3)
        await log.tell("city.1")
        await came(receiver, lambda one: bool(one.taken))
        await log.tell("city.1")
        await came(receiver, lambda one: len(one.taken) == 2)
    assert [one.status for one in receiver.tries] == [500, 503, 302, HANG, 204, 204]
    assert len({one.headers["webhook-id"] for one in receiver.tries[:5]}) == 1
    assert receiver.ids() == states("city.1", 1, 2)


async def test_a_receiver_that_hangs_keeps_nobody_waiting(hooks: Hooks, log: Any) -> None:
    async with receiving(*[HANG] * 100) as hanging, receiving() as receiver:
        stuck = await hooks.subscribe(hanging.url)
        await hooks.subscribe(receiver.url)
        await hooks.start_outlets(webhook_timeout_s=100)
        await log.tell("city.1")
        await came(hanging, lambda one: bool(one.tries))
        await log.tell(*["city.1"] * 30)
        await came(receiver, lambda one: len(one.taken) == 31)
        assert len(hanging.tries) == 1
        assert (await hooks.get(f"/{stuck['id']}"))["deliveredTime"] is None


async def test_a_receiver_that_is_gone_is_left_alone_until_it_is_resumed(hooks: Hooks, log: Any) -> None:
    async with receiving(204, 410) as receiver:
        made = await hooks.subscribe(receiver.url)
        await hooks.start_outlets()
        await log.tell("city.1")
        await came(receiver, lambda one: len(one.taken) == 1)
        await log.tell("city.1")
        shown = await hooks.until(made["id"], lambda one: one["state"] == "disabled")
        assert shown["reason"] == "the receiver answered 410 Gone"
        await log.tell("city.1")
        assert len(receiver.tries) == 2
        await hooks.resume(made["id"])
        await came(receiver, lambda one: len(one.taken) == 3)
    assert receiver.ids() == states("city.1", 1, 2, 3)


async def test_what_is_given_up_is_kept_and_can_be_sent_again(hooks: Hooks, log: Any) -> None:
    async with receiving(204, 500, 500) as receiver:
        made = await hooks.subscribe(receiver.url)
        await hooks.start_outlets(webhook_tries_max=2)
        await log.tell("city.1")
        await came(receiver, lambda one: len(one.taken) == 1)
        await log.tell("city.1")
        await came(receiver, lambda one: len(one.tries) == 3)
        await log.tell("city.1")
        await came(receiver, lambda one: len(one.taken) == 2)
        assert receiver.ids() == states("city.1", 1, 3)
        (letter,) = (await hooks.get(f"/{made['id']}/dead-letters"))["items"]
        assert [one["id"] for one in letter["events"]] == states("city.1", 2)
        assert (letter["tries"], letter["error"]) == (2, "the receiver answered 500")
        assert letter["cursor"] == receiver.taken[0]["cursor"]
        await hooks.resume(made["id"], cursor=letter["cursor"])
        await came(receiver, lambda one: len(one.taken) == 4)
    assert receiver.ids() == states("city.1", 1, 3, 2, 3)


async def test_a_role_that_was_stopped_goes_on_where_it_was(hooks: Hooks, log: Any) -> None:
    async with receiving() as receiver:
        await hooks.subscribe(receiver.url)
        for first in (1, 4):
            await hooks.start_outlets()
            await log.tell("city.1", "city.1")
            await came(receiver, lambda one, last=first + 1: states("city.1", last)[0] in one.ids())
            await hooks.stop_outlets()
            await log.tell("city.1")
        await hooks.start_outlets()
        await came(receiver, lambda one: len(one.taken) >= 6)
    assert receiver.ids() == states("city.1", 1, 2, 3, 4, 5, 6)


async def test_a_role_that_was_killed_loses_nothing(
    hooks: Hooks, role_settings: dict[str, str], log: Any, service_folder: Path
) -> None:
    role = RoleProcess("outlets", role_settings, service_folder)
    try:
        async with receiving(204, HANG) as receiver:
            await hooks.subscribe(receiver.url)
            await role.start()
            await log.tell("city.1")
            await came(receiver, lambda one: len(one.taken) == 1)
            await log.tell(*["city.1"] * 20)
            await came(receiver, lambda one: len(one.tries) == 2)
            await role.end(signal.SIGKILL)
            await log.tell(*["city.1"] * 20)
            await role.start()
            await came(receiver, lambda one: states("city.1", 41)[0] in one.ids())
    finally:
        await role.end()
    once = list(dict.fromkeys(receiver.ids()))
    assert once == states("city.1", *range(1, 42))


async def test_it_goes_on_while_the_database_is_away(hooks: Hooks, stored: Any, log: Any) -> None:
    async with receiving() as receiver:
        made = await hooks.subscribe(receiver.url)
        await hooks.start_outlets()
        await log.tell("city.1")
        await came(receiver, lambda one: len(one.taken) == 1)
        for _ in range(3):
            await stored.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'livetwin-outlets' AND datname = current_database()"
            )
            await log.tell("city.1")
        await came(receiver, lambda one: len(one.taken) == 4)
        await hooks.until(made["id"], lambda one: one["cursor"] == receiver.taken[-1]["cursor"])
    assert receiver.ids() == states("city.1", 1, 2, 3, 4)


async def test_a_log_that_does_not_reach_back_is_told_and_what_follows_is_not_lost(
    hooks: Hooks, second_kafka: str, log: Any, open_log: Any
) -> None:
    async with receiving() as receiver:
        await hooks.subscribe(receiver.url)
        await hooks.start_outlets()
        await log.tell("city.1")
        await came(receiver, lambda one: len(one.taken) == 1)
        await hooks.stop_outlets()
        receiver.open.clear()
        async with open_log(second_kafka) as other:
            await hooks.start_outlets(kafka=second_kafka)
            await came(receiver, lambda one: len(one.tries) == 2)
            await other.tell("city.2", "city.2")
            # What changes while the receiver takes its time over the gap must reach it all the same.
            await hooks.counts("livetwin_api_updates_total", 2, outcome="taken")
            receiver.open.set()
            await came(receiver, lambda one: len(one.taken) == 4)
    gap = receiver.taken[1]
    assert (gap["type"], gap["data"]["reason"]) == ("livetwin.gap", "log-changed")
    assert receiver.ids()[2:] == states("city.2", 1, 2)


async def test_with_a_snapshot_it_begins_with_everything(hooks: Hooks, log: Any) -> None:
    async with receiving() as receiver:
        await log.tell("city.1", "city.2")
        await hooks.subscribe(receiver.url, events=["snapshot", "state"])
        await hooks.start_outlets()
        await came(receiver, lambda one: len(one.taken) == 2)
        await log.tell("city.1")
        await came(receiver, lambda one: len(one.taken) == 3)
    assert {one["type"] for one in receiver.taken[:2]} == {"livetwin.snapshot"}
    assert [one["data"].get("complete", False) for one in receiver.taken] == [False, True, False]
    assert receiver.ids()[2:] == states("city.1", 2)
