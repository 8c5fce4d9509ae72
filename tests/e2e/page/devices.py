"""What devices of Alkmaar send, for the tests of the page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import httpx

from runtime.clock import system_clock
from tests.support.waiting import wait_until
from twin.instant import SECOND, Duration, format_instant

NOISY_PLACE, NOISE_SENSOR = "alkmaar.overdie", "noise-overdie"
LEVELS = {"polder-starnmeer": -3.8, "polder-vroonermeer": -2.8}
"""The target levels of polders in metres."""


class RunningSystem(Protocol):
    """What the tests use of the running system."""

    @property
    def http(self) -> str: ...

    @property
    def operator_key(self) -> str: ...

    def publish(self, topic: str, payload: bytes) -> None: ...


def publish_values(system: RunningSystem, device: str, values: dict[str, Any], age: Duration = 0) -> None:
    """Publish values of a device of the native feed, measured some time ago."""
    payload = {"time": format_instant(system_clock() - age), "values": values}
    system.publish(f"livetwin/alkmaar/{device}/observations", json.dumps(payload).encode())


def publish_noise(system: RunningSystem, level: float, age: Duration = 0) -> None:
    """Publish a noise level in dB(A) of `NOISY_PLACE`, measured some time ago."""
    publish_values(system, NOISE_SENSOR, {"noise_level": level}, age)


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


def publish_air(system: RunningSystem, devices: Iterable[str], values: dict[str, float]) -> None:
    """Publish values of air sensors by the names of their fields, by the identifiers of their devices."""
    time = format_instant(system_clock() // SECOND * SECOND)
    for device in devices:
        body = {
            "end_device_ids": {
                "device_id": device,
                "application_ids": {"application_id": "alkmaar-air"},
            },
            "received_at": time,
            "uplink_message": {"f_port": 2, "decoded_payload": values, "received_at": time},
        }
        system.publish(f"v3/alkmaar-air@ttn/devices/{device}/up", json.dumps(body).encode())


def publish_battery(system: RunningSystem, devices: Iterable[str], level: float) -> None:
    """Publish a battery level in percent of air sensors, by the identifiers of their devices."""
    publish_air(system, devices, {"battery": level})


@contextmanager
def rules_in_force(system: RunningSystem, *rules: dict[str, Any]) -> Iterator[None]:
    """Put rules into force, and at the end out of force, which ends their alarms."""
    headers = {"Authorization": f"Bearer {system.operator_key}"}
    paths = [f"{system.http}/v1/rules/{rule['id']}" for rule in rules]
    try:
        for path, rule in zip(paths, rules, strict=True):
            httpx.put(path, json=rule, headers=headers).raise_for_status()
        yield
    finally:
        for path in paths:
            httpx.delete(path, headers=headers)
        ids = {rule["id"] for rule in rules}
        wait_until(lambda: not ids & {one["rule"] for one in standing(system)}, lambda: standing(system))


def standing(system: RunningSystem) -> list[dict[str, Any]]:
    """Return the alarms that are not normal."""
    answer = httpx.get(f"{system.http}/v1/alarms", params={"limit": 500}).raise_for_status()
    return [one for one in answer.json()["items"] if one["state"] != "normal"]
