"""Floods by device accounts: of usable values, and of what fills the quarantine."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

from benchmarks.load.mqtt_wire import publish_packet, topic_field
from runtime.clock import system_clock
from tests.chaos.attack.attack import Attack, AttackTarget, Met
from tests.chaos.attack.mqtt_attacker import ACCEPTED, CLOSED, MqttAttacker, mqtt_attacker, reason_of
from tests.chaos.system_under_test import PROPERTY
from twin.instant import format_instant

IN_FLIGHT_MAX = 1_000
_TICK_S = 0.01

_PAYLOAD_BYTES_MAX = 250_000
_QUARANTINE_RATE = 40.0
IMPLAUSIBLE = 1e9


def own_topic(name: str) -> str:
    """Return the topic of a device."""
    return f"livetwin/town/{name}/observations"


async def flood(
    attacker: MqttAttacker, topic: str, payload: Callable[[], bytes], rate: float, met: Met
) -> None:
    """Publish at a rate, as far as the broker acknowledges; return at the end of the connection."""
    field = topic_field(topic)
    loop = asyncio.get_running_loop()
    waiting = 0

    async def take_answers() -> None:
        nonlocal waiting
        while (packet := await attacker.next_packet()) is not None:
            answer = reason_of(packet)
            met.add(answer)
            waiting -= 1
            if answer != ACCEPTED:
                return
        met.add(CLOSED)

    answers = asyncio.ensure_future(take_answers())
    sent, begin = 0, loop.time()
    try:
        while not answers.done():
            due = int((loop.time() - begin) * rate) - sent
            count = min(due, IN_FLIGHT_MAX - waiting)
            for _ in range(count):
                sent += 1
                waiting += 1
                await attacker.send(publish_packet(field, sent % 65_535 + 1, payload()))
            if count < due:
                begin = loop.time() - sent / rate  # what the broker held back is not made up for
            await asyncio.sleep(_TICK_S)
    finally:
        answers.cancel()


class PublishFlood(Attack):
    """One device account publishes usable values, at the rate of the target's options."""

    name = "publish flood"

    def __init__(self) -> None:
        self._time = 0

    async def _act(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        name, password = target.flooding[0]

        def payload() -> bytes:
            # Each time once, so that no value replaces another one.
            self._time = max(self._time + 1_000, system_clock() // 1_000 * 1_000)
            value = round(30.0 + dice.randrange(400) / 10, 1)
            return json.dumps({"time": format_instant(self._time), "values": {PROPERTY: value}}).encode()

        while True:
            try:
                async with mqtt_attacker(target, accounts=True) as attacker:
                    met.add(f"connected: {await attacker.connect(name, (name, password))}")
                    await flood(attacker, own_topic(name), payload, target.flood_rate, met)
            except (OSError, TimeoutError) as error:
                met.add(f"not connected: {type(error).__name__}")
            await asyncio.sleep(1)


class QuarantineFlood(Attack):
    """Several devices send what no decoder can use, most of it large, until quarantine is full."""

    name = "full quarantine"

    async def _act(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        accounts = target.flooding[1:]
        rate = _QUARANTINE_RATE / len(accounts)
        async with asyncio.TaskGroup() as tasks:
            for account in accounts:
                tasks.create_task(self._fill(target, account, rate, random.Random(dice.random()), met))

    async def _fill(
        self, target: AttackTarget, account: tuple[str, str], rate: float, dice: random.Random, met: Met
    ) -> None:
        while True:
            try:
                async with mqtt_attacker(target, accounts=True) as attacker:
                    met.add(f"connected: {await attacker.connect(account[0], account)}")
                    await flood(attacker, own_topic(account[0]), lambda: useless_payload(dice), rate, met)
            except (OSError, TimeoutError) as error:
                met.add(f"not connected: {type(error).__name__}")
            await asyncio.sleep(1)


def useless_payload(dice: random.Random) -> bytes:
    """Return a payload that no decoder can use, different from all others."""
    size = dice.choice((10, 1_000, 60_000, _PAYLOAD_BYTES_MAX))
    content = dice.randbytes(min(size, 1_000))
    match dice.randrange(6):
        case 0 | 1 | 2:
            # Of a known device, with a value that no microphone can measure.
            values = {PROPERTY: IMPLAUSIBLE, content.hex()[:20]: "x" * size}
            return json.dumps({"values": values}).encode()
        case 3:
            return content * (size // len(content))
        case 4:
            return b"[" * size + content
        case 5 if size > 1_000:
            return b'{"values":{' + content.hex().encode() * (size // 2_000 + 1)
        case _:
            nested = b'{"a":' * min(size // 6, 40_000)
            return nested + content.hex().encode()
