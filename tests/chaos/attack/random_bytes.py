"""Random bytes, in any amount, to every port."""

from __future__ import annotations

import random

from tests.chaos.attack.attack import AttackTarget, Met, RepeatedAttack
from tests.chaos.attack.malformed_kafka import exchange

_SIZES = (0, 1, 3, 100, 20_000, 1 << 20)


class RandomBytes(RepeatedAttack):
    """Bytes without any form, to every port of the system, that of the database included."""

    name = "random bytes"

    async def _try(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        ports = {
            "MQTT over TLS": target.mqtt_port,
            "MQTT": target.open_mqtt_port,
            "HTTP": target.http_port,
            "Kafka": target.kafka_port,
            "database": target.postgres_port,
            **{f"metrics of {role}": port for role, port in target.metrics_ports.items()},
        }
        port = ports[dice.choice(sorted(ports))]
        met.add(await exchange(port, dice.randbytes(dice.choice(_SIZES))))
