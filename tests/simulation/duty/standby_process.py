"""One of two simulated alertings: the production code of lease, journal and delivery, on a loop of its own.

The duty loop around the incident manager is simulated: it reads the alarms of the simulated world.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple, cast

from prometheus_client import CollectorRegistry

from alerting.delivery.channels import ChannelSender
from alerting.delivery.delivery_pool import DeliveryOptions, DeliveryPool, SendPermit
from alerting.incidents.incident_manager import IncidentManager
from alerting.incidents.journal import DutyJournal, Journal
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from alerting.metrics import AlertingMetrics
from alerting.standby.standby_loop import run_with_standby
from runtime.model_source import FollowedModel
from tests.simulation.duty.duty_world import DutyWorld
from tests.simulation.duty.simulated_log import Client, SimulatedLog
from tests.simulation.duty.virtual_loop import VirtualLoop
from tests.support.pipelines.duty_loop import NOON
from twin.instant import SECOND, Instant
from twin.model.city_model import CityModel
from twin.model.duty import NotificationChannel, PushSubscription
from twin.wire.duty_messages import NotificationEvent

PLACE = ("alarms", 0)

Stumble = Literal["", "dies", "freezes"]
"""What happens to a process in the middle of a message."""

CHECK_S = 0.25
ATTEMPT_TIMEOUT_S = 20.0


class HandOver(NamedTuple):
    """A message that a process has handed to a channel."""

    time: Instant
    process: str
    life: int
    message: OutgoingMessage
    arrived: bool


class Turn(NamedTuple):
    """A process begins to work."""

    time: Instant
    process: str
    log: str


@dataclass(slots=True)
class DutyRecord:
    """What the processes have done: the input of the invariants."""

    hand_overs: list[HandOver] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    begun: dict[str, set[tuple[str, int]]] = field(default_factory=dict)  #: message → who began an attempt
    events: list[tuple[str, int, NotificationEvent]] = field(default_factory=list)


class StandbyProcess:
    """A process that is started, killed, frozen and cut off; `clock_rate` is the speed of its clocks."""

    def __init__(
        self,
        name: str,
        log: SimulatedLog,
        world: DutyWorld,
        model: CityModel,
        record: DutyRecord,
        *,
        folder: Path,
        now: Callable[[], Instant],
        seed: str,
        clock_rate: float,
        on_stumble: Callable[[StandbyProcess, Stumble], None],
    ) -> None:
        self.name = name
        self._on_stumble = on_stumble
        self.log = log
        self.world = world
        self.model = model
        self.record = record
        self.now = now
        self.dice = Random(f"{seed}/{name}")
        self.life = 0
        self.frozen_until: Instant = 0
        self.stumbles: Stumble = ""
        self.is_running = False
        self.works = False
        self._clock_rate = clock_rate
        self._path = folder / f"{name}.sqlite"
        self._ended: list[tuple[VirtualLoop, asyncio.Task[None]]] = []

    def clock(self) -> float:
        return (self.now() - NOON) / SECOND * self._clock_rate

    def start(self) -> None:
        """Start the process, with the journal on its disk."""
        self.life += 1
        self.is_running, self.stumbles, self.frozen_until = True, "", 0
        self._metrics = AlertingMetrics(CollectorRegistry())
        self.loop = VirtualLoop(self.clock)
        self.loop.set_exception_handler(lambda _loop, _context: None)
        self.client = Client(self.log, self.loop, f"{self.name}/{self.life}/{self.dice.random()}")
        self._journal = DutyJournal(self._path)
        self._main = self.loop.create_task(self._run(self._journal))

    async def _run(self, journal: DutyJournal) -> None:
        def new_service(journal: Journal, model: CityModel, permit: SendPermit | None) -> SimulatedService:
            return SimulatedService(self, journal, model, permit)

        models = FollowedModel(_OneModel(self.model), self.model)
        kafka = cast(Any, self.client)
        await run_with_standby(kafka, journal, models, new_service, self._metrics, clock=self.clock)

    def run_due(self) -> None:
        """Run what is due, unless the process is frozen or dead."""
        if not self.is_running or self.now() < self.frozen_until:
            return
        self.loop.run_due()
        if self._main.done():
            self._main.result()
            raise AssertionError(f"{self.name} has ended by itself")
        works = self._metrics.working._value.get() == 1
        if works and not self.works:
            self.record.turns.append(Turn(self.now(), self.name, self.log.id))
        self.works = works
        stumbles, self.stumbles = self.stumbles, ""
        if stumbles:
            self._on_stumble(self, stumbles)

    def next_time(self) -> Instant | None:
        """Return when this process runs next."""
        if not self.is_running or (at := self.loop.next_time()) is None:
            return None
        return max(NOON + round(at / self._clock_rate * SECOND) + 1, self.frozen_until)

    def kill(self) -> None:
        """End the process without a chance to clean up."""
        if self.is_running:
            self.is_running = self.works = False
            self.client.is_dead = True
            self._ended.append((self.loop, self._main))
            self._journal.close()

    def close(self) -> None:
        """Free what the processes of this place have left."""
        self.kill()
        for loop, main in self._ended:
            # Its effects do not count any more: the journal is closed, and nothing that it sends arrives.
            for task in asyncio.all_tasks(loop):
                task.cancel()
            main.cancel()
            with closing(loop):
                for _ in range(100):
                    loop.run_due()
                    if not asyncio.all_tasks(loop):
                        break
                    self._skip_time(loop)

    def _skip_time(self, loop: VirtualLoop) -> None:
        at = loop.next_time()
        loop._clock = lambda: at if at is not None else 0.0


class SimulatedService:
    """The duty loop: what `AlertingService` does, with the alarms of the world."""

    def __init__(
        self, process: StandbyProcess, journal: Journal, model: CityModel, permit: SendPermit | None
    ) -> None:
        self._process = process
        self._journal = journal
        self._manager = IncidentManager(journal.read(), model)
        self._unsent = permit.unsent if permit is not None else ()
        self._results: deque[AttemptResult] = deque()
        self._has_results = asyncio.Event()
        options = DeliveryOptions(base_url="", link_key=b"key", attempt_timeout_s=ATTEMPT_TIMEOUT_S)
        channels = cast(ChannelSender, SimulatedChannels(process))
        self._pool = DeliveryPool(channels, options, self._on_result, permit, self._start)

    async def run(self, _models: object) -> None:
        """Run the duty loop until cancelled."""
        self._manager.resolve_doubtful(self._process.now(), self._unsent)
        self._write()
        try:
            while True:
                self._follow()
                self._process_due()
                with suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_S):
                        await self._has_results.wait()
                self._end_attempts()
        finally:
            await self._pool.close()
            self._end_attempts()
            self._write()

    def _follow(self) -> None:
        log = self._process.world.log
        while self._process.client.hears() and (offset := self._manager.position(PLACE)) < len(log):
            self._manager.on_alarm_batch(log[offset], self._process.now())
            self._manager.advance_position(PLACE, offset + 1)
            self._write()

    def _process_due(self) -> None:
        now = self._process.now()
        self._manager.advance_to(now)
        due = [one for one in self._manager.due_messages(now) if self._pool.reserve(one)]
        begun = [self._manager.begin_attempt(message, now) for message in due]
        self._write()
        for message in begun:
            who = (self._process.name, self._process.life)
            self._process.record.begun.setdefault(message.id, set()).add(who)
            self._pool.start_attempt(message, self._manager.model.duty, now)

    def _on_result(self, result: AttemptResult) -> None:
        self._results.append(result)
        self._has_results.set()

    def _end_attempts(self) -> None:
        self._has_results.clear()
        while self._results:
            self._manager.end_attempt(self._results.popleft(), self._process.now())
        self._write()

    def _write(self) -> None:
        change = self._manager.take_change()
        if not change.is_empty:
            self._journal.write(change)
            process = self._process
            process.record.events += [(process.name, process.life, event) for event in change.events]

    def _start(self, work: Callable[[], None], _name: str) -> None:
        process = self._process
        process.loop.call_later(process.dice.choice((0.0, 0.01, 0.3, 2.0)), work)
        if process.dice.random() < 0.04:
            process.stumbles = "freezes"


class SimulatedChannels:
    """Takes messages; some are refused, and sometimes the process dies when it has handed one over."""

    def __init__(self, process: StandbyProcess) -> None:
        self._process = process

    def body_characters(self, _channel: NotificationChannel) -> int:
        return 1_000

    def send(
        self,
        _channel: NotificationChannel,
        message: OutgoingMessage,
        _address: str,
        _link: str,
        *,
        code: str,
        subscriptions: Sequence[PushSubscription],
    ) -> AttemptResult:
        assert not code, "the plan has no channel that takes replies"
        assert not subscriptions, "nor one to browsers"
        process, dice = self._process, self._process.dice
        arrived = dice.random() < 0.95
        process.record.hand_overs.append(
            HandOver(process.now(), process.name, process.life, message, arrived)
        )
        if dice.random() < 0.04:
            process.stumbles = "dies"
            if dice.random() < 0.5:
                process.loop.halt()  # before the result is written
        return AttemptResult(message.id, arrived, "" if arrived else "refused")


class _OneModel:
    """A model that does not change."""

    def __init__(self, model: CityModel) -> None:
        self._model = model

    async def load(self) -> CityModel:
        return self._model

    async def watch(self) -> AsyncIterator[CityModel]:
        await asyncio.Event().wait()
        yield self._model
