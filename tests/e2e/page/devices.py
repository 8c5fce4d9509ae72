"""What devices of Alkmaar send, for the tests of the page."""

from __future__ import annotations

import json
from typing import Protocol

from runtime.clock import system_clock
from twin.instant import format_instant

NOISY_PLACE, NOISE_SENSOR = "alkmaar.overdie", "noise-overdie"
LEVELS = {"polder-starnmeer": -3.8, "polder-vroonermeer": -2.8}
"""The target levels of polders in metres."""


class RunningSystem(Protocol):
    """What the tests use of the running system."""

    http: str

    @property
    def operator_key(self) -> str: ...

    def publish(self, topic: str, payload: bytes) -> None: ...


def publish_noise(system: RunningSystem, level: float) -> None:
    """Publish a noise level in dB(A) of `NOISY_PLACE`."""
    payload = {"time": format_instant(system_clock()), "values": {"noise_level": level}}
    system.publish(f"livetwin/alkmaar/{NOISE_SENSOR}/observations", json.dumps(payload).encode())


def publish_flood(system: RunningSystem, polder: str, top: float = 0.27) -> str:
    """Publish levels of a polder that rise `top` metres above its target within an hour.

    Return the id of the alarm that it raises.
    """
    target, count = LEVELS[polder], 13
    rising = [min(1.0, number / (count - 3)) for number in range(count)]
    values = [
        {"v": round(target + top * part, 3), "t": -300 * (count - 1 - at)} for at, part in enumerate(rising)
    ]
    pack = [{"bn": "level", "bu": "m", **values[0]}, *values[1:]]
    system.publish(f"livetwin/alkmaar/gauge-{polder}/observations", json.dumps(pack).encode())
    return f"high-water~alkmaar.{polder}"
