"""Kills: every process in turn, and then at random, under load."""

from __future__ import annotations

import asyncio

from tests.chaos.experiment import Experiment
from tests.support.processes.process_faults import ROLES, kill

# Under `logged` a killed log takes with it what the historian has not stored: at a rate that it keeps up
# with, what came in since its last transaction.
LOGGED_UNSTORED_S = 5


async def random_kills(trial: Experiment) -> None:
    """Kill roles and the database with -9; under `stored` the log, too."""
    victims = [*ROLES, "postgres", *(["kafka"] if trial.options.acknowledge == "stored" else [])]
    dice = trial.dice
    order = dice.sample(victims, len(victims))
    while len(order) < trial.options.blows:
        order.append(dice.choice(victims))
    places = sorted(dice.uniform(0.03, 0.95) for _ in range(trial.options.blows))
    for place, (share, victim) in enumerate(zip(places, order, strict=False)):
        await trial.until_sent(share)
        # Should recovery take longer than the way to the next blow, the load waits there.
        following = places[place + 1] if place + 1 < len(places) else 1.0
        trial.fleet.pause_at = max(trial.count(following), trial.fleet.sent + 1)
        await kill_and_recover(trial, victim)
    trial.fleet.pause_at = trial.options.messages


async def kill_and_recover(trial: Experiment, victim: str) -> None:
    """Kill one process and wait until the system is whole again."""
    since = asyncio.get_running_loop().time()
    pids = trial.system.pids.get(victim, ())
    for pid in pids:
        kill(pid)
        await trial.probe.until_restarted(victim, pid)
    await trial.await_recovery(f"{victim} killed" if pids else f"{victim} was away already", since)


async def kill_kafka(trial: Experiment) -> None:
    """Kill the embedded log: under `logged` what was not stored may be lost, and no more."""
    await trial.until_sent(0.5)
    if trial.options.acknowledge == "logged":
        trial.allow_loss(LOGGED_UNSTORED_S)
    await kill_and_recover(trial, "kafka")


async def kill_supervisor(trial: Experiment) -> None:
    """Kill `livetwin up` itself, which ends all that it had started, and start it again on the same data."""
    await trial.until_sent(0.5)
    since = asyncio.get_running_loop().time()
    await asyncio.to_thread(trial.system.restart)
    await trial.await_recovery("the supervisor killed, and started again", since)
