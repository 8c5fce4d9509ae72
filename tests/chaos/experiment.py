"""A trial: the system under load, something that goes wrong, and the balance."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.clock import system_clock
from tests.chaos.another_ingest import ingest_from
from tests.chaos.balance import Reckoning, Span, reckon
from tests.chaos.fleet import Fleet
from tests.chaos.message_plan import Plan
from tests.chaos.recovery import Watch
from tests.chaos.system_under_test import Town
from tests.support.processes.role_process import RoleProcess
from twin.instant import SECOND

# The first observation is so old when it is sent: what the shuffle brings forward is not ahead of its time.
_HEAD_START = 5 * SECOND
_LOOK_S = 0.02


@dataclass(frozen=True)
class Broker:
    """An MQTT broker whose sessions are durable."""

    address: tuple[str, int]
    restart: Callable[[], object]  #: kills it, and brings it back


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a trial is made."""

    messages: int
    seed: int
    acknowledge: str  #: `logged` or `stored`
    rate: int  #: messages a second
    blows: int  #: how often something is killed, where that is up to chance
    seconds: float  #: how long something is away, where it comes back by itself
    broker: Broker | None = None  #: another one than that of the town


@dataclass
class Trial:
    """What a scenario has at hand. What was acknowledged in the span that is excused may be lost."""

    options: Options
    town: Town
    fleet: Fleet
    watch: Watch
    dice: random.Random
    say: Callable[[str], None]
    #: an ingest of our own, where the broker is not that of the town
    ingest: RoleProcess | None = None
    excused: Span | None = None
    recoveries: list[float] = field(default_factory=list)

    def count(self, share: float) -> int:
        """Return how many a share of all observations is."""
        return int(share * self.options.messages)

    def excuse(self, seconds: float) -> None:
        """Say that by what is promised so many seconds up to now may be lost."""
        now = asyncio.get_running_loop().time()
        self.excused = now - seconds, now
        count = sum(self.excused[0] <= time <= self.excused[1] for time in self.fleet.acknowledged_at)
        self.say(
            f"promised: what was acknowledged in the last {seconds:g} s may be lost, {count} observations"
        )

    async def until_sent(self, share: float) -> None:
        """Return when such a share of all observations has been sent."""
        while self.fleet.sent < self.count(share):  # noqa: ASYNC110 - the fleet makes it true
            await asyncio.sleep(_LOOK_S)

    async def recovered(self, what: str, since: float) -> None:
        """Wait until the system is whole again, and say how long after `since` that was."""
        recovery = await self.watch.recovery(since)
        self.recoveries.append(recovery.live)
        self.say(f"{self.fleet.sent:>9} sent: {what}; {recovery}")


Scenario = Callable[[Trial], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Case:
    """A scenario, and what it needs."""

    scenario: Scenario
    connections: int = 20
    small_disk: bool = False


async def conduct(town: Town, case: Case, options: Options, say: Callable[[str], None]) -> Reckoning:
    """Send everything while the scenario takes its course, and strike the balance."""
    if options.broker is None:
        return await _conduct(town, case, options, say, None)
    async with ingest_from(options.broker.address, town) as ingest:
        return await _conduct(town, case, options, say, ingest)


async def _conduct(
    town: Town, case: Case, options: Options, say: Callable[[str], None], ingest: RoleProcess | None
) -> Reckoning:
    plan = Plan(options.messages, options.seed, _whole(system_clock() - _HEAD_START), SECOND // options.rate)
    address = town.mqtt if options.broker is None else options.broker.address
    fleet = Fleet(plan, address, rate=options.rate, connections=case.connections)
    watch = Watch(town, fleet, system_clock)
    trial = Trial(options, town, fleet, watch, random.Random(options.seed), say, ingest)
    await fleet.connect()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fleet.send())
            tasks.create_task(case.scenario(trial))
        await trial.recovered("everything is acknowledged", asyncio.get_running_loop().time())
        found = await reckon(town, fleet, trial.excused)
    finally:
        await fleet.close()
    say(
        f"sent {plan.messages} observations, {plan.repeated} of them twice, {plan.poisoned} messages that "
        f"nobody can use, {len(fleet.canaries)} canaries; {fleet.repeats} again after a connection had ended"
    )
    if trial.recoveries:
        say(f"live again after {_spread(trial.recoveries)}")
    for line in found.lines():
        say(line)
    return found


def _whole(instant: int) -> int:
    """Return a time to the millisecond, as devices tell it."""
    return instant - instant % 1_000


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.1f} s (median of {len(ordered)}), at most {ordered[-1]:.1f} s"
