"""Attacks on the shipped configuration of the broker are refused; without a defence they say so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.attack.attack import Attack, AttackTarget, Met
from tests.chaos.attack.false_identity import FalseIdentity
from tests.chaos.attack.malformed_mqtt import MalformedMqtt
from tests.chaos.attack.mqtt_attacker import ACCEPTED, mqtt_attacker
from tests.chaos.attack.publish_floods import PublishFlood, QuarantineFlood, own_topic
from tests.chaos.attack.takeover import SessionTakeover
from tests.support.brokers.secure_mosquitto import SecureMosquitto
from tests.support.cities.noise_city import microphone_of, noise_city

PLAN = noise_city(8)
DEVICES = [microphone_of(one.id) for one in PLAN.entities]
DEADLINE_S = 60.0
ANYBODY_MAY_ANYTHING = "pattern readwrite #\n"


class OpenMosquitto(SecureMosquitto):
    """A broker with accounts, in which every account may publish and read everything."""

    def _write_files(self) -> None:
        (self._files / "acl_file").write_text(ANYBODY_MAY_ANYTHING)
        super()._write_files()


@asynccontextmanager
async def target_of(broker: SecureMosquitto) -> AsyncIterator[AttackTarget]:
    """Run a broker; yield it as a target, of which the attackers have all devices but two."""
    await broker.start()
    try:
        yield AttackTarget(
            http_port=1,
            kafka_port=1,
            mqtt_port=broker.port,
            open_mqtt_port=1,
            postgres_port=1,
            metrics_ports={},
            authority=str(broker.authority.certificate_file),
            accounts={name: broker.passwords[name] for name in DEVICES[2:]},
            others=tuple(DEVICES[:2]),
            flood_rate=500,
        )
    finally:
        await broker.stop()


async def met_by(attack: Attack, target: AttackTarget, condition: Callable[[Met], bool]) -> Met:
    """Attack until a condition holds; return what was met."""
    met = Met()
    task = asyncio.create_task(attack._act(target, random.Random(1), met))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition(met):
                assert not task.done(), task
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"met only {met}") from None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return met


@pytest.mark.parametrize(
    ("attack", "answers"),
    [
        (SessionTakeover(), {"with an account: accepted"}),
        (
            FalseIdentity(),
            {
                "password of others: not authorized",
                "topic of others: not authorized",
                "will of others: accepted",
                "own topic, names others: accepted",
            },
        ),
        (PublishFlood(), {"connected: accepted", "accepted"}),
        (QuarantineFlood(), {"connected: accepted", "accepted"}),
        (MalformedMqtt(), {"closed", "disconnected: packet too large"}),
    ],
    ids=lambda one: one.name if isinstance(one, Attack) else "",
)
async def test_the_shipped_configuration_refuses_what_it_must(
    service_folder: Path, attack: Attack, answers: set[str]
) -> None:
    async with target_of(SecureMosquitto(service_folder, PLAN)) as target:
        met = await met_by(attack, target, lambda met: set(met.answers) >= answers)
    assert met.broken == {}


async def test_without_topics_by_account_a_false_identity_is_told(service_folder: Path) -> None:
    async with target_of(OpenMosquitto(service_folder, PLAN)) as target:
        met = await met_by(FalseIdentity(), target, lambda met: bool(met.broken))
    assert "a device published on livetwin/…, not its own" in met.broken


async def test_without_topics_by_account_a_takeover_that_reads_messages_is_told(service_folder: Path) -> None:
    async with (
        target_of(OpenMosquitto(service_folder, PLAN)) as target,
        mqtt_attacker(target, accounts=True) as device,
    ):
        name, password = target.flooding[0]
        assert await device.connect(name, (name, password)) == ACCEPTED

        async def publish() -> None:
            while True:
                await device.publish(own_topic(name), b"{}")

        publishing = asyncio.create_task(publish())
        met = await met_by(SessionTakeover(), target, lambda met: bool(met.broken))
        publishing.cancel()
    assert set(met.broken) == {"a device account received messages of others"}
