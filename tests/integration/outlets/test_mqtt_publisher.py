"""MQTT out, on a real log and a real Mosquitto."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli.embedded.mosquitto import EmbeddedMosquitto
from runtime.mqtt.outlet_topics import OutletTopics
from tests.integration.api.live.test_live_alarms import write_alarms
from tests.support.brokers.mqtt_publisher import publish
from tests.support.brokers.mqtt_subscriber import TopicSubscriber, follow_topics
from tests.support.payloads.alarm_events import acknowledged_event, alarm_event, operand_value, returned_event
from tests.support.waiting import WAIT_S

RETAINED = OutletTopics("city").filters
RAISED = alarm_event(
    entity="city.1", theme="environment", operands=(operand_value("city.1", datastream=3, name="pm2_5"),)
)
OVER = returned_event(acknowledged_event(RAISED))
ALARM = f"livetwin/city/alarms/{RAISED.alarm}"


def topic_of(entity: str) -> str:
    return f"livetwin/city/entities/{entity}/state"


async def until(watcher: TopicSubscriber, holds: Callable[[], bool]) -> None:
    """Wait until the received messages satisfy a condition; fail with the last ones."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not holds():  # noqa: ASYNC110 - paho has its own thread
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(watcher.messages[-20:]) from None


def revision(watcher: TopicSubscriber, entity: str) -> int:
    """Return the last published revision; 0 before the first."""
    published = watcher.on_topic(topic_of(entity))
    return int(published[-1].content["revision"]) if published else 0


async def test_the_retained_state_equals_the_answer_of_the_api(
    api: Any, kafka: str, mqtt: tuple[str, int], log: Any, start_outlets: Any
) -> None:
    await log.write_updates("city.1", "city.2", "city.1")
    async with start_outlets(kafka, mqtt):
        with follow_topics(mqtt, *RETAINED) as watcher:
            await until(
                watcher, lambda: revision(watcher, "city.1") == 2 and bool(revision(watcher, "city.2"))
            )
        await api.shows(2)
        with follow_topics(mqtt, *RETAINED) as watcher:
            await until(watcher, lambda: len(watcher.messages) >= 2)
        for entity in ("city.1", "city.2"):
            (published,) = watcher.on_topic(topic_of(entity))
            answer = await api.client.get(f"/v1/entities/{entity}/state")
            assert published.retained
            assert published.content == answer.json()


async def test_readings_of_a_household_are_not_published(
    kafka: str, mqtt: tuple[str, int], log: Any, start_outlets: Any
) -> None:
    async with start_outlets(kafka, mqtt):
        with follow_topics(mqtt, *RETAINED) as watcher:
            await log.write_updates("city.7", "city.1")
            await until(watcher, lambda: revision(watcher, "city.1") == 1)
            published = [one.content for one in watcher.on_topic(topic_of("city.7"))]
    assert all(one["properties"] == {} and one["datastreams"] == [] for one in published), published


async def test_an_entity_is_published_at_most_once_a_period_with_its_newest_state(
    kafka: str, mqtt: tuple[str, int], log: Any, start_outlets: Any
) -> None:
    await log.write_updates("city.1")
    async with start_outlets(kafka, mqtt, outlet_period_s=3600):
        with follow_topics(mqtt, *RETAINED) as watcher:
            await until(watcher, lambda: revision(watcher, "city.1") == 1)
            await log.write_updates(*["city.1"] * 20)
            await write_alarms(kafka, RAISED)
            await until(watcher, lambda: bool(watcher.on_topic(ALARM)))
            assert revision(watcher, "city.1") == 1, "an alarm does not wait, a state does"
    async with start_outlets(kafka, mqtt):
        with follow_topics(mqtt, *RETAINED) as watcher:
            await until(watcher, lambda: revision(watcher, "city.1") == 21)


async def test_an_alarm_does_not_wait_for_waiting_states(
    kafka: str, mqtt: tuple[str, int], log: Any, start_outlets: Any
) -> None:
    entities = [f"city.{number}" for number in range(1, 7)]
    await log.write_updates(*entities)
    async with start_outlets(kafka, mqtt, outlet_messages_per_s_max=2):
        with follow_topics(mqtt, *RETAINED) as watcher:
            await until(watcher, lambda: bool(watcher.messages))
            await write_alarms(kafka, RAISED)
            await until(watcher, lambda: all(revision(watcher, one) for one in entities))
            states = [one.topic for one in watcher.messages if one.topic != ALARM]
            assert sorted(states) == sorted(map(topic_of, entities)), "each once"
            assert watcher.messages[-1].topic != ALARM


async def test_an_alarm_is_retained_until_it_is_normal(
    api: Any, kafka: str, mqtt: tuple[str, int], start_outlets: Any
) -> None:
    async with start_outlets(kafka, mqtt), api.follow() as events:
        await events.snapshot()
        with follow_topics(mqtt, *RETAINED) as watcher:
            await write_alarms(kafka, RAISED)
            await until(watcher, lambda: bool(watcher.on_topic(ALARM)))
            _, _, data = await events.next()
            assert watcher.on_topic(ALARM)[0].content == data
            await write_alarms(kafka, acknowledged_event(RAISED), OVER)
            await until(watcher, lambda: watcher.on_topic(ALARM)[-1].content is None)
            assert watcher.on_topic(ALARM)[-2].content["state"] == "normal", (
                "subscribers get the end of the alarm"
            )
        with follow_topics(mqtt, *RETAINED) as watcher:
            await write_alarms(kafka, other := alarm_event("other", entity="city.2", operands=()))
            await until(watcher, lambda: bool(watcher.messages))
            assert [one.topic for one in watcher.messages] == [f"livetwin/city/alarms/{other.alarm}"]


async def test_outdated_messages_are_cleared_after_a_restart(
    kafka: str, mqtt: tuple[str, int], log: Any, start_outlets: Any
) -> None:
    async with start_outlets(kafka, mqtt):
        with follow_topics(mqtt, *RETAINED) as watcher:
            await log.write_updates("city.1")
            await write_alarms(kafka, RAISED)
            await until(watcher, lambda: bool(watcher.on_topic(ALARM)) and revision(watcher, "city.1") == 1)
    await write_alarms(kafka, acknowledged_event(RAISED), OVER)
    with follow_topics(mqtt, *RETAINED) as watcher:
        await until(watcher, lambda: bool(watcher.on_topic(ALARM)) and revision(watcher, "city.1") == 1)
        async with start_outlets(kafka, mqtt):
            await until(watcher, lambda: watcher.on_topic(ALARM)[-1].content is None)
            await log.write_updates("city.2")
            await until(watcher, lambda: revision(watcher, "city.2") == 1)
    assert len(watcher.on_topic(topic_of("city.1"))) == 1, "a retained message is not sent again"


async def test_a_broker_gets_the_newest_states_after_an_outage(
    kafka: str, service_folder: Path, log: Any, start_outlets: Any
) -> None:
    (service_folder / "again").mkdir(mode=0o755)
    broker = EmbeddedMosquitto(service_folder / "again")
    await broker.start()
    address = "127.0.0.1", broker.port
    try:
        async with start_outlets(kafka, address):
            with follow_topics(address, *RETAINED) as watcher:
                await log.write_updates("city.1", "city.2")
                await write_alarms(kafka, RAISED)
                await until(
                    watcher, lambda: revision(watcher, "city.2") == 1 and bool(watcher.on_topic(ALARM))
                )
            await broker.stop()
            await log.write_updates("city.1", "city.1")
            await write_alarms(kafka, acknowledged_event(RAISED), OVER)
            await broker.start()
            with follow_topics(address, *RETAINED) as watcher:
                await until(watcher, lambda: revision(watcher, "city.1") == 3)
                await until(
                    watcher,
                    lambda: not watcher.on_topic(ALARM) or watcher.on_topic(ALARM)[-1].content is None,
                )
    finally:
        await broker.stop()


async def test_unknown_alarms_are_cleared_once_the_view_is_seeded_from_the_database(
    kafka: str, mqtt: tuple[str, int], log: Any, stored: Any, start_outlets: Any
) -> None:
    gone = [topic_of("city.99"), "livetwin/city/alarms/gone~city.1"]
    await log.write_updates("city.1")
    with follow_topics(mqtt, *RETAINED) as watcher:
        publish(mqtt, [(one, b"{}") for one in gone], retain=True)
        async with start_outlets(kafka, mqtt):
            await until(watcher, lambda: revision(watcher, "city.1") == 1)
            await until(watcher, lambda: watcher.on_topic(gone[0])[-1].content is None)
        assert len(watcher.on_topic(gone[1])) == 1
        async with start_outlets(kafka, mqtt, stored.model, database=stored.dsn):
            await until(watcher, lambda: watcher.on_topic(gone[1])[-1].content is None)
