"""A trial: the system under load, something that goes wrong, and the balance."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.clock import system_clock
from tests.chaos.fleet import Fleet
from tests.chaos.plan import Plan
from tests.chaos.reckoning import Reckoning, reckon
from tests.chaos.recovery import Watch
from tests.chaos.town import Town
from twin.instant import SECOND

# The first observation is so old when it is sent: what the shuffle brings forward is not ahead of its time.
_HEAD_START = 5 * SECOND
_LOOK_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a trial is made."""

    messages: int
    seed: int
    acknowledge: str  #: `logged` or `stored`
    rate: int  #: messages a second
    blows: int  #: how often something is killed, where that is up to chance
    seconds: float  #: how long something is away, where it comes back by itself


@dataclass
class Trial:
    """What a scenario has at hand. `bound`: so many acknowledged messages may be lost by what is promised."""

    options: Options
    town: Town
    fleet: Fleet
    watch: Watch
    dice: random.Random
    say: Callable[[str], None]
    bound: int = 0
    recoveries: list[float] = field(default_factory=list)

    def count(self, share: float) -> int:
        """Return how many a share of all observations is."""
        return int(share * self.options.messages)

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
    step = SECOND // options.rate
    plan = Plan(options.messages, options.seed, _whole(system_clock() - _HEAD_START), step)
    fleet = Fleet(plan, town.mqtt, rate=options.rate, connections=case.connections)
    watch = Watch(town, fleet, system_clock)
    trial = Trial(options, town, fleet, watch, random.Random(options.seed), say)
    await fleet.connect()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fleet.send())
            tasks.create_task(case.scenario(trial))
        await trial.recovered("everything is acknowledged", asyncio.get_running_loop().time())
        found = await reckon(town, fleet, bound=trial.bound)
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
