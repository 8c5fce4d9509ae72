"""Two alertings: one works, the other takes over; real processes, a real log, SMTP and webhook."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from runtime.kafka.topics import DUTY_JOURNAL
from runtime.lease.lease_records import LEASE_LAYOUT
from tests.support.brokers.alarm_topics import notifications_until, publish_alarms
from tests.support.database.historian import write_records
from tests.support.payloads.alarm_events import acknowledged_event
from tests.support.pipelines.duty_loop import SWIFT_POLICY, duty_alarm, duty_plan
from tests.support.processes.role_process import RoleProcess
from tests.support.receivers.mail_server import MailServer, NotificationWebhook
from tests.support.waiting import until
from twin.model.duty import DutyPlan, NotificationChannel, StormLimit, encode_duty_plan
from twin.wire.duty_messages import NotificationEvent

pytestmark = pytest.mark.embedded

KILLS = 3


def plan_of(mails: MailServer, hook: NotificationWebhook) -> DutyPlan:
    """Return a plan that escalates every two seconds over mail and webhook."""
    channels = (
        NotificationChannel(id="mail", url=mails.url),
        NotificationChannel(id="hook", url=hook.url),
    )
    plan = duty_plan(SWIFT_POLICY, channels=channels, storm=StormLimit(messages=0, group="incident"))
    contacts = tuple(
        replace(one, addresses={"mail": f"{one.id}@town.example", "hook": one.id}) for one in plan.contacts
    )
    return replace(plan, contacts=contacts)


def alerting(name: str, kafka: str, plan: DutyPlan, folder: Path) -> RoleProcess:
    """Return one of the alertings of a city, with a folder of its own."""
    state = folder / name
    state.mkdir()
    (state / "plan.json").write_bytes(encode_duty_plan(plan))
    settings = {"CITY": "town", "KAFKA": kafka, "STATE_DIR": str(state), "STANDBY": "true"}
    command = ("-m", "tests.support.processes.alerting_process", str(state / "plan.json"))
    return RoleProcess("alerting", settings, folder, name, command)


@asynccontextmanager
async def receivers() -> AsyncIterator[tuple[MailServer, NotificationWebhook]]:
    """Run a mail server and a webhook."""
    mails, hook = MailServer(), NotificationWebhook()
    mails.start()
    hook.start()
    try:
        yield mails, hook
    finally:
        mails.stop()
        hook.stop()


def worker_of(roles: list[RoleProcess]) -> RoleProcess:
    """Return the process that said last, by its own log, that it works."""

    def last_turn(role: RoleProcess) -> str:
        lines = [line for line in role.log.read_text().splitlines() if "works now" in line]
        return lines[-1][:24] if lines else ""

    return max(roles, key=last_turn)


def told(mails: MailServer, hook: NotificationWebhook) -> Counter[str]:
    """Return how often each message arrived."""
    counts = Counter(one.notification for one in mails.mails)
    counts.update(one.notification for one in hook.accepted)
    return counts


def is_settled(events: list[NotificationEvent]) -> bool:
    """Whether each message has an outcome."""
    return all(one.outcome not in ("sending", "failed") for one in events)


def tells_of(cause: str, events: list[NotificationEvent]) -> bool:
    """Whether a message is about an incident of a cause."""
    return any(one.incident.startswith(f"{cause}~") for one in events)


async def test_a_standby_ends_when_a_newer_program_works(kafka: str, tmp_path: Path) -> None:
    async with receivers() as (mails, hook):
        role = alerting("east", kafka, plan_of(mails, hook), tmp_path)
        await role.start()
        try:
            await write_records(kafka, DUTY_JOURNAL, [msgspec.msgpack.encode((LEASE_LAYOUT + 1, "append"))])
            await until(lambda: not role.running, role.log_tail)
        finally:
            await role.stop()
    words = f"of the topic {DUTY_JOURNAL}: a record of a lease has layout {LEASE_LAYOUT + 1}"
    assert words in role.log.read_text()
    assert "upgrade this one" in role.log.read_text()


async def test_a_standby_takes_over_from_each_killed_worker(kafka: str, tmp_path: Path) -> None:
    dice = random.Random(7)
    async with receivers() as (mails, hook):
        roles = [alerting(name, kafka, plan_of(mails, hook), tmp_path) for name in ("east", "west")]
        try:
            await asyncio.gather(*(role.start() for role in roles))
            alarms = [duty_alarm("canal", rule=f"rule-{number}") for number in range(KILLS)]
            for number, alarm in enumerate(alarms):
                await publish_alarms(kafka, alarm)
                await notifications_until(kafka, partial(tells_of, alarm.cause))
                await asyncio.sleep(dice.random())
                victim = worker_of(roles)
                await victim.stop(signal.SIGKILL)
                if number < KILLS - 1:
                    await victim.start()
            events = await notifications_until(
                kafka,
                lambda events: (
                    is_settled(events)
                    and {
                        one.incident.split("~")[0]
                        for one in events
                        if one.outcome == "sent" and one.step == 2
                    }
                    == {alarm.cause for alarm in alarms}
                ),
            )
            await publish_alarms(kafka, *(acknowledged_event(one) for one in alarms), revision=2)
        finally:
            await asyncio.gather(*(role.stop() for role in roles))
        counts = told(mails, hook)
        assert {id: count for id, count in counts.items() if count > 1} == {}, "told twice"
        sent = {one.notification for one in events if one.outcome == "sent"}
        assert sent <= counts.keys(), "published as sent, and never received"
