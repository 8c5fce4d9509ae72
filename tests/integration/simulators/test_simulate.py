"""The simulate role against a real Mosquitto: all devices publish, and a broker restart loses no message."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.embedded.ports import free_port
from runtime.clock import system_clock
from runtime.mqtt.client import stop_client
from simulators import service
from simulators.settings import SimulatorSettings
from tests.support.cities.fleet import fleet
from twin.errors import ServiceError
from twin.instant import HOUR, SECOND, format_instant
from twin.model.city_model import CityPlan

TIMEOUT_S = 60.0
# Feeds whose messages contain their time, so that no two of a device are alike.
TIMED = ("native", "senml", "ttn", "chirpstack")


class Listener:
    """Counts the messages that the broker delivers, by topic, and stores the distinct payloads."""

    def __init__(self, port: int) -> None:
        self.topics: Counter[str] = Counter()
        self.newest: dict[str, bytes] = {}
        self.payloads: defaultdict[str, set[bytes]] = defaultdict(set)
        self.subscribed = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._client = client = Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)

        def on_connect(*_: Any) -> None:
            client.subscribe("#", qos=1)

        def on_subscribe(*_: Any) -> None:
            loop.call_soon_threadsafe(self.subscribed.set)

        client.on_connect = on_connect
        client.on_subscribe = on_subscribe
        client.on_message = self._on_message
        client.connect("127.0.0.1", port)
        client.loop_start()

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        self.topics[message.topic] += 1
        self.newest[message.topic] = bytes(message.payload)
        self.payloads[message.topic].add(bytes(message.payload))

    def close(self) -> None:
        self._client.disconnect()
        stop_client(self._client)


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Listener]:
    listener = Listener(port)
    try:
        await asyncio.wait_for(listener.subscribed.wait(), TIMEOUT_S)
        yield listener
    finally:
        listener.close()


@asynccontextmanager
async def simulating(settings: SimulatorSettings, plan: CityPlan) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(service.run(settings, plan))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], task: asyncio.Task[None] | None = None) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            if task is not None and task.done():
                task.result()
            await asyncio.sleep(0.02)


def account(path: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Return the messages by sensor, and the totals, of a journal."""
    *sensors, totals = map(json.loads, path.read_text().splitlines())
    return {one["sensor"]: one["messages"] for one in sensors}, totals


async def test_every_device_of_a_fleet_reports_soon_and_what_was_sent_arrives(
    mqtt: tuple[str, int], tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    settings = SimulatorSettings(mqtt_port=mqtt[1], journal=journal)
    async with listening(mqtt[1]) as listener:
        async with simulating(settings, fleet(500)) as task:
            await until(lambda: len(listener.topics) == 500, task)
        sent, totals = account(journal)
        assert len(sent) == 500
        assert totals["unacknowledged"] == 0
        await until(lambda: listener.topics.total() == totals["messages"])


async def test_a_fast_city_reaches_the_present_and_never_passes_it(
    mqtt: tuple[str, int], tmp_path: Path
) -> None:
    started = system_clock()
    settings = SimulatorSettings(
        mqtt_port=mqtt[1],
        speed=3600,
        start=format_instant(started - HOUR),
        connections=2,
        journal=tmp_path / "journal.jsonl",
    )
    plan = fleet(1, interval=10 * SECOND)
    async with listening(mqtt[1]) as listener, simulating(settings, plan) as task:
        topic = f"livetwin/{plan.city.id}/{plan.sensors[0].id}/observations"
        # An hour at one report in ten seconds, and the one after the start.
        await until(lambda: listener.topics[topic] >= 360, task)
        assert json.loads(listener.newest[topic])["time"] <= format_instant(system_clock())
        assert listener.topics[topic] <= 362


async def test_no_message_is_lost_while_the_broker_is_unavailable(
    service_folder: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    plan = fleet(14, interval=5 * SECOND)
    broker = EmbeddedMosquitto(service_folder, free_port())
    await broker.start()
    settings = SimulatorSettings(
        mqtt_port=broker.port, speed=30, in_flight_max=5, connections=2, journal=journal
    )
    try:
        async with listening(broker.port) as listener:
            async with simulating(settings, plan) as task:
                await until(lambda: listener.topics.total() > 100, task)
                await broker.stop()
                await broker.start()
                await asyncio.wait_for(_again(listener), TIMEOUT_S)
                before = listener.topics.total()
                await until(lambda: listener.topics.total() > before + 100, task)
            sent, totals = account(journal)
            assert totals["unacknowledged"] == 0
            # QoS 1: a message may come twice after a broken connection, none may be missing.
            await until(lambda: listener.topics.total() >= totals["messages"])
            assert len(sent) == 14
            for sensor in plan.sensors:
                if sensor.feed in TIMED:
                    (topic,) = (one for one in listener.payloads if sensor.device in one.split("/"))
                    assert len(listener.payloads[topic]) == sent[sensor.id], sensor.id
    finally:
        await broker.stop()


async def _again(listener: Listener) -> None:
    listener.subscribed.clear()
    await listener.subscribed.wait()


async def test_a_city_waits_for_its_broker(service_folder: Path) -> None:
    port = free_port()
    broker = EmbeddedMosquitto(service_folder, port)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    try:
        async with simulating(SimulatorSettings(mqtt_port=port), fleet(7)) as task:
            await broker.start()
            async with listening(port) as listener:
                await until(lambda: len(listener.topics) == 7, task)
    finally:
        await broker.stop()


async def test_a_city_without_sensors_is_refused() -> None:
    with pytest.raises(ServiceError, match="no sensor that can be simulated"):
        await service.run(SimulatorSettings(), fleet(0))
