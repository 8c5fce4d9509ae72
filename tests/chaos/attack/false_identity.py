"""A device that lies about who it is, and about when."""

from __future__ import annotations

import json
import random

from runtime.clock import system_clock
from tests.chaos.attack.attack import AttackTarget, Met, RepeatedAttack
from tests.chaos.attack.mqtt_attacker import ACCEPTED, MqttAttacker, mqtt_attacker
from tests.chaos.system_under_test import PROPERTY
from twin.instant import MINUTE, format_instant

_FUTURE_MIN = 60
_ROLES = ("livetwin-ingest-0", "livetwin-outlets", "livetwin-alerting", "livetwin-feed-native", "root", "")

FALSE_VALUE = 119.9
"""The value of every false message: no other message has it."""


def false_payload(other: str, dice: random.Random) -> bytes:
    """Return the payload of a device that names another one, or a false time."""
    now = system_clock()
    value = {PROPERTY: FALSE_VALUE}
    senml = {"bn": f"{other}:", "n": PROPERTY, "v": FALSE_VALUE}
    return json.dumps(
        dice.choice(
            [
                {"time": format_instant(now), "values": value, "device": other, "sensor": other, "id": other},
                {"time": format_instant(now + _FUTURE_MIN * MINUTE), "values": value},
                {"time": "1970-01-01T00:00:00Z", "values": value},
                [{**senml, "t": now // 1_000_000}],
                {"time": format_instant(now), "values": {f"{other}.{PROPERTY}": FALSE_VALUE}},
            ]
        )
    ).encode()


def foreign_topics(target: AttackTarget, dice: random.Random) -> list[str]:
    """Return topics on which no device account may publish."""
    other = dice.choice(target.others)
    return [
        f"livetwin/town/{other}/observations",
        f"livetwin/town/entities/{other}/state",
        "livetwin/town/alarms/rule-1~town.street-1",
        f"dsmr/{other}/telegram",
        "v3/town@ttn/devices/any/up",
        "$SYS/broker/uptime",
    ]


class FalseIdentity(RepeatedAttack):
    """Wrong passwords, topics and wills of others, payloads that name others, times that are false."""

    name = "false identity"

    async def _try(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        async with mqtt_attacker(target, accounts=True) as attacker:
            name, password = dice.choice(target.lying)
            match dice.randrange(4):
                case 0:
                    await self._guess(attacker, target, dice, met)
                case 1:
                    topic = dice.choice(foreign_topics(target, dice))
                    will = topic, false_payload(name, dice)
                    met.add(f"will of others: {await attacker.connect(name, (name, password), will)}")
                case 2:
                    await attacker.connect(name, (name, password))
                    for topic in foreign_topics(target, dice):
                        answer = await attacker.publish(topic, false_payload(name, dice))
                        met.add(f"topic of others: {answer}")
                        if answer == ACCEPTED:
                            met.must_not(f"a device published on {topic.partition('/')[0]}/…, not its own")
                case _:
                    await attacker.connect(name, (name, password))
                    topic = f"livetwin/town/{name}/observations"
                    payload = false_payload(dice.choice(target.others), dice)
                    answer = await attacker.publish(topic, payload, retain=dice.random() < 0.5)
                    met.add(f"own topic, names others: {answer}")

    async def _guess(
        self, attacker: MqttAttacker, target: AttackTarget, dice: random.Random, met: Met
    ) -> None:
        name = dice.choice((*_ROLES, *target.others[:20]))
        password = dice.choice((target.lying[0][1], "", "livetwin", "x" * 60_000))
        answer = await attacker.connect(name, (name, password))
        met.add(f"password of others: {answer}")
        if answer == ACCEPTED:
            met.must_not("a connection without the right password")
