"""Events of alarms, incidents and notifications: stored once, the newest of each, and removed."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from msgspec.structs import replace

from runtime.kafka import topics
from storage.database import Connection, connect
from storage.historian.alarm_buffer import AlarmBuffer
from storage.historian.writers.alarm_writer import write_alarms
from storage.maintenance.retention import remove_alarms
from storage.stores.alarms import (
    find_incident,
    read_alarm_transitions,
    read_last_incidents,
    read_newest_alarms,
    read_stored_alarm_events,
    read_stored_incidents,
    read_stored_notifications,
)
from storage.stores.list_position import ListPosition
from tests.integration.storage.test_query_indexes import indexes, plan_of
from tests.support.database.historian import (
    fetch_rows,
    historian_settings,
    running_historian,
    until_stored,
    write_records,
)
from tests.support.payloads.alarm_events import (
    NOON,
    acknowledged_event,
    alarm_event,
    alarm_record,
    incident_event,
    notification_event,
    returned_event,
)
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.instant import DAY, HOUR, MINUTE, to_datetime
from twin.wire.duty_messages import NOTIFICATIONS, NotificationEvent

RAISED = alarm_event()
KNOWN = acknowledged_event(RAISED)
OVER = returned_event(KNOWN)


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def write(
    connection: Connection,
    alarms: list[AlarmEvent] | None = None,
    incidents: list[IncidentEvent] | None = None,
    messages: list[NotificationEvent] | None = None,
) -> None:
    batch = AlarmBuffer()
    batch.alarms = {(one.alarm, one.revision): one for one in alarms or []}
    batch.incidents = {(one.incident, one.revision): one for one in incidents or []}
    batch.notifications = {(one.notification, one.revision): one for one in messages or []}
    async with connection.transaction():
        await write_alarms(connection, batch)
    await connection.commit()


async def test_events_of_alarms_are_stored_once_in_their_tables(kafka: str, database: str) -> None:
    opened, closed = incident_event(RAISED), incident_event(OVER, revision=2)
    shelved = alarm_event("silent", sensor="level-1", shelved_until=NOON + HOUR, operands=())
    records = [
        alarm_record(RAISED, shelved, incidents=(opened,)),
        alarm_record(KNOWN),
        alarm_record(OVER, incidents=(closed,)),
        b"\xc1",
    ]
    sending = replace(notification_event(), outcome="sending", detail="no\0")
    sent = notification_event(revision=2)
    await write_records(kafka, topics.ALARMS, records)
    await write_records(kafka, topics.NOTIFICATIONS, [NOTIFICATIONS.encode(one) for one in (sending, sent)])
    async with running_historian(historian_settings(kafka, database)):
        await until_stored(kafka, database)
    # All events again, as a killed stage emits them; then with an unconfirmed first commit.
    await write_records(kafka, topics.ALARMS, [*records[:1], alarm_record(KNOWN, incidents=(opened,))])
    async with running_historian(historian_settings(kafka, database)):
        await until_stored(kafka, database)
    async with await connect(database, role="test") as connection:
        assert sorted(await read_newest_alarms(connection), key=lambda one: one.alarm) == [OVER, shelved]
        assert await read_last_incidents(connection) == [closed]
        assert await read_stored_alarm_events(connection, RAISED.alarm, before=None, limit=9) == [
            OVER,
            KNOWN,
            RAISED,
        ]
        assert await read_stored_alarm_events(connection, RAISED.alarm, before=3, limit=1) == [KNOWN]
        assert await read_stored_notifications(connection, before=None, limit=9) == [sent]
    assert await fetch_rows(database, "SELECT count(*) FROM incident_event") == [(2,)]
    assert await fetch_rows(database, "SELECT detail FROM notification_event ORDER BY revision") == [
        ("no\N{SYMBOL FOR NULL}",),
        ("",),
    ]
    assert await fetch_rows(database, "SELECT topic FROM quarantine") == [("log:alarms/3",)]


async def test_any_order_of_writing_yields_the_same_rows(connection: Connection) -> None:
    events = [RAISED, KNOWN, OVER]
    for seed in range(6):
        random.Random(seed).shuffle(events)
        for event in events:
            await write(connection, [event])
        assert await read_newest_alarms(connection) == [OVER]


async def test_open_incidents_and_the_last_of_each_cause_and_area_are_read(
    connection: Connection,
) -> None:
    incidents = [incident_event(OVER, number=number) for number in (1, 2, 9, 10)]
    reopened = incident_event(RAISED, number=3)
    elsewhere = incident_event(replace(OVER, area="city.east"), number=4)
    await write(connection, incidents=[*incidents, reopened, elsewhere])
    found = {one.incident for one in await read_last_incidents(connection)}
    assert found == {"high-water~city~10", "high-water~city~3", "high-water~city.east~4"}


async def test_incidents_are_read_in_pages_and_filtered(connection: Connection) -> None:
    incidents = [
        incident_event(replace(RAISED, raised_time=NOON + n * MINUTE), number=n, open=n % 2 == 0)
        for n in range(1, 6)
    ]
    await write(connection, incidents=incidents)
    first = await read_stored_incidents(connection, before=None, limit=2)
    rest = await read_stored_incidents(
        connection, before=ListPosition(first[-1].opened_time, first[-1].incident), limit=9, themes=["water"]
    )
    assert [*first, *rest] == incidents[::-1]
    assert await read_stored_incidents(connection, before=None, limit=9, open=True, areas=["city"]) == [
        incidents[3],
        incidents[1],
    ]
    assert await read_stored_incidents(connection, before=None, limit=9, causes=["fire"]) == []
    assert await find_incident(connection, incidents[0].incident) == incidents[0]
    assert await find_incident(connection, "none") is None


async def test_the_messages_in_a_digest_are_found(connection: Connection) -> None:
    alone, first, second = (notification_event(n, digest="" if n == 1 else "digest~1") for n in (1, 2, 3))
    digest = notification_event(4, notification="digest~1", incident="", kind="digest")
    await write(connection, messages=[alone, first, second, digest])
    assert await read_stored_notifications(connection, before=None, limit=9, digest="digest~1") == [
        second,
        first,
    ]


async def test_notifications_are_filtered_by_incident_contact_and_outcome(connection: Connection) -> None:
    notifications = [
        notification_event(n, outcome="failed" if n == 2 else "sent", contact=f"officer-{n % 2}")
        for n in range(1, 5)
    ]
    await write(connection, messages=notifications)
    found = await read_stored_notifications(connection, before=None, limit=9, incident="high-water~city~1")
    assert found == notifications[::-1]
    assert await read_stored_notifications(connection, before=None, limit=9, outcomes=["failed"]) == [
        notifications[1]
    ]
    assert await read_stored_notifications(connection, before=None, limit=9, contact="officer-1") == [
        notifications[2],
        notifications[0],
    ]
    place = ListPosition(notifications[2].due_time, notifications[2].notification)
    assert await read_stored_notifications(connection, before=place, limit=1) == [notifications[1]]


async def test_transitions_exclude_alarms_that_were_not_notified(connection: Connection) -> None:
    aside = alarm_event("aside", state="shelved")
    await write(connection, [RAISED, KNOWN, replace(OVER, kind="commented"), aside])
    found = await read_alarm_transitions(connection, NOON, NOON + HOUR)
    assert [(one.alarm, one.kind) for one in found] == [
        (RAISED.alarm, "raised"),
        (RAISED.alarm, "acknowledged"),
    ]
    assert await read_alarm_transitions(connection, NOON + HOUR, NOON + 2 * HOUR) == []


async def test_old_events_are_removed_and_the_newest_stay(connection: Connection) -> None:
    later = replace(OVER, revision=9, told_time=NOON + 40 * DAY)
    incidents = [
        incident_event(OVER, number=1),
        incident_event(OVER, number=2),
        incident_event(RAISED, number=3, area="other"),
    ]
    await write(
        connection, [RAISED, KNOWN, OVER, later], incidents, [notification_event(n) for n in (1, 2, 3)]
    )
    removed = await remove_alarms(connection, NOON + DAY, 2)
    assert removed == 3 + 3 + 3 + 3 + 1
    assert await read_newest_alarms(connection) == [later]
    assert await read_stored_alarm_events(connection, RAISED.alarm, before=None, limit=9) == [later]
    assert {one.incident for one in await read_last_incidents(connection)} == {
        incidents[1].incident,
        incidents[2].incident,
    }
    assert await read_stored_notifications(connection, before=None, limit=9) == []
    assert await remove_alarms(connection, NOON + DAY, 2) == 0


async def fill(connection: Connection) -> None:
    alarms = [
        alarm_event(f"rule-{n % 200}", revision=1 + n // 200, told_time=NOON + n * MINUTE)
        for n in range(6_000)
    ]
    incidents = [
        incident_event(replace(OVER, raised_time=NOON + n * MINUTE, cause=f"c{n % 20}"), number=n)
        for n in range(4_000)
    ]
    messages = [notification_event(n, incident=f"i{n % 100}") for n in range(4_000)]
    await write(connection, alarms, incidents, messages)
    await connection.execute("ANALYZE")


@pytest.mark.parametrize(
    ("name", "parameters", "index"),
    [
        (
            "stores/alarms/list_alarm_events",
            {"alarm": "rule-7~city.canal", "before": 20, "amendment": 0, "limit": 10},
            "alarm_event_pkey",
        ),
        (
            "stores/alarms/list_alarm_transitions",
            {"start": to_datetime(NOON), "end": to_datetime(NOON + HOUR), "limit": 100_000},
            "alarm_event_by_time",
        ),
        (
            "stores/alarms/list_incidents",
            {
                **dict.fromkeys(("open", "themes", "severities", "causes", "areas")),
                "before_time": to_datetime(NOON + DAY),
                "before_id": "",
                "limit": 20,
            },
            "incident_newest",
        ),
        (
            "stores/alarms/list_notifications",
            {
                "incident": "i7",
                **dict.fromkeys(("digest", "contact", "outcomes", "before_time", "before_id")),
                "limit": 20,
            },
            "notification_newest_of_incident",
        ),
        (
            "stores/alarms/list_notifications",
            {
                **dict.fromkeys(("incident", "digest", "contact", "outcomes", "before_time", "before_id")),
                "limit": 20,
            },
            "notification_newest",
        ),
        (
            "stores/alarms/list_notifications",
            {
                "digest": "d7",
                **dict.fromkeys(("incident", "contact", "outcomes", "before_time", "before_id")),
                "limit": 20,
            },
            "notification_newest_of_digest",
        ),
    ],
)
async def test_alarm_queries_read_in_the_order_of_their_index(
    connection: Connection, name: str, parameters: dict[str, object], index: str
) -> None:
    await fill(connection)
    nodes = await plan_of(connection, name, parameters)
    assert index in indexes(nodes), json.dumps(nodes, indent=1)
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
