"""Incidents, notifications and statistics, with a real log and a database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaProducer

from runtime.kafka import topics
from tests.integration.api.stored_city import StoredCity, store_records
from tests.support.brokers.kafka_reader import read_until
from tests.support.payloads.alarm_events import (
    NOON,
    acknowledged_event,
    alarm_event,
    alarm_record,
    incident_event,
    notification_event,
    returned_event,
)
from twin.instant import HOUR, MINUTE, format_instant
from twin.model.city_model import CityModel
from twin.model.duty import Contact, DutyPlan
from twin.wire.duty_messages import DUTY_COMMANDS, NOTIFICATIONS

KEY = {"Authorization": "Bearer sesame"}
RAISED = alarm_event(entity="city.1", theme="environment")
KNOWN = acknowledged_event(RAISED)
OVER = returned_event(KNOWN)
AGAIN = alarm_event(
    entity="city.1", theme="environment", revision=4, occurrence=2, raised_time=NOON + HOUR, time=NOON + HOUR
)
CLOSED = incident_event(OVER, number=1, revision=2)
OPEN = incident_event(AGAIN, number=2)


async def test_closed_incidents_come_from_the_database_and_open_ones_from_memory(
    start_api: Any, kafka: str, stored: StoredCity, model: CityModel
) -> None:
    events = alarm_record(RAISED, KNOWN, OVER, AGAIN, incidents=(incident_event(RAISED), CLOSED))
    messages = [NOTIFICATIONS.encode(notification_event(number)) for number in range(3)]
    await store_records(
        stored,
        (topics.ALARMS, 0, events),
        *((topics.NOTIFICATIONS, 0, one) for one in messages),
    )
    duty = DutyPlan(contacts=(Contact(id="duty-officer-water", name="Duty officer water"),))
    async with start_api(kafka, model=replace(model, duty=duty), database=stored.dsn) as api:
        producer = AIOKafkaProducer(bootstrap_servers=kafka)
        await producer.start()
        try:
            record = alarm_record(AGAIN, incidents=(CLOSED, OPEN))
            await producer.send_and_wait(topics.ALARMS, record, partition=0)
        finally:
            await producer.stop()
        await shows_incident(api, OPEN.incident)
        client = api.client
        items = (await client.get("/v1/incidents")).json()["items"]
        assert [(one["id"], one["open"]) for one in items] == [
            (OPEN.incident, True),
            (CLOSED.incident, False),
        ]
        page = (await client.get("/v1/incidents?limit=1")).json()
        rest = (await client.get(page["_links"]["next"]["href"])).json()
        assert [one["id"] for one in (*page["items"], *rest["items"])] == [OPEN.incident, CLOSED.incident]
        assert (await client.get("/v1/incidents?open=false")).json()["items"][0]["id"] == CLOSED.incident

        page = (await client.get("/v1/notifications?limit=2", headers=KEY)).json()
        more = (await client.get(page["_links"]["next"]["href"], headers=KEY)).json()
        assert [one["step"] for one in (*page["items"], *more["items"])] == [2, 1, 0]
        assert page["items"][0]["contactName"] == "Duty officer water"
        none = await client.get("/v1/notifications?contact=nobody", headers=KEY)
        assert none.json()["items"] == []

        start, end = format_instant(NOON - MINUTE), format_instant(NOON + 2 * HOUR)
        found = await client.get(f"/v1/alarms/_statistics?start={start}&end={end}", headers=KEY)
        assert found.status_code == 200, found.text
        counted = found.json()
        assert (counted["annunciated"], counted["acknowledged"]) == (2, 1)
        assert counted["acknowledgeDelay"]["p50"] == "PT1M"
        assert counted["badActors"] == [
            {"alarmId": RAISED.alarm, "rule": "high-water", "count": 2, "share": 1.0}
        ]
        assert counted["perOperatorTenMinutes"]["rating"] == "acceptable"

        await commands_reach_the_duty_loop(api, kafka)


async def shows_incident(api: Any, id: str) -> None:
    async with asyncio.timeout(20.0):
        while api.context.hub.alarms.incident(id) is None:  # noqa: ASYNC110 - the view has no event for it
            await asyncio.sleep(0.01)


async def commands_reach_the_duty_loop(api: Any, kafka: str) -> None:
    path = f"/v1/incidents/{OPEN.incident}"
    for action, body in (
        ("snooze", {"duration": "PT1H"}),
        ("assign", {"assignee": "duty-officer-water"}),
        ("comment", {"text": "on my way"}),
    ):
        response = await api.client.post(f"{path}/_{action}", json=body, headers=KEY)
        assert response.status_code == 202, response.text
    closed = f"/v1/incidents/{CLOSED.incident}"
    response = await api.client.post(f"{closed}/_snooze", json={"duration": "PT1H"}, headers=KEY)
    assert response.status_code == 409
    records = await read_until(kafka, topics.DUTY_COMMANDS, 1, lambda found: len(found) >= 3)
    commands = [one for record in records for one in DUTY_COMMANDS.decode(record.value).commands]
    assert [(one.action, one.incident, one.actor, one.text) for one in commands] == [
        ("snooze", OPEN.incident, "operator", ""),
        ("assign", OPEN.incident, "operator", "duty-officer-water"),
        ("comment", OPEN.incident, "operator", "on my way"),
    ]
    until = commands[0].until
    assert until is not None
    assert until - commands[0].time >= HOUR - MINUTE
