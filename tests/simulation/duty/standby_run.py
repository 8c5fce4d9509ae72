"""Two simulated alertings over one log, by seed: one works, the other takes over.

Processes die, freeze for longer than the lease, have clocks that are slow or fast, and are cut off from the
log; Kafka is away, and is replaced by an empty one. Time is virtual, the code from the lease to the delivery
is that of production.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from msgspec.structs import replace as with_fields

from tests.simulation.duty.duty_world import DutyWorld
from tests.simulation.duty.simulated_log import Link, SimulatedLog, simulated_kafka
from tests.simulation.duty.standby_process import DutyRecord, StandbyProcess, Stumble
from tests.support.pipelines.duty_loop import NOON, POLICY, duty_city, duty_plan
from twin.alarms.severity import Severity
from twin.instant import SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.duty import DutyPlan, StormLimit

FAULTS_FOR: Duration = 150 * SECOND
"""How long faults begin; then the run settles."""

RUN_FOR: Duration = 240 * SECOND
NAMES = ("east", "west")
CLOCK_RATES = (1.0, 1.0, 0.92, 1.08)
"""Clocks may run apart by a fifth."""


class Fault(NamedTuple):
    """Something that prevents a process from working for a while."""

    begin: Instant
    end: Instant
    what: str


@cache
def _city() -> CityModel:
    return duty_city()


class StandbyRun:
    """A run by seed; `record`, `faults`, `working` and `world` are what invariants check."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(f"standby/{seed}")
        self.seed = seed
        self.now: Instant = NOON
        self.end: Instant = NOON + RUN_FOR
        self.world = DutyWorld()
        self.record = DutyRecord()
        self.plan = self._some_plan()
        self.faults: list[Fault] = []
        self.log_losses: list[Instant] = []
        self.working: list[tuple[Instant, bool]] = []  #: each second: whether one works that reaches the log
        self._queue: list[tuple[Instant, int, Callable[[], None]]] = []
        self._pushed = 0
        self.log = SimulatedLog(lambda after, act: self._at(self.now + round(after * SECOND), act))

    def run(self) -> None:
        """Play the run to its end."""
        shared = Path("/dev/shm")
        with (
            tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder,
            simulated_kafka(),
        ):
            self.processes = [self._process(name, Path(folder)) for name in NAMES]
            try:
                self.processes[0].start()
                self._at(NOON + 2 * SECOND, self.processes[1].start)
                self._plan_events()
                while (at := self._next_time()) <= self.end:
                    self.now = max(self.now, at)
                    while self._queue and self._queue[0][0] <= self.now:
                        heapq.heappop(self._queue)[2]()
                    for process in self.processes:
                        process.run_due()
            finally:
                for process in self.processes:
                    process.close()

    def _process(self, name: str, folder: Path) -> StandbyProcess:
        return StandbyProcess(
            name,
            self.log,
            self.world,
            replace(_city(), duty=self.plan),
            self.record,
            folder=folder,
            now=lambda: self.now,
            seed=str(self.seed),
            clock_rate=self.dice.choice(CLOCK_RATES),
            on_stumble=self._on_stumble,
        )

    def _next_time(self) -> Instant:
        times = [one.next_time() for one in self.processes]
        return min([self._queue[0][0], *(one for one in times if one is not None)])

    def _at(self, time: Instant, act: Callable[[], None]) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (time, self._pushed, act))

    # -- the plan of the run ----------------------------------------------------------------------------

    def _some_plan(self) -> DutyPlan:
        wait = self.dice.choice((5, 10, 20)) * SECOND
        policy = with_fields(
            POLICY,
            steps=tuple(with_fields(step, wait=wait) for step in POLICY.steps),
            group_wait=SECOND,
            group_interval=5 * SECOND,
            repeat=self.dice.choice((0, 1)),
            remind=0,
        )
        return duty_plan(policy, storm=StormLimit(messages=0, group="incident"))

    def _plan_events(self) -> None:
        dice = self.dice
        for number in range(dice.choice((1, 2, 3, 6))):
            self._some_incident(f"cause-{number}", self._some_time())
        for _ in range(dice.choice((1, 2, 4, 7))):
            self._at(self._some_time(), self._some_fault)
        for second in range(int(RUN_FOR / SECOND)):
            self._at(NOON + second * SECOND, self._note_who_works)
        self._at(self.end + SECOND, lambda: None)

    def _some_time(self) -> Instant:
        return NOON + 5 * SECOND + self.dice.randrange(FAULTS_FOR)

    def _some_incident(self, cause: str, begin: Instant) -> None:
        world, id = self.world, f"{cause}~canal"
        severity = Severity(self.dice.randint(1, 4))
        self._at(begin, lambda: world.raise_(cause, "area", severity, self.now))
        if self.dice.random() < 0.3:
            self._at(begin + self.dice.randrange(60 * SECOND), lambda: world.end(id, self.now))
        elif self.dice.random() < 0.3:
            at = begin + self.dice.randrange(60 * SECOND)
            self._at(at, lambda: world.acknowledge(id, "page", self.now))

    # -- faults -----------------------------------------------------------------------------------------

    def _some_fault(self) -> None:
        dice = self.dice
        worker = next((one for one in self.processes if one.works), self.processes[0])
        victim = worker if dice.random() < 0.7 else dice.choice(self.processes)
        seconds = dice.choice((0.5, 3, 7, 15))
        match dice.choice(("kill", "kill", "freeze", "freeze", "cut", "deaf", "away", "lost", "lost")):
            case "kill":
                self._kill(victim, seconds)
            case "freeze":
                victim.frozen_until = self._fault(seconds, f"{victim.name} frozen")
            case "cut":
                self._cut(victim, "cut", seconds)
            case "deaf":
                self._cut(victim, "deaf", seconds)
            case "away":
                self._away(seconds)
            case "lost":
                self._away(dice.choice((0.0, 0.05, 1, 6)))
                self.log.lose()
                self.log_losses.append(self.now)

    def _on_stumble(self, victim: StandbyProcess, how: Stumble) -> None:
        seconds = self.dice.choice((0.5, 3, 7, 15))
        if how == "dies":
            self._kill(victim, seconds)
        else:
            victim.frozen_until = self._fault(seconds, f"{victim.name} frozen")

    def _fault(self, seconds: float, what: str) -> Instant:
        end = self.now + round(seconds * SECOND)
        self.faults.append(Fault(self.now, end, what))
        return end

    def _kill(self, victim: StandbyProcess, seconds: float) -> None:
        victim.kill()
        self._at(self._fault(seconds, f"{victim.name} dead"), partial(self._restart, victim))

    def _restart(self, victim: StandbyProcess) -> None:
        if not victim.is_running:
            victim.start()

    def _cut(self, victim: StandbyProcess, link: Link, seconds: float) -> None:
        if not victim.is_running:
            return
        client = victim.client
        client.link = link
        self._at(self._fault(seconds, f"{victim.name} {link}"), partial(setattr, client, "link", "up"))

    def _away(self, seconds: float) -> None:
        self.log.is_up = False
        self._at(self._fault(seconds, "log away"), partial(setattr, self.log, "is_up", True))

    def _note_who_works(self) -> None:
        works = any(one.works and one.is_running and one.client.hears() for one in self.processes)
        self.working.append((self.now, works))
