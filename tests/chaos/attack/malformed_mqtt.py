"""Oversized and malformed packets to both MQTT brokers."""

from __future__ import annotations

import random

from benchmarks.load.mqtt_wire import connect_packet, publish_packet, topic_field
from tests.chaos.attack.attack import AttackTarget, Met, RepeatedAttack
from tests.chaos.attack.mqtt_attacker import ACCEPTED, mqtt_attacker
from tests.chaos.attack.publish_floods import own_topic

_OVERSIZED = 400_000
_WAIT_S = 2.0


def malformed_packets(topic: str, dice: random.Random) -> dict[str, bytes]:
    """Return packets that a broker must refuse, by what is wrong with them."""
    valid = publish_packet(topic_field(topic), 1, b"{}")
    cut = dice.randrange(1, len(valid))
    return {
        "random bytes": dice.randbytes(dice.randrange(1, 5_000)),
        "reserved packet type": b"\x0f\x00",
        "endless length": b"\x32\xff\xff\xff\xff\xff",
        "length beyond the packet": b"\x32\xff\xff\xff\x7f" + b"x" * 10_000,
        "packet of 400 kB": publish_packet(
            topic_field(topic), 1, dice.randbytes(1_000) * (_OVERSIZED // 1_000)
        ),
        "quality of service 3": b"\x36" + valid[1:],
        "packet id 0": publish_packet(topic_field(topic), 0, b"{}"),
        "cut, then another one": valid[:cut] + valid,
        "topic with a wildcard": publish_packet(topic_field("livetwin/#"), 1, b"{}"),
        "topic with NUL": publish_packet(topic_field("livetwin/\0/x"), 1, b"{}"),
        "topic that is not UTF-8": publish_packet(b"\x00\x04\xff\xfe\xc0\x80", 1, b"{}"),
        "topic of 60,000 characters": publish_packet(topic_field("livetwin/" + "x" * 60_000), 1, b"{}"),
        "empty topic": publish_packet(topic_field(""), 1, b"{}"),
        "second CONNECT": connect_packet("again"),
        "SUBSCRIBE without filter": b"\x82\x03\x00\x01\x00",
        "acknowledgement of nothing": b"\x40\x02\x12\x34",
    }


class MalformedMqtt(RepeatedAttack):
    """A packet that is wrong, before CONNECT or after it."""

    name = "malformed MQTT"

    async def _try(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        with_account = dice.random() < 0.7
        name, password = dice.choice(target.lying)
        packets = malformed_packets(own_topic(name), dice)
        what = dice.choice(sorted(packets))
        async with mqtt_attacker(target, accounts=with_account) as attacker:
            if dice.random() < 0.8:
                answer = await attacker.connect(name, (name, password) if with_account else None)
                if answer != ACCEPTED:
                    met.add(f"not accepted: {answer}")
                    return
            await attacker.send(packets[what])
            met.add(await attacker.answer(_WAIT_S))
