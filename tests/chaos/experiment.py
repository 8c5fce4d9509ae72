"""An experiment: the system under load, a fault, and the balance of messages."""

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

# Age of the first observation when it is sent, so that no shuffled observation is in the future.
_HEAD_START = 5 * SECOND
_LOOK_S = 0.02


@dataclass(frozen=True)
class DurableBroker:
    """An MQTT broker whose sessions are durable."""

    address: tuple[str, int]
    restart: Callable[[], object]  #: kills and restarts it


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions:
    """The options of an experiment."""

    messages: int
    seed: int
    acknowledge: str  #: `logged` or `stored`
    rate: int  #: messages a second
    blows: int  #: the number of random kills
    seconds: float  #: how long a service is unavailable
    broker: DurableBroker | None = None  #: a broker in place of the system's own


@dataclass
class Experiment:
    """What a scenario works with. Messages acknowledged within `loss_window` may be lost."""

    options: ExperimentOptions
    system: SystemUnderTest
    fleet: DeviceFleet
    probe: RecoveryProbe
    dice: random.Random
    report: Callable[[str], None]
    #: the second ingest, where the broker is not the system's own
    ingest: RoleProcess | None = None
    loss_window: LossWindow | None = None
    recoveries: list[float] = field(default_factory=list)

    def count(self, share: float) -> int:
        """Return the number of observations in a share of all."""
        return int(share * self.options.messages)

    def allow_loss(self, seconds: float) -> None:
        """Allow the loss of messages acknowledged in the last seconds, as the promise does."""
        now = asyncio.get_running_loop().time()
        self.loss_window = now - seconds, now
        count = sum(self.loss_window[0] <= time <= self.loss_window[1] for time in self.fleet.acknowledged_at)
        self.report(
            f"promised: what was acknowledged in the last {seconds:g} s may be lost, {count} observations"
        )

    async def until_sent(self, share: float) -> None:
        """Return when this share of all observations has been sent."""
        while self.fleet.sent < self.count(share):  # noqa: ASYNC110 - the fleet makes it true
            await asyncio.sleep(_LOOK_S)

    async def await_recovery(self, what: str, since: float) -> None:
        """Wait until the system has recovered; report the time since `since`."""
        recovery = await self.probe.measure(since)
        self.recoveries.append(recovery.live)
        self.report(f"{self.fleet.sent:>9} sent: {what}; {recovery}")


FaultInjection = Callable[[Experiment], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class FaultScenario:
    """A fault to inject, and what it needs."""

    inject: FaultInjection
    connections: int = 20
    small_disk: bool = False


async def run_experiment(
    town: SystemUnderTest, case: FaultScenario, options: ExperimentOptions, say: Callable[[str], None]
) -> MessageBalance:
    """Send all messages while the scenario injects its fault; return the balance."""
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
    """Return a time in whole milliseconds, as devices send it."""
    return instant - instant % 1_000


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.1f} s (median of {len(ordered)}), at most {ordered[-1]:.1f} s"


# A second ingest, for a broker other than the system's own.


@asynccontextmanager
async def second_ingest(broker: tuple[str, int], town: SystemUnderTest) -> AsyncIterator[RoleProcess]:
    """Run a second ingest, which reads from another broker and writes to the same log."""
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
    process = RoleProcess("ingest", settings, town.folder / "logs", "another-ingest", own_account=False)
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
