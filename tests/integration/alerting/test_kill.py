"""The duty loop is killed at random moments, and right before and after messages are sent."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.brokers.alarm_topics import notifications_until, publish_alarms
from tests.support.payloads.alarm_events import acknowledged_event
from tests.support.pipelines.duty_loop import SWIFT_POLICY, duty_alarm, duty_plan
from tests.support.processes.role_process import RoleProcess
from tests.support.receivers.mail_server import Behaviour, MailServer, NotificationWebhook
from twin.alarms.messages import AlarmEvent
from twin.instant import SECOND
from twin.model.duty import DutyPlan, NotificationChannel, StormLimit, encode_duty_plan
from twin.wire.duty_messages import NotificationEvent

INCIDENTS = 4
KILLS = 4


class Moments:
    """Kills the role at random moments: when a request arrives, when it is answered, or at any time."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.victim: RoleProcess | None = None
        self.kills = 0
        self._lock = threading.Lock()

    def perhaps(self, _: str = "") -> None:
        with self._lock:
            if self.kills < KILLS and self.victim is not None and self.dice.random() < 0.25:
                self.kills += 1
                self.victim.kill()

    def behaviour(self, _: str) -> Behaviour:
        with self._lock:
            return self.dice.choices(("accept", "refuse", "hang", "drop"), (6, 2, 1, 1))[0]


def events() -> list[AlarmEvent]:
    return [duty_alarm("canal", rule=f"rule-{number}") for number in range(INCIDENTS)]


def causes(notifications: list[NotificationEvent], *outcomes: str) -> set[str]:
    """Return the causes of the incidents of which a message has one of the outcomes."""
    of_incidents = (one for one in notifications if one.kind != "digest")
    return {one.incident.split("~")[0] for one in of_incidents if one.outcome in outcomes}


@asynccontextmanager
async def kept(role: RoleProcess, moments: Moments) -> AsyncIterator[None]:
    """Start a role again whenever it was killed; do not kill it before it is ready."""

    async def keep() -> None:
        while True:
            if not role.running:
                moments.victim = None
                await role.stop(signal.SIGKILL)
                await role.start()
                moments.victim = role
            await asyncio.sleep(0.05)
            if moments.dice.random() < 0.02:
                moments.perhaps()

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await role.stop()


def plan_of(mails: MailServer, hook: NotificationWebhook) -> DutyPlan:
    """Return a plan that escalates every two seconds over mail and webhook."""
    channels = (
        NotificationChannel(id="mail", url=mails.url),
        NotificationChannel(id="hook", url=hook.url + "?rto=1"),
    )
    # Of four incidents at once, two are sent alone, and the others as a digest.
    storm = StormLimit(messages=2, digest=SECOND, group="incident")
    plan = duty_plan(SWIFT_POLICY, channels=channels, storm=storm)
    contacts = tuple(
        replace(one, addresses={"mail": f"{one.id}@town.example", "hook": one.id}) for one in plan.contacts
    )
    return replace(plan, contacts=contacts)


@pytest.mark.embedded
@pytest.mark.parametrize("seed", [1, 2])
async def test_no_incident_is_lost_and_no_step_notifies_a_contact_twice(
    kafka: str, tmp_path: Path, seed: int
) -> None:
    moments = Moments(seed)
    mails = MailServer(moments.perhaps)
    hook = NotificationWebhook(moments.behaviour, moments.perhaps, moments.perhaps)
    mails.start()
    hook.start()
    path = tmp_path / "plan.json"
    path.write_bytes(encode_duty_plan(plan_of(mails, hook)))
    settings = {"CITY": "town", "KAFKA": kafka, "STATE_DIR": str(tmp_path), "TRY_TIMEOUT_S": "30"}
    role = RoleProcess(
        "alerting", settings, tmp_path, command=("-m", "tests.support.processes.alerting_process", str(path))
    )
    wanted = {one.cause for one in events()}
    try:
        async with kept(role, moments):
            await publish_alarms(kafka, *events())
            await publish_alarms(kafka, *events())  # repeated records have no effect
            await notifications_until(
                kafka,
                lambda notifications: moments.kills >= KILLS and causes(notifications, "sent") == wanted,
            )
            await publish_alarms(kafka, *(acknowledged_event(one) for one in events()), revision=2)
            notifications = await notifications_until(
                kafka, lambda notifications: not causes(notifications, "sending", "failed")
            )
    finally:
        mails.stop()
        hook.stop()
    received = Counter(one.notification for one in mails.mails)
    received.update(one.notification for one in hook.accepted)
    assert {id: count for id, count in received.items() if count > 1} == {}, "notified twice for a step"
    sent = [one for one in notifications if one.outcome == "sent"]
    assert {one.digest or one.notification for one in sent} <= received.keys(), "sent, and never received"
    assert {one.incident.split("~")[0] for one in sent if one.incident} == wanted, "an incident was lost"
    assert any(one.digest for one in notifications), "no message was in a digest: this shows less"
