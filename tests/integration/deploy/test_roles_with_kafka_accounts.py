"""All roles work with the accounts that the compose file gives them at Kafka, and with no more rights."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from aiokafka.structs import ConsumerRecord

from cli.embedded.ports import free_port
from runtime.clock import system_clock
from runtime.kafka.rights import RIGHTS
from runtime.kafka.topics import ALARM_INPUTS, OBSERVATIONS
from tests.support.brokers.apache_kafka import (
    ComposeKafka,
    compose_kafka,
    make_secrets,
    needs_apache_kafka,
    role_settings,
)
from tests.support.brokers.kafka_reader import read_until
from tests.support.brokers.mqtt_publisher import publish
from tests.support.processes.cli_call import call_cli
from tests.support.processes.role_process import RoleProcess
from tests.support.receivers.mail_server import NotificationWebhook
from tests.support.receivers.webhook_receiver import WebhookReceiver, webhook_receiver
from tests.support.services.service_source import PARTITIONS
from twin.alarms.messages import ALARM_INPUTS as ALARM_INPUTS_CODEC
from twin.instant import HOUR, Duration, format_instant
from twin.wire.messages import OBSERVATIONS as OBSERVATIONS_CODEC

pytestmark = needs_apache_kafka

WAIT_S = 90.0
_PAUSE_S = 0.2
OPERATOR_KEY = secrets.token_hex()
LINK_KEY = secrets.token_hex()

CITY = {
    "city.yaml": "city: {id: town, name: Town, timezone: Europe/Amsterdam}\n",
    "entities.yaml": """\
entities:
  - {id: town, type: Municipality, name: Town}
  - {id: canal, type: Waterway, name: Canal, parent: town}
  - {id: street, type: Road, name: Street, parent: town}
""",
    "sensors.yaml": """\
sensors:
  - id: gauge
    feed: native
    entity: canal
    interval: PT1M
    observes: [{property: water_level, field: level, unit: m}]
  - id: air
    feed: native
    entity: street
    interval: PT1M
    observes: [{property: pm2_5, field: pm2_5, unit: ug/m3}]
""",
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
""",
}


def duty_routes(hook: NotificationWebhook) -> str:
    return f"""\
channels: [{{id: hook, url: "{hook.url}"}}]
contacts: [{{id: first, name: Officer on call, language: en, addresses: {{hook: first}}}}]
teams: [{{id: duty, name: Duty, members: [first]}}]
policies:
  - id: urgent
    groupWait: PT0S
    steps: [{{notify: on-call, channels: [hook], wait: PT10M}}]
routes: [{{team: duty, policy: urgent}}]
"""


class Town:
    """The roles of a city, each with its account, and what operators and devices do with them."""

    def __init__(self, kafka: ComposeKafka, database: str, mqtt: tuple[str, int], folder: Path) -> None:
        self.kafka = kafka
        self.hook = NotificationWebhook()
        self._database = database
        self._mqtt = mqtt
        self._folder = folder
        self._port = free_port()
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}",
            headers={"Authorization": f"Bearer {OPERATOR_KEY}"},
            timeout=30.0,
        )
        self.roles = {role: self._process(role) for role in RIGHTS}

    def _process(self, role: str) -> RoleProcess:
        state_dir = self._folder / f"state-{role}"
        state_dir.mkdir()
        settings = {
            **role_settings(role, self.kafka.secrets, self.kafka.roles),
            "CITY": "town",
            "DATABASE": self._database,
            "STATE_DIR": str(state_dir),
            "MQTT_HOST": self._mqtt[0],
            "MQTT_PORT": str(self._mqtt[1]),
            "ACKNOWLEDGE": "stored",  # ingest reads what the historian writes
            "STANDBY": "true",  # alerting and outlets take their leases on the log
            "SESSION_TIMEOUT_S": "2",
            "SINK_NETWORKS": "127.0.0.0/8",
            "PORT": str(self._port),
            "BASE_URL": f"http://127.0.0.1:{self._port}",
            "OPERATOR_KEY": OPERATOR_KEY,
            "LINK_KEY": LINK_KEY,
        }
        return RoleProcess(role, settings, self._folder)

    async def apply(self, **more: str) -> None:
        """Bring the city into the database, with more files."""
        folder = self._folder / "town"
        folder.mkdir(exist_ok=True)
        files = {**CITY, "routes.yaml": duty_routes(self.hook)}
        files |= {f"{name}.yaml": content for name, content in more.items()}
        for name, content in files.items():
            (folder / name).write_text(content)
        done = await call_cli("apply", str(folder), database=self._database)
        assert done.code == 0, done.err

    async def measure(self, sensor: str, field: str, value: float, age: Duration = 0) -> None:
        """Publish a measured value as its device does."""
        time = format_instant(system_clock() - age)
        payload = f'{{"time": "{time}", "values": {{"{field}": {value}}}}}'
        await self.publish(sensor, payload)

    async def publish(self, sensor: str, payload: str) -> None:
        await asyncio.to_thread(publish, self._mqtt, [(f"livetwin/town/{sensor}/observations", payload)])

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until(self, condition: Callable[[], Awaitable[bool]], about: str) -> None:
        """Wait for a condition; fail with the ends of all logs."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not await condition():  # noqa: ASYNC110 - the condition has no event
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            logs = "\n\n".join(f"{name}:\n{role.log_tail()}" for name, role in self.roles.items())
            raise AssertionError(f"not within {WAIT_S:.0f} s: {about}\n{logs}") from None

    async def until_state(self, entity: str, property: str, value: float) -> None:
        async def is_there() -> bool:
            state = await self.get(f"/v1/entities/{entity}/state")
            return bool(state["properties"].get(property, {}).get("value") == value)

        await self.until(is_there, f"{property} of {entity} is {value}")

    async def subscribe(self, receiver: WebhookReceiver) -> None:
        answer = await self.client.post(
            "/v1/subscriptions", json={"url": receiver.url, "filter": {"entity": ["canal"]}}
        )
        assert answer.status_code == 201, answer.text


@asynccontextmanager
async def running_town(
    kafka: ComposeKafka, database: str, mqtt: tuple[str, int], folder: Path
) -> AsyncIterator[Town]:
    """Run the service `topics` and then every role."""
    done = await call_cli("topics", "--accounts", str(kafka.secrets / "kafka-roles"), kafka=kafka.local)
    assert done.code == 0, done.err
    town = Town(kafka, database, mqtt, folder)
    town.hook.start()
    async with AsyncExitStack() as stack:
        stack.callback(town.hook.stop)
        await stack.enter_async_context(town.client)
        await town.apply()
        # One after the other: six at a time are slow to start on a small machine.
        for role in town.roles.values():
            stack.push_async_callback(role.stop)
            await role.start()
        yield town
        assert [name for name, role in town.roles.items() if not role.running] == []


async def test_all_roles_do_their_work_with_their_own_accounts(
    database: str, mqtt: tuple[str, int], service_folder: Path
) -> None:
    make_secrets(service_folder / "secrets")
    async with (
        compose_kafka(service_folder, service_folder / "secrets") as kafka,
        running_town(kafka, database, mqtt, service_folder) as town,
        webhook_receiver() as receiver,
    ):
        await town.subscribe(receiver)
        await an_alarm_reaches_the_officer_who_acknowledges_it(town)
        await a_subscriber_gets_the_value(town, receiver)
        await a_quarantined_message_is_replayed(town)
        await the_stream_goes_on_from_its_changelog(town)
        await repairs_reach_the_stream(town)
    logs = {name: role.log.read_text() for name, role in town.roles.items()}
    refused = [line for log in logs.values() for line in log.splitlines() if "uthoriz" in line]
    assert refused == []
    passwords = [(kafka.secrets / "kafka-roles" / role).read_text().strip() for role in RIGHTS]
    assert [name for name, log in logs.items() if any(one in log for one in passwords)] == []


async def an_alarm_reaches_the_officer_who_acknowledges_it(town: Town) -> None:
    await town.measure("air", "pm2_5", 11.0)
    await town.measure("gauge", "level", 0.1)
    await town.until_state("canal", "water_level", 0.1)
    await town.measure("gauge", "level", 0.9)

    async def is_notified() -> bool:
        return bool(town.hook.accepted)

    await town.until(is_notified, "the officer is notified")
    words = town.hook.accepted[0].content["message"].split()
    link = next(word for word in words if "/v1/acknowledge/" in word)
    answer = await town.client.post(link[link.index("/v1/") :])
    assert answer.status_code == 200, answer.text

    async def is_acknowledged() -> bool:
        return [one["state"] for one in (await town.get("/v1/alarms"))["items"]] == ["acknowledged"]

    await town.until(is_acknowledged, "the alarm is acknowledged")
    incident = (await town.get("/v1/incidents"))["items"][0]["id"]
    snoozed = await town.client.post(f"/v1/incidents/{incident}/_comment", json={"comment": "on my way"})
    assert snoozed.status_code in (200, 202), snoozed.text

    async def is_stored() -> bool:
        return "sent" in {one["outcome"] for one in (await town.get("/v1/notifications"))["items"]}

    await town.until(is_stored, "the notification is stored")


async def a_subscriber_gets_the_value(town: Town, receiver: WebhookReceiver) -> None:
    async def is_received() -> bool:
        return 0.9 in [one["data"].get("value") for one in receiver.accepted_events]

    await town.until(is_received, "the webhook gets the value")


async def a_quarantined_message_is_replayed(town: Town) -> None:
    await town.publish("gauge", "no JSON")

    async def attempts() -> list[int]:
        return [one["attempts"] for one in (await town.get("/v1/quarantine"))["items"]]

    async def is_quarantined() -> bool:
        return await attempts() == [0]

    await town.until(is_quarantined, "the message is in quarantine")
    answer = await town.client.post("/v1/quarantine/_replay?feed=native")
    assert answer.status_code == 202, answer.text

    async def is_replayed() -> bool:
        return await attempts() == [1]

    await town.until(is_replayed, "the replay has an answer")


async def the_stream_goes_on_from_its_changelog(town: Town) -> None:
    stream = town.roles["stream"]
    await stream.stop(signal.SIGKILL)
    await stream.start()
    await town.measure("gauge", "level", 0.8)
    await town.until_state("canal", "water_level", 0.8)


async def repairs_reach_the_stream(town: Town) -> None:
    """The historian computes again, and writes to the stages of the stream what it has found."""
    before = (await town.get("/v1/recomputes"))["items"]
    start = format_instant(system_clock() - HOUR)
    await town.apply(
        calibrations=f"""\
calibrations:
  - {{sensor: gauge, property: water_level, offset: -0.7, from: "{start}"}}
  - {{sensor: air, property: pm2_5, offset: 5, from: "{start}"}}
"""
    )
    await town.until_state("street", "pm2_5", 16.0)

    async def is_computed() -> bool:
        items = (await town.get("/v1/recomputes"))["items"]
        return len(items) > len(before) and all(one["finishedTime"] for one in items)

    await town.until(is_computed, "the history is computed again")
    # Too late for the stream: the historian computes its windows, and what follows from them.
    await town.measure("air", "pm2_5", 40.0, age=5 * HOUR)
    local = town.kafka.local
    async with asyncio.TaskGroup() as tasks:
        for topic, is_repair in (
            (OBSERVATIONS, is_repair_of_windows),
            (ALARM_INPUTS, is_repair_of_alarms),
        ):
            found = partial(any_record, is_repair)
            tasks.create_task(read_until(local, topic, PARTITIONS, found, WAIT_S), name=topic)


def any_record(condition: Callable[[bytes], bool], records: list[ConsumerRecord]) -> bool:
    return any(condition(one.value) for one in records)


def is_repair_of_windows(value: bytes) -> bool:
    batch = OBSERVATIONS_CODEC.decode(value)
    return bool(batch.aggregates or batch.histories or batch.points)


def is_repair_of_alarms(value: bytes) -> bool:
    return bool(ALARM_INPUTS_CODEC.decode(value).corrections)
