"""Two outlets: one publishes and delivers, the other follows and takes over; real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.conftest import PARTITIONS
from tests.integration.outlets.webhook_system import LOOPBACK, WebhookSystem, state_event_ids, until_received
from tests.support.processes.role_process import RoleProcess
from tests.support.receivers.webhook_receiver import webhook_receiver
from tests.support.waiting import until

WORKS, STANDS_BY = "these outlets work now", "these outlets are the standby"


@pytest.fixture
def roles(kafka: str, mqtt: tuple[str, int], stored: Any, service_folder: Path) -> list[RoleProcess]:
    settings = {
        "CITY": "city",
        "KAFKA": kafka,
        "PARTITIONS": str(PARTITIONS),
        "DATABASE": stored.dsn,
        "MQTT_PORT": str(mqtt[1]),
        "SINK_NETWORKS": LOOPBACK,
        "STATE_DIR": str(service_folder),
        "STANDBY": "true",
    }
    return [RoleProcess("outlets", settings, service_folder, name) for name in ("east", "west")]


def turns(role: RoleProcess) -> int:
    """Return how often a process began to work."""
    return role.log.read_text().count(WORKS) if role.log.exists() else 0


async def start_in_turn(first: RoleProcess, second: RoleProcess) -> None:
    """Start a process, and its standby when it works."""
    await first.start()
    await until(lambda: turns(first) == 1, first.log_tail)
    await second.start()


async def test_the_standby_continues_where_a_killed_process_was(
    hooks: WebhookSystem, roles: list[RoleProcess], log: Any
) -> None:
    first, second = roles
    try:
        async with webhook_receiver() as receiver:
            made = await hooks.subscribe(receiver.url, entity=["city.1"])
            await start_in_turn(first, second)
            await log.write_updates(*["city.1"] * 3)
            await until_received(receiver, lambda one: len(one.accepted_events) == 3)
            await hooks.until(made["id"], lambda one: one["cursor"] == receiver.accepted_events[-1]["cursor"])
            assert turns(second) == 0, "the standby sends nothing"
            await first.stop(signal.SIGKILL)
            await log.write_updates(*["city.1"] * 3)
            await until_received(receiver, lambda one: len(one.accepted_events) == 6)
    finally:
        await asyncio.gather(*(role.stop() for role in roles))
    assert turns(second) == 1
    assert receiver.accepted_ids() == state_event_ids("city.1", *range(1, 7)), "each once, in order"


async def test_the_standby_takes_over_at_once_from_a_stopped_process(
    hooks: WebhookSystem, roles: list[RoleProcess], log: Any
) -> None:
    first, second = roles
    try:
        async with webhook_receiver() as receiver:
            await hooks.subscribe(receiver.url, entity=["city.1"])
            await start_in_turn(first, second)
            await log.write_updates("city.1")
            await until_received(receiver, lambda one: len(one.accepted_events) == 1)
            await first.stop()
            await first.start()
            await until(lambda: turns(second) == 1, second.log_tail)
            assert turns(first) == 1, "the one that comes back is the standby"
            await log.write_updates("city.1")
            await until_received(receiver, lambda one: len(one.accepted_events) == 2)
    finally:
        await asyncio.gather(*(role.stop() for role in roles))
    assert receiver.accepted_ids() == state_event_ids("city.1", 1, 2), "each once, in order"


async def test_a_process_that_was_frozen_sends_and_stores_nothing_old(
    hooks: WebhookSystem, roles: list[RoleProcess], log: Any
) -> None:
    first, second = roles
    try:
        async with webhook_receiver() as receiver:
            made = await hooks.subscribe(receiver.url, entity=["city.1"])
            await start_in_turn(first, second)
            await log.write_updates("city.1")
            await until_received(receiver, lambda one: len(one.accepted_events) == 1)
            await hooks.until(made["id"], lambda one: one["cursor"] == receiver.accepted_events[-1]["cursor"])
            os.kill(first.pid, signal.SIGSTOP)
            await log.write_updates(*["city.1"] * 3)
            await until_received(receiver, lambda one: len(one.accepted_events) == 4)
            await hooks.until(made["id"], lambda one: one["cursor"] == receiver.accepted_events[-1]["cursor"])
            os.kill(first.pid, signal.SIGCONT)
            await until(lambda: first.log.read_text().count(STANDS_BY) == 2, first.log_tail)
            shown = await hooks.get(f"/{made['id']}")
            assert shown["cursor"] == receiver.accepted_events[-1]["cursor"]
            await log.write_updates("city.1")
            await until_received(receiver, lambda one: len(one.accepted_events) == 5)
    finally:
        if first.running:
            os.kill(first.pid, signal.SIGCONT)
        await asyncio.gather(*(role.stop() for role in roles))
    assert receiver.accepted_ids() == state_event_ids("city.1", *range(1, 6)), "each once, in order"
