"""While the log is unavailable or replaced, escalation goes on and nobody is notified twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cli.embedded.kafka import EmbeddedKafka
from runtime.kafka.topics import NOTIFICATIONS, create_topics, partition_counts
from storage.database import connect
from storage.historian.alarm_buffer import AlarmBuffer
from storage.historian.writers.alarm_writer import write_alarms
from tests.support.brokers.alarm_topics import notifications_until, publish_alarms
from tests.support.brokers.kafka_reader import read_until
from tests.support.payloads.alarm_events import returned_event
from tests.support.pipelines.duty_loop import POLICY, duty_alarm, duty_incident, duty_plan
from tests.support.processes.role_process import RoleProcess
from tests.support.receivers.mail_server import NotificationWebhook
from tests.support.services.service_source import PARTITIONS
from tests.support.waiting import until
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.instant import HOUR, SECOND
from twin.model.duty import (
    DutyPlan,
    EscalationPolicy,
    EscalationStep,
    NotificationChannel,
    StormLimit,
    encode_duty_plan,
)
from twin.wire.duty_messages import NOTIFICATIONS as NOTIFICATIONS_CODEC
from twin.wire.duty_messages import NotificationEvent

DEADLINE_S = 60.0

ONCE = replace(
    POLICY, steps=(EscalationStep(notify="on-call", channels=("hook",), wait=HOUR),), group_wait=SECOND // 10
)
"""Notifies the officer on call, and then nobody for an hour."""

SWIFT = replace(
    ONCE,
    steps=tuple(
        EscalationStep(notify=notify, channels=("hook",), wait=2 * SECOND)
        for notify in ("on-call", "next", "team")
    ),
    repeat=0,
)

FLOOD, FIRE, STORM, FROST = (duty_alarm("canal", rule=rule) for rule in ("flood", "fire", "storm", "frost"))


@pytest_asyncio.fixture
async def broker(service_folder: Path) -> AsyncIterator[EmbeddedKafka]:
    """A Kafka broker that tests stop and start again."""
    kafka = EmbeddedKafka(service_folder)
    await kafka.start()
    try:
        await create_topics(kafka.bootstrap, partition_counts(PARTITIONS))
        yield kafka
    finally:
        for pid in kafka.pids:
            os.kill(pid, signal.SIGCONT)
        await kafka.stop()


@pytest.fixture
def hook() -> Iterator[NotificationWebhook]:
    webhook = NotificationWebhook()
    webhook.start()
    yield webhook
    webhook.stop()


def role_of(
    broker: EmbeddedKafka, folder: Path, hook: NotificationWebhook, policy: EscalationPolicy, **more: str
) -> RoleProcess:
    channels = (NotificationChannel(id="hook", url=hook.url),)
    plan = duty_plan(policy, channels=channels, storm=StormLimit(messages=0, group="incident"))
    contacts = tuple(replace(one, addresses={"hook": one.id}) for one in plan.contacts)
    return run_by(replace(plan, contacts=contacts), broker, folder, more)


def run_by(plan: DutyPlan, broker: EmbeddedKafka, folder: Path, more: dict[str, str]) -> RoleProcess:
    path = folder / "plan.json"
    path.write_bytes(encode_duty_plan(plan))
    settings = {"CITY": "town", "KAFKA": broker.bootstrap, "STATE_DIR": str(folder), **more}
    return RoleProcess(
        "alerting", settings, folder, command=("-m", "tests.support.processes.alerting_process", str(path))
    )


def received(hook: NotificationWebhook) -> list[tuple[str, str]]:
    """Return cause and contact of the received messages."""
    return [(one.notification.split("~")[0], one.path.strip("/")) for one in hook.accepted]


def unpublished(folder: Path) -> int:
    """Return how many events of the journal are not published."""
    with closing(sqlite3.connect(folder / "alerting-town.sqlite")) as journal:
        (count,) = journal.execute("SELECT count(*) FROM untold").fetchone()
        return int(count)


def sent(notifications: list[NotificationEvent]) -> set[str]:
    return {one.notification for one in notifications if one.outcome == "sent"}


def nobody_was_notified_twice(hook: NotificationWebhook) -> None:
    counted = Counter(one.notification for one in hook.accepted)
    assert {id: count for id, count in counted.items() if count > 1} == {}


async def store(database: str, alarms: list[AlarmEvent], incidents: list[IncidentEvent]) -> None:
    """Store the events of a log that was replaced in the database."""
    batch = AlarmBuffer()
    batch.alarms = {(one.alarm, one.revision): one for one in alarms}
    batch.incidents = {(one.incident, one.revision): one for one in incidents}
    async with await connect(database, role="test") as connection:
        await write_alarms(connection, batch)
        await connection.commit()


@pytest.mark.embedded
async def test_escalation_goes_on_without_the_log_and_is_published_afterwards(
    broker: EmbeddedKafka, tmp_path: Path, hook: NotificationWebhook
) -> None:
    role = role_of(broker, tmp_path, hook, SWIFT)
    await role.start()
    try:
        await publish_alarms(broker.bootstrap, FLOOD)
        await until(lambda: ("flood", "first") in received(hook), role.log_tail)
        os.kill(broker.child.pid, signal.SIGSTOP)
        await until(lambda: ("flood", "third") in received(hook), role.log_tail)
        assert unpublished(tmp_path) > 0, "the log was available"
        os.kill(broker.child.pid, signal.SIGCONT)
        ids = {one.notification for one in hook.accepted}
        await notifications_until(broker.bootstrap, lambda notifications: sent(notifications) == ids)
        await until(lambda: unpublished(tmp_path) == 0, role.log_tail)
        await publish_alarms(broker.bootstrap, FIRE)
        await until(lambda: ("fire", "first") in received(hook), role.log_tail)
    finally:
        await role.stop()
    nobody_was_notified_twice(hook)
    # A record may be on the log twice, with the same content.
    records = await read_until(broker.bootstrap, NOTIFICATIONS, 1, lambda found: len(found) >= 2 * len(ids))
    events = {NOTIFICATIONS_CODEC.decode(one.value) for one in records}
    assert len({(one.notification, one.revision) for one in events}) == len(events)


@pytest.mark.embedded
@pytest.mark.parametrize("standby", ["false", "true"])
async def test_another_log_repeats_and_loses_no_message(
    broker: EmbeddedKafka, database: str, tmp_path: Path, hook: NotificationWebhook, standby: str
) -> None:
    role = role_of(broker, tmp_path, hook, ONCE, DATABASE=database, STANDBY=standby)
    await role.start()
    try:
        await publish_alarms(broker.bootstrap, FLOOD, FIRE)
        await until(lambda: len(hook.accepted) == 2, role.log_tail)
        await broker.stop()
        # Events of the replaced log that were never read: the flood is over, and another one followed it.
        over, again = returned_event(FLOOD), replace(FLOOD, revision=3)
        closed, opened = duty_incident(over, revision=2), duty_incident(again, number=2, revision=1)
        await store(
            database, [over, again, FIRE, STORM], [closed, opened, duty_incident(FIRE), duty_incident(STORM)]
        )
        await broker.start()
        await create_topics(broker.bootstrap, partition_counts(PARTITIONS))
        await publish_alarms(
            broker.bootstrap, FIRE, FROST
        )  # the alarm stage repeats the open alarms on the new log
        wanted = ["fire", "flood", "flood", "flood", "frost", "storm"]
        await until(lambda: sorted(cause for cause, _ in received(hook)) == wanted, lambda: received(hook))
        ids = {one.notification for one in hook.accepted}
        assert {one.split("~", 6)[6] for one in ids if one.startswith("flood~town.east~1~")} == {
            "hook",
            "hook~recovery-1",
        }
        # The events of the first two are on the replaced log, or on this one if they were too late for it.
        since = {one.notification for one in hook.accepted[2:]}
        await notifications_until(broker.bootstrap, lambda notifications: sent(notifications) >= since)
    finally:
        await role.stop()
    nobody_was_notified_twice(hook)


@asynccontextmanager
async def forwarded_port(database: str, port: int) -> AsyncIterator[None]:
    """Forward connections of a port to the database."""
    there = conninfo_to_dict(database)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_read, to_write = await asyncio.open_connection(str(there["host"]), there["port"])
        await asyncio.gather(carry(reader, to_write), carry(to_read, writer))

    async with await asyncio.start_server(connected, "127.0.0.1", port):
        yield


@pytest.mark.embedded
@pytest.mark.parametrize("restarted", [True, False])
async def test_an_unavailable_database_is_asked_again_for_the_replaced_log(
    broker: EmbeddedKafka,
    database: str,
    tmp_path: Path,
    hook: NotificationWebhook,
    free_port: int,
    *,
    restarted: bool,
) -> None:
    dsn = make_conninfo(database, host="127.0.0.1", port=free_port, sslmode="disable")
    role = role_of(broker, tmp_path, hook, ONCE, DATABASE=dsn)
    await role.start()
    try:
        await publish_alarms(broker.bootstrap, FLOOD)
        await until(lambda: len(hook.accepted) == 1, role.log_tail)
        if restarted:
            await role.stop(signal.SIGKILL)
        await store(database, [returned_event(FLOOD)], [duty_incident(returned_event(FLOOD), revision=2)])
        async with forwarded_port(database, free_port):
            if restarted:
                await role.start()
            await until(lambda: len(hook.accepted) == 2, role.log_tail)
    finally:
        await role.stop()
    assert hook.accepted[-1].content["title"].startswith("CLEARED · flood")
    nobody_was_notified_twice(hook)
