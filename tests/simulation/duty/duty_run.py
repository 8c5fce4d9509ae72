"""One simulated duty, by seed: alarms, people, channels that fail, kills, and the incident manager.

Time is virtual. The journal is the real one, and a kill loses what it does not have.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from msgspec.structs import replace as with_fields

from alerting.delivery.acknowledge_links import AcknowledgeLink, sign_link, verify_link
from alerting.incidents.incident_manager import IncidentManager
from alerting.incidents.journal import DutyJournal
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from tests.simulation.duty.duty_world import DutyWorld, Occurrence
from tests.support.pipelines.duty_loop import NOON, POLICY, duty_city, duty_plan
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.duty import DutyOverride, DutyPlan, StormLimit
from twin.wire.duty_messages import NotificationEvent

ACTIVE_FOR: Duration = 40 * MINUTE
"""How long alarms change and channels fail; then everything works, and the run settles."""

SETTLES_FOR: Duration = 30 * MINUTE
TRY_TIMEOUT: Duration = 20 * SECOND
KEY = b"simulated"
PLACE = ("alarms", 0)

ChannelMode = Literal["works", "slow", "fails", "hangs"]


class Attempt(NamedTuple):
    """A message that was handed to a channel."""

    time: Instant
    message: OutgoingMessage
    arrived: bool
    mode: ChannelMode

    @property
    def ids(self) -> tuple[str, ...]:
        """The messages in it."""
        return tuple(part.notification for part in self.message.parts) or (self.message.id,)


@dataclass(frozen=True, slots=True)
class LinkUse:
    """A link that a contact has used."""

    message: OutgoingMessage
    acknowledged: list[Occurrence]


@cache
def _city() -> CityModel:
    return duty_city()


class DutyRun:
    """A run by seed; `attempts`, `decided`, `events`, `links` and `world` are what invariants check."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.world = DutyWorld()
        self.now: Instant = NOON
        self.end: Instant = NOON + ACTIVE_FOR + SETTLES_FOR
        self.plan = self._some_plan()
        self.kills = 0
        self.attempts: list[Attempt] = []
        self.decided: dict[str, OutgoingMessage] = {}  #: messages, as they were decided
        self.events: list[NotificationEvent] = []
        self.links: list[LinkUse] = []
        self._modes: dict[str, ChannelMode] = {"mail": "works", "sms": "works"}
        self._queue: list[tuple[Instant, int, Callable[[], None]]] = []
        self._pushed = 0
        self.waiting: list[OutgoingMessage] = []  #: without an outcome at the end
        self._life = 0  #: which process made an attempt: a dead one gets no result

    def run(self) -> None:
        """Play the run to its end."""
        shared = Path("/dev/shm")
        with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
            self._path = Path(folder) / "journal.sqlite"
            self._open()
            self._plan_events()
            while (at := self._next_time()) is not None and at <= self.end:
                self.now = max(self.now, at)
                while self._queue and self._queue[0][0] <= self.now:
                    heapq.heappop(self._queue)[2]()
                self._follow()
            self.waiting = list(self._content.messages.values())
            self._journal.close()

    # -- the plan of the run ----------------------------------------------------------------------------

    def _some_plan(self) -> DutyPlan:
        dice = self.dice
        wait = dice.choice((MINUTE, 2 * MINUTE, 10 * MINUTE))
        policy = with_fields(
            POLICY,
            steps=tuple(with_fields(step, wait=wait) for step in POLICY.steps),
            group_wait=dice.choice((0, 5 * SECOND, 10 * SECOND)),
            group_interval=dice.choice((MINUTE, 5 * MINUTE)),
            repeat=dice.choice((0, 1, 3)),
            remind=dice.choice((0, 20 * MINUTE)),
        )
        storm = StormLimit(
            messages=dice.choice((0, 2, 5)),
            digest=dice.choice((30 * SECOND, 2 * MINUTE)),
            group=dice.choice(("incident", "area", "all")),
        )
        override = DutyOverride(
            id="o", team="water", contact="second", start=NOON + 10 * MINUTE, end=NOON + 20 * MINUTE
        )
        team = with_fields(duty_plan().teams[0], hand_over=("mail",))
        overrides = (override,) if dice.random() < 0.5 else ()
        return duty_plan(policy, storm=storm, teams=(team,), overrides=overrides)

    def _plan_events(self) -> None:
        dice = self.dice
        for number in range(dice.choice((1, 2, 3, 8))):
            self._some_incident(f"cause-{number}", f"area-{number % 2}", self._some_time())
        if dice.random() < 0.25:
            begin = self._some_time()
            for number in range(dice.choice((10, 30))):
                at = begin + dice.randrange(6 * SECOND)
                self._some_incident(f"storm-{number}", f"area-{number % 5}", at)
        for channel in self._modes:
            for _ in range(dice.randrange(4)):
                mode: ChannelMode = dice.choice(("slow", "fails", "hangs"))
                begin = self._some_time()
                self._at(begin, partial(self._modes.update, {channel: mode}))
                until = begin + dice.choice((10 * SECOND, 95 * SECOND, 10 * MINUTE))
                self._at(until, partial(self._modes.update, {channel: "works"}))
        self._at(NOON + ACTIVE_FOR, lambda: self._modes.update(mail="works", sms="works"))
        for _ in range(dice.randrange(4)):
            self._at(self._some_time(), self._kill)
        for _ in range(dice.randrange(5)):
            self._at(self._some_time(), self._use_a_link)

    def _some_incident(self, cause: str, area: str, begin: Instant) -> None:
        dice, world, id = self.dice, self.world, f"{cause}~canal"
        severity = Severity(dice.randint(1, 4))

        def rises(at: Instant, severity: Severity = severity) -> None:
            self._at(at, lambda: world.raise_(cause, area, severity, self.now))

        rises(begin)
        for _ in range(dice.choice((0, 0, 1, 3))):
            at = begin + dice.randrange(20 * MINUTE)
            match dice.choice(("flap", "severity", "again", "shelve", "acknowledge", "rule", "over")):
                case "flap":
                    pause = dice.choice((2 * SECOND, 7 * SECOND))
                    for flap in range(0, 60, 2):
                        self._at(at + flap * pause, lambda: self._end(id))
                        rises(at + (flap + 1) * pause)
                case "severity":
                    rises(at, Severity(dice.randint(1, 4)))
                case "again":
                    self._at(at, lambda: self._end(id))
                    rises(at + dice.choice((SECOND, MINUTE, 10 * MINUTE)))
                case "shelve":
                    self._at(
                        at, lambda: self._if_known(id, lambda: world.silence(id, self.now + HOUR, self.now))
                    )
                case "acknowledge":
                    self._at(at, lambda: self._if_known(id, lambda: world.acknowledge(id, "page", self.now)))
                case "rule":
                    text = dice.choice(("the rule was deleted", "by version 2 of the rule"))
                    self._at(at, partial(self._end, id, text))
                case "over":
                    self._at(at, lambda: self._end(id))
        if dice.random() < 0.7:
            self._at(begin + dice.randrange(30 * MINUTE), lambda: self._end(id))

    def _if_known(self, id: str, act: Callable[[], None]) -> None:
        if id in self.world.alarms:
            act()

    def _end(self, id: str, by_rule: str = "") -> None:
        self._if_known(id, lambda: self.world.end(id, self.now, by_rule=by_rule))

    def _some_time(self) -> Instant:
        return NOON + self.dice.randrange(ACTIVE_FOR // 2)

    def _at(self, time: Instant, act: Callable[[], None]) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (time, self._pushed, act))

    # -- the process ------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._journal = DutyJournal(self._path)
        self._content = self._journal.read()
        self.manager = IncidentManager(self._content, replace(_city(), duty=self.plan))
        self.manager.resolve_doubtful(self.now)
        self._write()

    def _kill(self) -> None:
        self.kills += 1
        self._life += 1
        self._journal.close()
        self._open()

    def _next_time(self) -> Instant | None:
        times = [self._queue[0][0]] if self._queue else []
        due = self.manager.next_due()
        return min([*times, *([due] if due is not None else [])], default=None)

    def _follow(self) -> None:
        while (offset := self.manager.position(PLACE)) < len(self.world.log):
            self.manager.on_alarm_batch(self.world.log[offset], self.now)
            self.manager.advance_position(PLACE, offset + 1)
            if self.dice.random() < 0.002:
                self._kill()  # what this record has led to is lost, and the record is read again
            else:
                self._write()
        self.manager.advance_to(self.now)
        self._write()
        begun = [self.manager.begin_attempt(one, self.now) for one in self.manager.due_messages(self.now)]
        self._write()
        for message in begun:
            self._hand_over(message)
        if begun and self.dice.random() < 0.01:
            self._kill()

    def _write(self) -> None:
        change = self.manager.take_change()
        for id, message in change.messages.items():
            self.decided.setdefault(id, message)
        self.events += change.events
        if not change.is_empty:
            self._journal.write(change)

    def _hand_over(self, message: OutgoingMessage) -> None:
        mode = self._modes[message.request.channel]
        after, result, arrived = SECOND, AttemptResult(message.id, True), True
        match mode:
            case "slow":
                after = 10 * SECOND
            case "fails":
                result, arrived = AttemptResult(message.id, False, "refused"), False
            case "hangs":
                after, arrived = TRY_TIMEOUT, self.dice.random() < 0.5
                result = AttemptResult(message.id, False, "no answer", doubtful=True)
        self.attempts.append(Attempt(self.now, message, arrived, mode))
        self._at(self.now + after, partial(self._end_attempt, self._life, result))

    def _end_attempt(self, life: int, result: AttemptResult) -> None:
        if life == self._life:
            self.manager.end_attempt(result, self.now)
            self._write()

    def _use_a_link(self) -> None:
        """Let a contact press the button of any message that has arrived, be it old."""
        got = [one.message for one in self.attempts if one.arrived and one.message.text.answer_label]
        if not got:
            return
        message = self.dice.choice(got)
        request = message.request
        link = AcknowledgeLink(request.incident, request.contact, self.now + HOUR, message.occurrences)
        verified = verify_link(KEY, sign_link(KEY, link), self.now)
        assert isinstance(verified, AcknowledgeLink)
        self.links.append(LinkUse(message, self.world.acknowledge_by_link(verified, self.now)))
