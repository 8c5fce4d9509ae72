"""Operator commands: from HTTP to the log, through the alarm stage, and back."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from alerting.delivery.acknowledge_links import AcknowledgeLink, occurrence_digest, sign_link
from alerting.delivery.reply_codes import encode_occurrences, reply_code
from api.alarms.command_gateway import command_id
from runtime.clock import system_clock
from runtime.kafka import topics
from runtime.kafka.consumer import new_consumer
from stream.alarms.alarm_stage import AlarmStageFactory
from stream.engine.stage_seed import EMPTY_SEED
from tests.integration.api.conftest import PARTITIONS
from tests.integration.api.stored_city import StoredCity, store_records
from tests.support.cities.alarm_city import high_water_rule
from tests.support.oracles.cap_schema import element_texts, read_cap
from tests.support.payloads.alarm_events import (
    alarm_event,
    alarm_record,
    incident_event,
    notification_event,
    operand_value,
)
from twin.alarms.messages import AlarmEvent
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import EntitySelection, Level, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import HOUR
from twin.model.city_model import CityModel
from twin.model.duty import Contact, DutyPlan, NotificationChannel, WebhookTemplate
from twin.wire.duty_messages import NOTIFICATIONS
from twin.wire.messages import partition_of

RAISED = alarm_event(
    entity="city.1", theme="environment", operands=(operand_value("city.1", datastream=1, name="pm2_5"),)
)
OTHER = alarm_event(
    entity="city.2", theme="environment", operands=(operand_value("city.2", datastream=3, name="pm2_5"),)
)
PATH = f"/v1/alarms/{RAISED.alarm}"
KEY = {"Authorization": "Bearer sesame"}
DEADLINE_S = 20.0

RULE = high_water_rule(
    theme="environment",
    select=EntitySelection(types=("Neighbourhood",)),
    condition=ThresholdCondition(
        operand=Operand("pm2_5"), direction="above", levels=(Level(Severity.MAJOR, -0.3, -0.4),)
    ),
)

CONTACT = Contact(
    id="duty-officer-water", name="Duty officer water", language="nl", addresses={"sms": "+31612345678"}
)
SMS = NotificationChannel(
    id="sms",
    webhook=WebhookTemplate(
        url="https://x.example/", body={"to": "{address}", "text": "{text}"}, replies=True
    ),
)

REPLY_KEY = "the key of the provider of replies"

StartStage = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
def model(model: CityModel) -> CityModel:
    return dataclasses.replace(
        model, rules={RULE.id: RULE}, duty=DutyPlan(channels=(SMS,), contacts=(CONTACT,))
    )


@pytest.fixture
def start_stage(kafka: str, model: CityModel) -> StartStage:
    """Start the alarm stage of every partition of the log, with two known alarms."""

    @asynccontextmanager
    async def start() -> AsyncIterator[None]:
        kind = AlarmStageFactory("log", PARTITIONS, 4)
        knowledge = EMPTY_SEED._replace(alarms=[RAISED, OTHER], incidents=[incident_event(RAISED, OTHER)])
        stages = [kind.seeded(number, knowledge, model) for number in range(PARTITIONS)]
        consumer, producer = new_consumer(kafka), AIOKafkaProducer(bootstrap_servers=kafka)
        await consumer.start()
        await producer.start()

        async def work() -> None:
            while True:
                fetched = await consumer.getmany(timeout_ms=20)
                for place, records in fetched.items():
                    for record in records:
                        batch = kind.decode(record.value)
                        applied = stages[place.partition].apply(record.offset, batch, model)
                        for topic, partition, value in applied.outputs:
                            await producer.send_and_wait(topic, value, partition=partition)

        places = [TopicPartition(topics.ALARM_INPUTS, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        working = asyncio.create_task(work())
        try:
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            await consumer.stop()
            await producer.stop()

    return start


async def write_alarms(kafka: str, *alarms: AlarmEvent) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        for alarm in alarms:
            await producer.send_and_wait(
                topics.ALARMS,
                alarm_record(alarm, incidents=(incident_event(RAISED, OTHER),)),
                partition=partition_of(alarm.entity, PARTITIONS),
            )
    finally:
        await producer.stop()


async def shown(client: httpx.AsyncClient, path: str, holds: Callable[[Any], bool]) -> Any:
    """Return the document at a path once the condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            response = await client.get(path, headers=KEY)
            if response.status_code == 200 and holds(response.json()):
                return response.json()
            await asyncio.sleep(0.02)


async def test_operator_commands_pass_through_the_log_and_back(
    api: Any, kafka: str, start_stage: StartStage
) -> None:
    client = api.client
    await write_alarms(kafka, RAISED, OTHER)
    await shown(client, "/v1/alarms", lambda events: len(events["items"]) == 2)
    async with start_stage():
        done = await client.post(f"{PATH}/_acknowledge", json={"comment": "seen"}, headers=KEY)
        assert done.status_code == 200, done.text
        assert done.json()["state"] == "acknowledged"
        assert done.json()["acknowledgedBy"] == "operator"
        again = await client.post(f"{PATH}/_acknowledge", headers=KEY)
        assert again.status_code == 409
        assert "acknowledge is not possible while the alarm is acknowledged" in again.json()["detail"]

        for action, body, expected in (
            ("_assign", {"assignee": "Duty officer water"}, ("assignee", "Duty officer water")),
            ("_shelve", {"duration": "PT1H"}, ("state", "shelved")),
            ("_unshelve", None, ("state", "acknowledged")),
            ("_comment", {"text": "on my way"}, ("state", "acknowledged")),
            ("_remove", None, ("state", "out-of-service")),
            ("_restore", None, ("state", "acknowledged")),
        ):
            response = await client.post(f"{PATH}/{action}", json=body, headers=KEY)
            assert response.status_code == 200, response.text
            name, value = expected
            assert response.json()[name] == value
        assert (await client.post(f"{PATH}/_reset", headers=KEY)).status_code == 409
        incident = f"/v1/incidents/{incident_event(RAISED, OTHER).incident}"
        all_at_once = await client.post(f"{incident}/_acknowledge", headers=KEY)
        assert all_at_once.status_code == 200, all_at_once.text
        assert all_at_once.json()["acknowledged"] == [OTHER.alarm]
        assert {one["state"] for one in all_at_once.json()["alarms"]} == {"acknowledged"}
        wrong = await client.post(f"{PATH}/_acknowledge", json={"occurrence": 7}, headers=KEY)
        assert wrong.status_code == 409


async def test_a_command_with_the_same_key_is_done_once(
    api: Any, kafka: str, start_stage: StartStage
) -> None:
    await write_alarms(kafka, RAISED)
    await shown(api.client, "/v1/alarms", lambda events: len(events["items"]) == 1)
    headers = {**KEY, "Idempotency-Key": "once"}
    async with start_stage():
        answers = await asyncio.gather(
            *(api.client.post(f"{PATH}/_comment", json={"text": "hello"}, headers=headers) for _ in range(3))
        )
        later = await api.client.post(f"{PATH}/_comment", json={"text": "hello"}, headers=headers)
    assert [one.status_code for one in (*answers, later)] == [200] * 4
    assert {one.json()["revision"] for one in (*answers, later)} == {later.json()["revision"]}


async def test_a_command_is_accepted_without_the_stage_and_done_once_it_runs(
    api: Any, kafka: str, start_stage: StartStage
) -> None:
    await write_alarms(kafka, RAISED)
    await shown(api.client, PATH, lambda events: events["state"] == "unacknowledged")
    api.context.command_gateway.answer_wait_s = 0.1
    response = await api.client.post(f"{PATH}/_acknowledge", headers=KEY)
    assert response.status_code == 202
    assert response.json()["_links"]["alarm"]["href"] == PATH
    async with start_stage():
        await shown(api.client, PATH, lambda events: events["state"] == "acknowledged")


async def test_events_come_from_the_database_and_the_newest_from_memory(
    start_api: Any, kafka: str, stored: StoredCity
) -> None:
    await store_records(stored, (topics.ALARMS, 0, alarm_record(RAISED)))
    newer = alarm_event(entity="city.1", revision=2, kind="commented", actor="anna", text="hello")
    async with start_api(kafka, database=stored.dsn) as api:
        await write_alarms(kafka, newer)
        await shown(api.client, PATH, lambda events: events["revision"] == 2)
        events = (await api.client.get(f"{PATH}/events", headers=KEY)).json()["items"]
        assert [(one["revision"], one["kind"], one["actor"], one["text"]) for one in events] == [
            (2, "commented", "anna", "hello"),
            (1, "raised", None, None),
        ]
        assert events[1]["explanation"]["operands"][0]["value"] == -0.25
        public = (await api.client.get(f"{PATH}/events")).json()["items"]
        assert (public[0]["actor"], public[0]["text"]) == (None, None)
        alert = read_cap((await api.client.get(f"{PATH}/cap")).content)
        assert element_texts(alert, "identifier") == [f"{RAISED.alarm}.1.1"], (
            "a comment is no news to the public"
        )
        page = (await api.client.get(f"{PATH}/events?limit=1", headers=KEY)).json()
        assert page["_links"]["next"]["href"]


async def test_a_command_done_by_another_process_is_found_in_the_stored_events(
    start_api: Any, kafka: str, stored: StoredCity
) -> None:
    done = command_id("operator", RAISED.alarm, "comment", "k")
    event = alarm_event(entity="city.1", revision=2, kind="commented", actor="operator", command=done)
    await store_records(stored, (topics.ALARMS, 0, alarm_record(RAISED, event)))
    async with start_api(kafka, database=stored.dsn) as api:
        api.context.command_gateway.answer_wait_s = 0.1
        for key, status in (("k", 200), ("other", 202)):
            headers = {**KEY, "Idempotency-Key": key}
            response = await api.client.post(f"{PATH}/_comment", json={"text": "hello"}, headers=headers)
            assert response.status_code == status, response.text


async def test_a_link_acknowledges_only_by_its_button(
    start_api: Any, kafka: str, start_stage: StartStage
) -> None:
    async with start_api(kafka, link_key="links") as api, start_stage():
        await write_alarms(kafka, RAISED, OTHER)
        await shown(api.client, "/v1/alarms", lambda events: len(events["items"]) == 2)
        incident = incident_event(RAISED, OTHER).incident
        told = frozenset(map(occurrence_digest, (RAISED, OTHER)))
        token = sign_link(b"links", AcknowledgeLink(incident, CONTACT.id, system_clock() + HOUR, told))
        path = f"/v1/acknowledge/{token}"
        looked = await api.client.get(path)
        assert looked.status_code == 200
        assert "<button>" in looked.text
        assert (await api.client.get(PATH)).json()["state"] == "unacknowledged"
        pressed = await api.client.post(path)
        assert pressed.status_code == 200
        assert "Uw bevestiging is vastgelegd" in pressed.text
        alarm = (await api.client.get(PATH, headers=KEY)).json()
        assert (alarm["state"], alarm["acknowledgedBy"]) == ("acknowledged", CONTACT.name)
        again = await api.client.post(path)
        assert "Er wacht geen alarm meer" in again.text
        assert "<button>" not in again.text


async def test_a_reply_acknowledges_what_its_message_told(
    start_api: Any, kafka: str, start_stage: StartStage, stored: StoredCity
) -> None:
    now = system_clock()
    message = notification_event(
        notification="first-message",
        incident=incident_event(RAISED, OTHER).incident,
        contact=CONTACT.id,
        channel=SMS.id,
        time=now,
        due_time=now,
        answerable=encode_occurrences([occurrence_digest(RAISED)]),
    )
    other = notification_event(
        notification="other", contact=CONTACT.id, channel=SMS.id, time=now, due_time=now
    )
    records = [(topics.NOTIFICATIONS, 0, NOTIFICATIONS.encode(one)) for one in (message, other)]
    await store_records(stored, *records)
    settings = {"database": stored.dsn, "link_key": "links", "reply_key": REPLY_KEY}
    async with start_api(kafka, **settings) as api, start_stage():
        await write_alarms(kafka, RAISED, OTHER)
        await shown(api.client, "/v1/alarms", lambda events: len(events["items"]) == 2)

        async def send(notification: str) -> dict[str, Any]:
            form = {"From": "0031 612345678", "Body": f"ok {reply_code(b'links', notification).lower()}"}
            path = "/v1/acknowledge-replies?sender=From&text=Body"
            answer = await api.client.post(path, data=form, headers={"Authorization": f"Bearer {REPLY_KEY}"})
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        assert (await send("other"))["outcome"] == "unknown-code", "its channel took no replies then"
        for _ in range(2):
            found = await send("first-message")
            assert (found["outcome"], found["answer"]) == (
                "acknowledged",
                "Dank u. Uw bevestiging is vastgelegd. "
                "Andere alarmen van dit incident wachten nog, of zijn erger geworden: kijk op de pagina.",
            )
        alarm = (await api.client.get(PATH, headers=KEY)).json()
        assert (alarm["state"], alarm["acknowledgedBy"]) == ("acknowledged", CONTACT.name)
        later = (await api.client.get(f"/v1/alarms/{OTHER.alarm}")).json()
        assert later["state"] == "unacknowledged", "the message did not tell of it"
