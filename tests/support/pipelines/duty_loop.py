"""The duty loop in virtual time: a city with a duty plan, its incidents, and an incident manager."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from alerting.incidents.incident_manager import IncidentManager
from alerting.incidents.incident_state import IncidentState
from alerting.incidents.journal import DutyJournal, JournalChange, JournalContent
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from tests.support.cities.alarm_city import alarm_city
from tests.support.payloads.alarm_events import alarm_event, incident_event
from twin.alarms.messages import AlarmBatch, AlarmEvent, IncidentEvent
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import Level, Rule, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant, parse_instant
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.duty import (
    Contact,
    DutyPlan,
    DutyTeam,
    EscalationPolicy,
    EscalationStep,
    IncidentRoute,
    NotificationChannel,
)
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import DutyCommand, NotificationEvent

NOON: Instant = parse_instant("2026-11-23T11:00:00Z")
"""A Monday, 12:00 in the town."""

INCIDENT = "high-water~town.east~1"

POLICY = EscalationPolicy(
    id="usual",
    steps=(
        EscalationStep(notify="on-call", channels=("mail", "sms"), wait=10 * MINUTE),
        EscalationStep(notify="next", channels=("mail",), wait=10 * MINUTE),
        EscalationStep(notify="team", channels=("mail",), wait=20 * MINUTE),
    ),
    group_wait=5 * SECOND,
    group_interval=5 * MINUTE,
    repeat=1,
    remind=4 * HOUR,
)

SWIFT_POLICY = replace(
    POLICY,
    steps=(
        EscalationStep(notify="on-call", channels=("mail", "hook"), wait=2 * SECOND),
        EscalationStep(notify="next", channels=("mail", "hook"), wait=2 * SECOND),
        EscalationStep(notify="team", channels=("hook",), wait=2 * SECOND),
    ),
    group_wait=SECOND // 10,
    group_interval=SECOND,
    repeat=0,
)
"""Escalates every two seconds over mail and webhook: for real processes that are struck meanwhile."""


def duty_plan(policy: EscalationPolicy = POLICY, **changes: Any) -> DutyPlan:
    """Return a plan with one team of three, of whom the first is on call."""
    known: dict[str, Any] = {
        "channels": (
            NotificationChannel(id="mail", url="mailto://127.0.0.1:1?to={address}"),
            NotificationChannel(id="sms", url="json://127.0.0.1:1/{address}"),
        ),
        "contacts": tuple(
            Contact(
                id=id,
                name=f"Duty officer {id}",
                language="nl" if id == "second" else "en",
                addresses={"mail": f"{id}@town.example", **({"sms": "31600000001"} if id == "first" else {})},
            )
            for id in ("first", "second", "third")
        ),
        "teams": (DutyTeam(id="water", name="Water", members=("first", "second", "third")),),
        "policies": (policy,),
        "routes": (IncidentRoute(team="water", policy=policy.id),),
    }
    return DutyPlan(**{**known, **changes})


def duty_city(plan: DutyPlan | None = None, version: int = 1) -> CityModel:
    """Return the town with a rule on high water and a duty plan."""
    rule = Rule(
        id="high-water",
        title=BilingualText("High water", "Hoog water"),
        theme="water",
        condition=ThresholdCondition(
            operand=Operand("water_level"), direction="above", levels=(Level(Severity.MINOR, -0.3, -0.35),)
        ),
    )
    return alarm_city([rule], version=version, duty=plan if plan is not None else duty_plan())


def duty_alarm(entity: str = "canal", revision: int = 1, **changes: Any) -> AlarmEvent:
    """Return an alarm of the town."""
    return alarm_event(entity=entity, revision=revision, **{"area": "town.east", **changes})


def duty_incident(*alarms: AlarmEvent, revision: int = 1, **changes: Any) -> IncidentEvent:
    """Return the incident of alarms."""
    return incident_event(*alarms, revision=revision, **changes)


class SentMessage(NamedTuple):
    """The parts of a sent message that tests compare; `minute` counts from noon."""

    minute: float
    kind: str
    contact: str
    channel: str


class DutyLoop:
    """An incident manager whose time a test advances; `delivers` decides the result of each attempt."""

    def __init__(
        self,
        plan: DutyPlan | None = None,
        delivers: Callable[[OutgoingMessage], bool | None] = lambda _: True,
        start: Instant = NOON,
        journal: Path | None = None,
    ) -> None:
        self.now = start
        self._path = journal
        self._journal = DutyJournal(journal) if journal is not None else None
        self.memory = JournalContent()
        self.manager = IncidentManager(self.memory, duty_city(plan))
        self.delivers = delivers
        self.events: list[NotificationEvent] = []
        self.messages: dict[str, OutgoingMessage] = {}
        self._settle()

    def on_alarms(self, *alarms: AlarmEvent, **changes: Any) -> None:
        """Process alarms and their incident."""
        self.on_batch(AlarmBatch(LAYOUT_VERSION, self.now, alarms, (duty_incident(*alarms, **changes),)))

    def on_batch(self, batch: AlarmBatch) -> None:
        """Process a record of the log."""
        self.manager.on_alarm_batch(batch, self.now)
        self._settle()

    def command(self, action: Any, id: str = "1", **changes: Any) -> None:
        """Process a command of a person."""
        known = {"actor": "first", "time": self.now, "incident": INCIDENT}
        self.manager.on_command(DutyCommand(id=id, action=action, **{**known, **changes}), self.now)
        self._settle()

    def advance_until(self, time: Instant) -> None:
        """Advance the time to `time`, through every due time before it."""
        while (due := self.manager.next_due()) is not None and due <= time:
            self.now = max(self.now, due)
            self._settle()
        self.now = max(self.now, time)

    def advance(self, duration: Duration) -> None:
        """Advance the time by a duration."""
        self.advance_until(self.now + duration)

    def replace_plan(self, plan: DutyPlan, version: int = 2) -> None:
        """Replace the duty plan."""
        self.manager.on_model(duty_city(plan, version), self.now)
        self._settle()

    def restart(self) -> None:
        """Restart from the journal."""
        assert self._path is not None
        assert self._journal is not None
        self._journal.close()
        self._journal = DutyJournal(self._path)
        self.memory = self._journal.read()
        self.manager = IncidentManager(self.memory, self.manager.model)

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def incident_state(self, incident: str = INCIDENT) -> IncidentState:
        """Return the state of an incident."""
        return self.memory.incidents[incident]

    @property
    def sent(self) -> list[SentMessage]:
        """The sent messages, in order."""
        return [
            SentMessage((event.time - NOON) / MINUTE, event.kind, event.contact, event.channel)
            for event in self.events
            if event.outcome == "sent"
        ]

    def _settle(self) -> None:
        self.manager.advance_to(self.now)
        for message in self.manager.due_messages(self.now):
            tried = self.manager.begin_attempt(message, self.now)
            result = self.delivers(tried)
            if result is not None:
                self.manager.end_attempt(
                    AttemptResult(tried.id, result, "" if result else "refused"), self.now
                )
        self._keep(self.manager.take_change())
        if (due := self.manager.next_due()) is not None and due <= self.now:
            self._settle()

    def _keep(self, change: JournalChange) -> None:
        if self._journal is not None:
            self._journal.write(change)
        self.events += change.events
        self.messages.update(change.messages)


def kinds_and_contacts(sent: Iterable[SentMessage]) -> list[tuple[str, str]]:
    """Return kind and contact of messages, in order."""
    return [(one.kind, one.contact) for one in sent]
