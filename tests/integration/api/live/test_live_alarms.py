"""Alarms in the event stream of a running api: snapshot, changes, resuming from memory and from the log."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from runtime.kafka import topics
from tests.integration.api.conftest import PARTITIONS
from tests.integration.api.stored_city import store_records
from tests.support.payloads.alarm_events import (
    acknowledged_event,
    alarm_event,
    alarm_record,
    incident_event,
    operand_value,
    returned_event,
)
from twin.alarms.messages import AlarmEvent
from twin.wire.messages import partition_of

RAISED = alarm_event(
    entity="city.1", theme="environment", operands=(operand_value("city.1", datastream=1, name="pm2_5"),)
)
KNOWN = acknowledged_event(RAISED, "somebody")
OVER = returned_event(KNOWN)


async def write_alarms(kafka: str, *alarms: AlarmEvent, together: bool = False) -> None:
    """Write alarms like their stage, in one record each or all in one."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        for record in [alarms] if together else [(one,) for one in alarms]:
            partition = partition_of(record[0].entity, PARTITIONS)
            await producer.send_and_wait(topics.ALARMS, alarm_record(*record), partition=partition)
    finally:
        await producer.stop()


async def test_standing_alarms_are_in_the_snapshot_and_every_change_is_sent(
    api: Any, kafka: str, log: Any
) -> None:
    await log.write_updates("city.1")
    await write_alarms(kafka, RAISED, alarm_event("gone", entity="city.1", state="normal", active=False))
    async with api.follow() as events:
        await events.snapshot()
    await api.shows(1)
    async with api.follow() as events:
        shown = [data for _, _, data in await events.snapshot()]
        assert [one.get("alarmId") or one["property"] for one in shown] == [RAISED.alarm, "pm2_5"]
        await write_alarms(kafka, KNOWN, KNOWN, OVER)
        received = [await events.next() for _ in range(2)]
    assert [(name, data["state"], data["revision"]) for _, name, data in received] == [
        ("alarm", "acknowledged", 2),
        ("alarm", "normal", 3),
    ]
    assert received[0][2]["operands"][0]["value"] == -0.25
    assert "somebody" not in str(received), "who did it is not for everybody"


@pytest.mark.parametrize("ring_events_max", [1, 1_000])
async def test_a_cursor_covers_alarms_and_states_alike(
    start_api: Any, kafka: str, log: Any, ring_events_max: int
) -> None:
    async with start_api(kafka, ring_events_max=ring_events_max) as api:
        async with api.follow() as events:
            await events.snapshot()
            await write_alarms(kafka, RAISED, KNOWN, together=True)
            cursor, name, data = await events.next()
            assert (name, data["revision"]) == ("alarm", 1)
        await log.write_updates("city.1", "city.2")
        await write_alarms(kafka, RAISED, OVER)
        await log.write_updates("city.1")
        async with api.follow(cursor) as events:
            missed = [await events.next() for _ in range(5)]
            await log.write_updates("city.3")
            assert (await events.next())[2]["entityId"] == "city.3"
        async with api.follow(cursor, events="alarm") as events:
            alarms = [await events.next() for _ in range(2)]
    assert sorted((name, data["entityId"], data["revision"]) for _, name, data in missed) == [
        ("alarm", "city.1", 2),
        ("alarm", "city.1", 3),
        ("state", "city.1", 1),
        ("state", "city.1", 2),
        ("state", "city.2", 1),
    ]
    assert [(name, data["revision"]) for _, name, data in alarms] == [("alarm", 2), ("alarm", 3)]


async def test_events_of_one_kind_can_be_chosen(api: Any, kafka: str, log: Any) -> None:
    async with api.follow(events="snapshot,alarm") as alarms, api.follow(events="snapshot,state") as states:
        await alarms.snapshot()
        await states.snapshot()
        await log.write_updates("city.1")
        await write_alarms(kafka, RAISED)
        await log.write_updates("city.2")
        assert (await alarms.next())[2]["alarmId"] == RAISED.alarm
        assert {(await states.next())[2]["entityId"] for _ in range(2)} == {"city.1", "city.2"}
    async with api.follow(events="snapshot,alarm") as alarms, api.follow(events="snapshot,state") as states:
        assert [one["alarmId"] for _, _, one in await alarms.snapshot()] == [RAISED.alarm]
        assert {"alarmId" in one for _, _, one in await states.snapshot()} == {False}


async def test_the_alarm_of_a_household_s_meter_is_sent_to_no_subscriber(api: Any, kafka: str) -> None:
    async with api.follow() as events:
        await events.snapshot()
        await write_alarms(kafka, alarm_event("silent", entity="city.7", sensor="s-city.7", operands=()))
        reading = operand_value("city.7", datastream=15, name="voltage_l1", value=253.5)
        await write_alarms(
            kafka, alarm_event("voltage", entity="city.7", operands=(reading,), sentence_en="253.5 V")
        )
        _, _, data = await events.next()
    assert data["alarmId"] == "voltage~city.7"
    assert data["operands"][0]["value"] is None
    assert data["sentence"] == {"en": "voltage", "nl": "voltage"}


async def test_alarms_survive_a_lost_log_in_the_database(start_api: Any, kafka: str, stored: Any) -> None:
    record = alarm_record(RAISED, KNOWN, incidents=(incident_event(KNOWN),))
    await store_records(stored, (topics.ALARMS, 0, record))
    async with start_api(kafka, stored.model, database=stored.dsn) as api:
        async with api.follow() as events:
            ((_, _, shown),) = await events.snapshot()
            await write_alarms(kafka, KNOWN, OVER)
            _, _, received = await events.next()
        assert api.context.hub.alarms.incident_of(RAISED.alarm) == "high-water~city~1"
    assert (shown["state"], received["state"]) == ("acknowledged", "normal")


async def test_the_episodes_of_an_alarm_are_those_that_its_events_leave(
    start_api: Any, kafka: str, stored: Any
) -> None:
    record = alarm_record(RAISED, KNOWN, OVER, incidents=(incident_event(KNOWN),))
    await store_records(stored, (topics.ALARMS, 0, record))
    async with start_api(kafka, stored.model, database=stored.dsn) as api:
        path = f"/v1/alarms/{RAISED.alarm}"
        span = {"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}
        found = (await api.client.get(f"{path}/episodes", params=span)).json()["items"]
        events = (await api.client.get(f"{path}/events", params={"limit": 2})).json()
        rest = (await api.client.get(events["_links"]["next"]["href"])).json()
    assert [(one["alarmId"], one["raisedTime"] is not None, one["severity"]) for one in found] == [
        (RAISED.alarm, True, OVER.severity.word)
    ]
    assert [one["revision"] for one in events["items"] + rest["items"]] == [3, 2, 1]
    assert {one["amendment"] for one in events["items"]} == {0}
