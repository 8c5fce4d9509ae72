"""The whole path as by hand: mosquitto_pub in; state, history and the live stream out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import httpx
import pytest

from runtime.clock import system_clock
from tests.support.payloads.device_payloads import DSMR_V5
from tests.support.waiting import WAIT_S, wait_until
from twin.instant import DAY, HOUR, MINUTE, SECOND, Instant, format_instant

pytestmark = pytest.mark.embedded

System = Any
Event = tuple[str, str, dict[str, Any]]  # event, id, data


def mosquitto_pub(system: System, topic: str, payload: bytes) -> None:
    """Publish with Debian's MQTT client, QoS 1."""
    host, port = system.mqtt
    subprocess.run(
        ["mosquitto_pub", "-h", host, "-p", str(port), "-q", "1", "-t", topic, "-s"],
        input=payload,
        check=True,
        timeout=WAIT_S,
    )


def events(lines: Iterator[str]) -> Iterator[Event]:
    """Yield the events of a stream of server-sent events."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if not line:
            if fields:
                yield fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"])
            fields = {}
            continue
        name, _, value = line.partition(": ")
        fields[name] = value


class Listener:
    """A subscriber of /v1/live in a thread of its own."""

    def __init__(self, system: System, **query: str) -> None:
        self.received: Queue[Event] = Queue(maxsize=10_000)
        self._joined = threading.Event()
        self._client = httpx.Client(base_url=system.http, timeout=WAIT_S)
        self._thread = threading.Thread(target=self._listen, args=(query,), daemon=True)
        self._thread.start()
        assert self._joined.wait(WAIT_S)

    def _listen(self, query: dict[str, str]) -> None:
        try:
            with self._client.stream("GET", "/v1/live", params=query) as answer:
                for event in events(answer.iter_lines()):
                    if event[0] == "snapshot" and event[2].get("complete"):
                        self._joined.set()
                    self.received.put(event)
        except httpx.HTTPError:
            return  # closed by the test

    def wait_for(self, entity: str, property: str, value: float) -> Event:
        """Return the state event with this value."""
        while True:
            event = self.received.get(timeout=WAIT_S)
            kind, _, data = event
            subject = (kind, data.get("entityId"), data.get("property"))
            if subject == ("state", entity, property) and data["value"] == pytest.approx(value, abs=1e-9):
                return event

    def close(self) -> None:
        self._client.close()


def uplink(device: str, time: Instant, fields: dict[str, float]) -> bytes:
    """Return an uplink as The Things Stack v3 publishes it."""
    stamp = format_instant(time).replace("Z", "000Z") if "." in format_instant(time) else format_instant(time)
    return json.dumps(
        {
            "end_device_ids": {"device_id": device, "application_ids": {"application_id": "alkmaar-air"}},
            "received_at": stamp,
            "uplink_message": {
                "f_port": 2,
                "f_cnt": 17,
                "decoded_payload": fields,
                "rx_metadata": [{"gateway_ids": {"gateway_id": "gw-stadhuis"}, "rssi": -97, "snr": 7.5}],
                "received_at": stamp,
            },
        }
    ).encode()


def state(system: System, entity: str, property: str) -> dict[str, Any]:
    answer = httpx.get(f"{system.http}/v1/entities/{entity}/state").raise_for_status()
    found: dict[str, Any] = answer.json()["properties"][property]
    return found


def recent() -> Instant:
    """Return the current time, in whole seconds."""
    return system_clock() // SECOND * SECOND


def test_an_uplink_of_the_things_stack_reaches_state_stream_and_history(running_system: System) -> None:
    time = recent()
    listener = Listener(running_system, entity="alkmaar.oud-overdie")
    try:
        topic = "v3/alkmaar-air@ttn/devices/eui-a81758fffed17e95/up"
        mosquitto_pub(running_system, topic, uplink("eui-a81758fffed17e95", time, {"pm2_5": 13.7, "no2": 0}))
        _, _, data = listener.wait_for("alkmaar.oud-overdie", "pm2_5", 13.7)
    finally:
        listener.close()
    assert data["unit"] == "ug/m3"
    assert data["phenomenonTime"] == format_instant(time)
    assert data["quality"] == "good"
    assert data["freshness"] == "live"
    found = state(running_system, "alkmaar.oud-overdie", "pm2_5")
    assert (found["value"], found["phenomenonTime"]) == (13.7, format_instant(time))
    assert state(running_system, "alkmaar.oud-overdie", "no2")["value"] == 0
    wait_for_history(running_system, "alkmaar.oud-overdie", "pm2_5", time, 13.7)


def wait_for_history(system: System, entity: str, property: str, time: Instant, value: float) -> None:
    """Wait until raw and bucketed history have the value."""
    span = {"start": format_instant(time - HOUR), "end": format_instant(time + MINUTE)}
    url = f"{system.http}/v1/entities/{entity}/history"

    def raw() -> list[dict[str, Any]]:
        answer = httpx.get(url, params={"property": property, **span}).raise_for_status()
        observations: list[dict[str, Any]] = answer.json()["observations"]
        return observations

    expected = (format_instant(time), value)
    wait_until(lambda: expected in [(one["phenomenonTime"], one["value"]) for one in raw()], raw)
    query = {"property": property, **span, "interval": "PT10M", "aggregate": "max,count"}
    buckets = httpx.get(url, params=query).raise_for_status().json()["buckets"]
    assert max(one["max"] for one in buckets if one["count"]) >= value


def test_a_dsmr_telegram_is_read_at_its_own_time_by_those_who_may(running_system: System) -> None:
    """The golden telegram has 02:30 in summer time, in the night that has it twice: 00:30 UTC."""
    entity = "alkmaar.transformer-overdie"
    url = f"{running_system.http}/v1/entities/{entity}/state"
    mosquitto_pub(running_system, "dsmr/p1-overdie-01/telegram", DSMR_V5)
    key = {"Authorization": f"Bearer {new_key(running_system, 'metering')}"}

    def readings(**headers: str) -> dict[str, Any]:
        found = httpx.get(url, headers=headers).raise_for_status().json()["datastreams"]
        return {one["property"]: one for one in found if one["sensorId"] == "p1-overdie-1"}

    wait_until(lambda: "gas_volume" in readings(**key), lambda: readings(**key))
    power = readings(**key)["power_import"]
    assert (power["value"], power["unit"]) == (0.244, "kW")
    assert power["phenomenonTime"] == "2026-10-25T00:30:00Z"
    assert power["freshness"] == "silent"
    assert readings(**key)["gas_volume"]["phenomenonTime"] == "2026-10-25T00:25:00Z"
    assert readings() == {}


def new_key(system: System, role: str) -> str:
    """Return a new API key of a role, created by the command."""
    made = subprocess.run(
        [sys.executable, "-m", "cli", "token", "create", "--role", role, "--name", f"test-{role}"],
        env={**os.environ, "LIVETWIN_DATABASE": system.postgres},
        check=True,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    return made.stdout.strip()


def test_a_senml_pack_is_converted_to_the_canonical_unit(running_system: System) -> None:
    time = recent()
    pack = [
        {"bn": "weather-schermer:", "bt": time // SECOND, "n": "temperature", "u": "K", "v": 281.4},
        {"n": "pressure", "u": "Pa", "v": 100_780},
    ]
    entity = "alkmaar.site-weer-schermer"
    listener = Listener(running_system, entity=entity)
    try:
        topic = "livetwin/alkmaar/weather-schermer/observations"
        mosquitto_pub(running_system, topic, json.dumps(pack).encode())
        _, _, temperature = listener.wait_for(entity, "air_temperature", 8.25)
        _, _, pressure = listener.wait_for(entity, "air_pressure", 1007.8)
    finally:
        listener.close()
    assert (temperature["unit"], pressure["unit"]) == ("Cel", "hPa")
    assert temperature["phenomenonTime"] == format_instant(time)


def test_a_late_value_is_history_and_not_state(running_system: System) -> None:
    time = recent()
    topic, entity = "livetwin/alkmaar/weather-de-rijp/observations", "alkmaar.de-rijp"

    def message(at: Instant, humidity: float) -> bytes:
        return json.dumps({"time": format_instant(at), "values": {"humidity": humidity}}).encode()

    listener = Listener(running_system, entity=entity)
    try:
        mosquitto_pub(running_system, topic, message(time, 71.0))
        listener.wait_for(entity, "relative_humidity", 71.0)
        mosquitto_pub(running_system, topic, message(time - 30 * MINUTE, 64.0))
        wait_for_history(running_system, entity, "relative_humidity", time - 30 * MINUTE, 64.0)
    finally:
        listener.close()
    assert state(running_system, entity, "relative_humidity")["value"] == 71.0


def test_a_cursor_brings_what_was_missed_and_nothing_twice(running_system: System) -> None:
    entity, topic = "alkmaar.binnenstad", "livetwin/alkmaar/noise-binnenstad/observations"
    base = recent() - DAY

    def message(number: int) -> bytes:
        at = base + number * SECOND
        return json.dumps({"time": format_instant(at), "values": {"noise_level": 40 + number / 10}}).encode()

    listener = Listener(running_system, entity=entity, property="noise_level")
    try:
        mosquitto_pub(running_system, topic, message(1))
        _, cursor, _ = listener.wait_for(entity, "noise_level", 40.1)
    finally:
        listener.close()
    for number in range(2, 12):
        mosquitto_pub(running_system, topic, message(number))
    query = {"entity": entity, "property": "noise_level"}
    received: list[float] = []
    with httpx.stream(
        "GET",
        f"{running_system.http}/v1/live",
        params=query,
        headers={"Last-Event-ID": cursor},
        timeout=WAIT_S,
    ) as answer:
        for kind, _, data in events(answer.iter_lines()):
            assert kind == "state"
            received.append(data["value"])
            if data["value"] == pytest.approx(41.1):
                break
    assert received == pytest.approx([40 + number / 10 for number in range(2, 12)])


def test_what_cannot_be_used_is_listed_in_quarantine(running_system: System) -> None:
    topic = "livetwin/alkmaar/noise-overdie/observations"
    mosquitto_pub(running_system, topic, b'{"time": "2026-11-23T12:00:00Z", "val')

    def reasons() -> list[tuple[str, str]]:
        key = {"Authorization": f"Bearer {running_system.ports['operatorKey']}"}
        url = f"{running_system.http}/v1/quarantine"
        items = httpx.get(url, headers=key).raise_for_status().json()["items"]
        return [(one["topic"], one["reason"]) for one in items]

    wait_until(lambda: (topic, "malformed") in reasons(), reasons)
