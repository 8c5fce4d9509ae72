"""A trial: the system under load, something that goes wrong, and the balance."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cli.supervisor.options import PARTITIONS
from runtime.clock import system_clock
from tests.chaos.balance import LossWindow, MessageBalance, compute_balance
from tests.chaos.fleet import DeviceFleet
from tests.chaos.message_plan import MessagePlan
from tests.chaos.recovery import RecoveryProbe
from tests.chaos.system_under_test import SystemUnderTest
from tests.support.processes.role_process import RoleProcess
from twin.instant import SECOND

# The first observation is so old when it is sent: what the shuffle brings forward is not ahead of its time.
_HEAD_START = 5 * SECOND
_LOOK_S = 0.02


@dataclass(frozen=True)
class DurableBroker:
    """An MQTT broker whose sessions are durable."""

    address: tuple[str, int]
    restart: Callable[[], object]  #: kills it, and brings it back


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions:
    """How a trial is made."""

    messages: int
    seed: int
    acknowledge: str  #: `logged` or `until_stored`
    rate: int  #: messages a second
    blows: int  #: how often something is killed, where that is up to chance
    seconds: float  #: how long something is away, where it comes back by itself
    broker: DurableBroker | None = None  #: another one than that of the town


@dataclass
class Experiment:
    """What a scenario has at hand. What was acknowledged in the span that is excused may be lost."""

    options: ExperimentOptions
    system: SystemUnderTest
    fleet: DeviceFleet
    probe: RecoveryProbe
    dice: random.Random
    report: Callable[[str], None]
    #: an ingest of our own, where the broker is not that of the town
    ingest: RoleProcess | None = None
    loss_window: LossWindow | None = None
    recoveries: list[float] = field(default_factory=list)

    def count(self, share: float) -> int:
        """Return how many a share of all observations is."""
        return int(share * self.options.messages)

    def allow_loss(self, seconds: float) -> None:
        """Say that by what is promised so many seconds up to now may be lost."""
        now = asyncio.get_running_loop().time()
        self.loss_window = now - seconds, now
        count = sum(self.loss_window[0] <= time <= self.loss_window[1] for time in self.fleet.acknowledged_at)
        self.report(
            f"promised: what was acknowledged in the last {seconds:g} s may be lost, {count} observations"
        )

    async def until_sent(self, share: float) -> None:
        """Return when such a share of all observations has been sent."""
        while self.fleet.sent < self.count(share):  # noqa: ASYNC110 - the fleet makes it true
            await asyncio.sleep(_LOOK_S)

    async def await_recovery(self, what: str, since: float) -> None:
        """Wait until the system is whole again, and say how long after `since` that was."""
        recovery = await self.probe.measure(since)
        self.recoveries.append(recovery.live)
        self.report(f"{self.fleet.sent:>9} sent: {what}; {recovery}")


FaultInjection = Callable[[Experiment], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class FaultScenario:
    """A scenario, and what it needs."""

    inject: FaultInjection
    connections: int = 20
    small_disk: bool = False


async def run_experiment(
    town: SystemUnderTest, case: FaultScenario, options: ExperimentOptions, say: Callable[[str], None]
) -> MessageBalance:
    """Send everything while the scenario takes its course, and strike the balance."""
    if options.broker is None:
        return await _conduct(town, case, options, say, None)
    async with second_ingest(options.broker.address, town) as ingest:
        return await _conduct(town, case, options, say, ingest)


async def _conduct(
    town: SystemUnderTest,
    case: FaultScenario,
    options: ExperimentOptions,
    say: Callable[[str], None],
    ingest: RoleProcess | None,
) -> MessageBalance:
    plan = MessagePlan(
        options.messages, options.seed, _whole(system_clock() - _HEAD_START), SECOND // options.rate
    )
    address = town.mqtt if options.broker is None else options.broker.address
    fleet = DeviceFleet(plan, address, rate=options.rate, connections=case.connections)
    watch = RecoveryProbe(town, fleet, system_clock)
    trial = Experiment(options, town, fleet, watch, random.Random(options.seed), say, ingest)
    await fleet.connect()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fleet.send())
            tasks.create_task(case.inject(trial))
        await trial.await_recovery("everything is acknowledged", asyncio.get_running_loop().time())
        found = await compute_balance(town, fleet, trial.loss_window)
    finally:
        await fleet.close()
    say(
        f"sent {plan.messages} observations, {plan.repeat_count} of them twice, {plan.poison_count} "
        "messages that "
        f"nobody can use, {len(fleet.canaries)} canaries; {fleet.retransmissions} again after a "
        "connection had ended"
    )
    if trial.recoveries:
        say(f"live again after {_spread(trial.recoveries)}")
    for line in found.report_lines():
        say(line)
    return found


def _whole(instant: int) -> int:
    """Return a time to the millisecond, as devices tell it."""
    return instant - instant % 1_000


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.1f} s (median of {len(ordered)}), at most {ordered[-1]:.1f} s"


# An ingest beside that of the town, for a broker that is not the town's.


@asynccontextmanager
async def second_ingest(broker: tuple[str, int], town: SystemUnderTest) -> AsyncIterator[RoleProcess]:
    """Run an ingest beside that of the town: it takes what another broker has to the same log."""
    ports = town.ports
    settings = {
        "CITY": "town",
        "KAFKA": f"127.0.0.1:{ports['kafka']}",
        "PARTITIONS": str(PARTITIONS),
        "DATABASE": town.database,
        "STATE_DIR": str(town.folder / "state-of-another-ingest"),
        "MQTT_HOST": broker[0],
        "MQTT_PORT": str(broker[1]),
        "MQTT_CLIENT_ID": "livetwin-chaos",
        "MQTT_SHARE": "",
    }
    process = RoleProcess("ingest", settings, town.folder / "logs", "another-ingest")
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
