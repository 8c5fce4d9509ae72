"""Probes pass through the whole system; when they do not, a notice is sent and the heartbeat stops."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from runtime.kafka.consumer import end_offsets
from runtime.kafka.topics import NOTIFICATIONS, OBSERVATIONS, QUARANTINE
from storage.database import connect
from storage.model.model_store import apply_plan
from tests.support.brokers.kafka_reader import read_until
from tests.support.cities.noise_city import noise_city
from tests.support.processes.role_process import RoleProcess
from tests.support.receivers.mail_server import NotificationWebhook
from tests.support.services.service_source import PARTITIONS
from tests.support.waiting import until
from twin.model.duty import DutyPlan, NotificationChannel
from twin.wire.duty_messages import NOTIFICATIONS as NOTIFICATIONS_CODEC
from twin.wire.messages import OBSERVATIONS as OBSERVATIONS_CODEC

DEADLINE_S = 60.0

CLOSED, OPEN = "Town: no alarm gets through", "Town: alarms get through again"


def watched_roles(
    kafka: str, database: str, mqtt: tuple[str, int], folder: Path, hook: NotificationWebhook
) -> dict[str, RoleProcess]:
    settings = {
        "CITY": "town",
        "KAFKA": kafka,
        "DATABASE": database,
        "STATE_DIR": str(folder),
        "MQTT_HOST": mqtt[0],
        "MQTT_PORT": str(mqtt[1]),
    }
    watching = {
        "WATCHDOG_INTERVAL_S": "0.5",
        "WATCHDOG_PATIENCE_S": "4",
        "HEARTBEAT_URL": f"http://{hook.address}/heartbeat",
        "HEARTBEAT_INTERVAL_S": "0.2",
    }
    return {
        name: RoleProcess(name, {**settings, **changes}, folder)
        for name, changes in (
            ("ingest", {}),
            ("stream", {"SESSION_TIMEOUT_S": "2"}),
            ("alerting", watching),
        )
    }


async def assert_probes_are_no_data(kafka: str) -> None:
    records = await read_until(kafka, NOTIFICATIONS, 1, lambda found: len(found) >= 4)
    assert {NOTIFICATIONS_CODEC.decode(one.value).kind for one in records} == {"watchdog"}
    records = await read_until(kafka, OBSERVATIONS, PARTITIONS, lambda found: len(found) > 10)
    batches = [OBSERVATIONS_CODEC.decode(one.value) for one in records]
    assert any(one.probes for one in batches)
    assert not any(one.observations or one.headers for one in batches), (
        "a probe is no observation of the city"
    )
    refused = TopicPartition(QUARANTINE, 0)
    assert (await end_offsets(kafka, [refused]))[refused] == 0


@pytest.mark.embedded
async def test_a_closed_path_causes_a_watchdog_notice_and_stops_the_heartbeat(
    database: str, kafka: str, mqtt: tuple[str, int], service_folder: Path
) -> None:
    hook = NotificationWebhook()
    hook.start()
    duty = DutyPlan(channels=(NotificationChannel(id="hook", url=hook.url),), watchdog=("hook", "operations"))
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, replace(noise_city(2), duty=duty))
    roles = watched_roles(kafka, database, mqtt, service_folder, hook)

    def titles() -> list[str]:
        return [one.content["title"] for one in hook.accepted]

    try:
        for role in roles.values():
            await role.start()
        await until(lambda: bool(hook.gets), roles["alerting"].log_tail)
        assert titles() == []
        await roles["stream"].stop(signal.SIGKILL)
        await until(lambda: titles() == [CLOSED], titles)
        beats = len(hook.gets)
        await roles["alerting"].stop(signal.SIGKILL)
        await roles["alerting"].start()
        await roles["stream"].start()
        await until(lambda: titles() == [CLOSED, OPEN], titles)
        await until(lambda: len(hook.gets) > beats, lambda: hook.gets)
    finally:
        for role in roles.values():
            await role.stop()
        hook.stop()
    await assert_probes_are_no_data(kafka)
