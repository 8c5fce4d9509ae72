"""From sensor to officer: each event is one incident, notified once for each step, in spite of kills."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.clock import system_clock
from tests.support.processes.connection_faults import cut_connections
from tests.support.processes.crash_faults import log_tails
from tests.support.receivers.mail_server import NotificationRequest, NotificationWebhook
from tests.support.waiting import wait_until
from twin.instant import format_instant

pytestmark = pytest.mark.embedded

System = Any

WAIT_S = 90.0
"""A gateway outage is raised after some forty seconds; all else takes seconds on an idle machine."""

CITY = {
    "city.yaml": "city: {id: town, name: Town, timezone: Europe/Amsterdam}\n",
    "entities.yaml": """\
entities:
  - {id: town, type: Municipality, name: Town}
  - {id: canal, type: Waterway, name: Canal, parent: town}
  - {id: mast, type: Gateway, name: Mast, parent: town}
  - {id: street, type: Road, name: Street, parent: town}
""",
    "sensors.yaml": """\
sensors:
  - id: gauge
    feed: native
    entity: canal
    interval: PT1M
    observes: [{property: water_level, field: level, unit: m}]
"""
    + "".join(
        f"""\
  - id: air-{number}
    feed: native
    entity: street
    gateway: mast
    interval: PT2S
    observes: [{{property: pm2_5, field: pm2_5, unit: ug/m3}}]
"""
        for number in range(3)
    ),
    "properties.yaml": """\
properties:
  - {name: water_level, quality: {rateMax: null, spike: null, stuck: null}}
""",
    "rules.yaml": """\
rules:
  - id: high-water
    title: {en: High water, nl: Hoog water}
    theme: water
    select: {types: [Waterway]}
    when: {value: water_level, above: 0.5, severity: major, clear: 0.4}
  - id: gateway-outage
    title: {en: Gateway is out, nl: Gateway valt uit}
    theme: device
    select: {types: [Gateway]}
    when: {outage: gateway, severity: major}
  - id: sensor-silent
    title: {en: Sensor is silent, nl: Sensor zwijgt}
    theme: device
    select: {types: [Road]}
    when: {silent: {intervals: 5}, severity: minor}
""",
}


def routes(hook: NotificationWebhook) -> str:
    return f"""\
channels: [{{id: hook, url: "{hook.url}"}}]
contacts:
  - {{id: first, name: Officer on call, language: en, addresses: {{hook: first}}}}
  - {{id: second, name: Second officer, language: en, addresses: {{hook: second}}}}
teams: [{{id: duty, name: Duty, members: [first, second]}}]
policies:
  - id: urgent
    groupWait: PT0S
    steps:
      - {{notify: on-call, channels: [hook], wait: PT10S}}
      - {{notify: next, channels: [hook], wait: PT10M}}
routes: [{{team: duty, policy: urgent}}]
storm: {{messages: 0, group: incident}}
"""


class Duty:
    """The messages that the officers have received."""

    def __init__(self, hook: NotificationWebhook, system: System) -> None:
        self._hook = hook
        self._system = system

    def _of(self, cause: str) -> list[NotificationRequest]:
        return [one for one in self._hook.accepted if one.notification.startswith(f"{cause}~")]

    def wait_for(self, cause: str, kind: str, contact: str) -> NotificationRequest:
        """Wait until a contact has received a message of an incident; return it."""

        def found() -> list[NotificationRequest]:
            return [
                request
                for request in self._of(cause)
                if request.path == f"/{contact}"
                and ("recovery" in request.notification) == (kind == "recovery")
            ]

        wait_until(
            lambda: bool(found()),
            lambda: f"{contact} is notified of {cause}: {self._hook.requests}\n{log_tails(self._system)}",
            WAIT_S,
        )
        return found()[0]

    def counts(self) -> Counter[str]:
        """Return how often each message was received."""
        return Counter(one.notification for one in self._hook.requests)


def test_two_events_are_two_incidents_and_nobody_is_notified_twice_in_spite_of_kills(
    start_system: Callable[..., System], tmp_path: Path
) -> None:
    hook = NotificationWebhook()
    hook.start()
    try:
        _play(start_system(f"--city={_folder(tmp_path, hook)}"), hook)
    finally:
        hook.stop()


def _play(system: System, hook: NotificationWebhook) -> None:
    system.wait_ready()
    duty = Duty(hook, system)
    for number in range(3):  # the last message through the gateway for a while
        _report(system, f"air-{number}", "pm2_5", 10.0)
    _report(system, "gauge", "level", 0.0)

    _kill(system, "alerting")  # the alerting role is killed meanwhile
    _report(system, "gauge", "level", 0.8)
    _kill(system, "stream")
    first = duty.wait_for("high-water", "alarm", "first")
    assert "Canal" in first.content["message"]
    _is_on_record(system, first)

    _cut_from_kafka(system, "alerting", "stream", "ingest")
    _kill(system, "alerting")  # the next step is due while the role restarts, or soon after
    second = duty.wait_for("high-water", "alarm", "second")
    link = next(word for word in second.content["message"].split() if "/v1/acknowledge/" in word)
    answer = httpx.post(f"{system.http}{link[link.index('/v1/') :]}", timeout=20.0)
    assert answer.status_code == 200, answer.text

    _is_on_record(system, second)
    _kill(system, "alerting")
    _report(system, "gauge", "level", 0.1)
    for contact in ("first", "second"):
        duty.wait_for("high-water", "recovery", contact)

    outage = duty.wait_for("gateway-outage", "alarm", "first")
    _is_on_record(system, outage)
    _kill(system, "stream")
    _kill(system, "alerting")
    duty.wait_for("gateway-outage", "alarm", "second")
    for number in range(3):
        _report(system, f"air-{number}", "pm2_5", 11.0)
    for contact in ("first", "second"):
        duty.wait_for("gateway-outage", "recovery", contact)

    incidents = httpx.get(f"{system.http}/v1/incidents", headers=_key(system)).raise_for_status().json()
    assert sorted((one["cause"], one["open"]) for one in incidents["items"]) == [
        ("gateway-outage", False),
        ("high-water", False),
    ]
    assert set(duty.counts().values()) == {1}, duty.counts()
    assert len(duty.counts()) == 8, "two steps and two recoveries of each"


def _folder(tmp_path: Path, hook: NotificationWebhook) -> Path:
    folder = tmp_path / "town"
    folder.mkdir()
    for name, content in (CITY | {"routes.yaml": routes(hook)}).items():
        (folder / name).write_text(content)
    return folder


def _report(system: System, sensor: str, field: str, value: float) -> None:
    now = format_instant(system_clock())
    payload = f'{{"time": "{now}", "values": {{"{field}": {value}}}}}'
    system.publish(f"livetwin/town/{sensor}/observations", payload)


def _kill(system: System, role: str) -> None:
    """Kill a role with -9; wait until a new process has replaced it."""
    before = set(system.ports["pids"][role])
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: bool(system.ports["pids"].get(role)) and before.isdisjoint(system.ports["pids"][role]),
        lambda: f"{role} comes back\n{log_tails(system)}",
        WAIT_S,
    )


def _cut_from_kafka(system: System, *roles: str) -> None:
    ports = system.ports
    assert sum(cut_connections(pid, ports["kafka"]) for role in roles for pid in ports["pids"][role]) > 0


def _is_on_record(system: System, post: NotificationRequest) -> None:
    """Wait until the sending of a message is stored, so that a later kill interrupts no delivery."""

    def outcomes() -> list[str]:
        answer = httpx.get(f"{system.http}/v1/notifications", headers=_key(system)).raise_for_status()
        return [one["outcome"] for one in answer.json()["items"] if one["id"] == post.notification]

    wait_until(lambda: outcomes() == ["sent"], lambda: f"{post.notification}: {outcomes()}", WAIT_S)


def _key(system: System) -> dict[str, str]:
    return {"Authorization": f"Bearer {system.operator_key}"}
