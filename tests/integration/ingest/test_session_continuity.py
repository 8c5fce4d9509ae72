"""A session that another client took over, or that the broker lost, is noticed: with a real Mosquitto."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ingest.service import run
from ingest.settings import IngestSettings
from runtime.mqtt.client import stop_client
from tests.integration.ingest.ingest_role import created_session, running_ingest
from tests.support.brokers.kafka_reader import read_until
from tests.support.cities.model_source import FakeModelSource
from tests.support.cities.small_cities import small_city
from tests.support.waiting import wait_until
from twin.wire.messages import QUARANTINE, SESSION_TOPIC

pytestmark = pytest.mark.usefixtures("reading")

CLIENT_ID = "livetwin-ingest-0"


@contextmanager
def intruder(address: tuple[str, int]) -> Iterator[None]:
    """Connect with the client id of ingest, and delete its session."""
    client = Client(CallbackAPIVersion.VERSION2, CLIENT_ID, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect(*address, clean_start=True)
    client.loop_start()
    try:
        wait_until(client.is_connected, lambda: "not connected")
        yield
    finally:
        client.disconnect()
        stop_client(client)


async def reasons(kafka: str, goal: set[str]) -> set[str]:
    """Return the reasons of the entries of quarantine about the session, once they include these."""

    def found(values: list[bytes]) -> set[str]:
        entries = [QUARANTINE.decode(value) for value in values]
        assert all(one.topic == SESSION_TOPIC and not one.session for one in entries)
        return {one.reason for one in entries}

    records = await read_until(
        kafka, "quarantine", 1, lambda records: goal <= found([one.value for one in records])
    )
    return found([one.value for one in records])


async def test_a_session_that_was_taken_over_or_deleted_is_in_quarantine(
    mqtt: tuple[str, int], kafka: str
) -> None:
    async with created_session(mqtt, kafka):
        with intruder(mqtt):
            pass
        goal = {"session-taken-over", "session-lost"}
        assert await reasons(kafka, goal) == goal


async def test_a_session_that_was_deleted_while_ingest_was_stopped_is_noticed(
    mqtt: tuple[str, int], kafka: str, tmp_path: Path
) -> None:
    settings = IngestSettings(
        mqtt_host=mqtt[0], mqtt_port=mqtt[1], kafka=kafka, mqtt_share="", state_dir=tmp_path
    )

    async def run_until_connected() -> None:
        task = asyncio.create_task(
            run(settings, FakeModelSource(small_city()), session_file=settings.session_file())
        )
        await asyncio.to_thread(wait_until, settings.session_file().exists, lambda: "no session")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await run_until_connected()
    with intruder(mqtt):
        pass
    async with running_ingest(mqtt, kafka, mqtt_share="", session_file=settings.session_file()):
        assert await reasons(kafka, {"session-lost"}) == {"session-lost"}
