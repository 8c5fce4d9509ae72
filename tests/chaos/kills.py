"""Kills: every process in turn, and then at random, under load."""

from __future__ import annotations

import asyncio
import re

from tests.chaos.experiment import Experiment
from tests.chaos.system_under_test import SystemUnderTest
from tests.support.processes.process_faults import ROLES, frozen, kill

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


# Kill the MQTT broker with -9 while it holds messages: what it had acknowledged and not saved is lost.
#
# Mosquitto saves at an interval. Against a broker whose sessions are durable, named by `--broker`, nothing
# may be lost.

# How long messages gather in the broker before it is killed.
GATHER_S = 5.0

# A save takes its time, and begins when the broker comes round to it.
SAVE_S_MAX = 1.0


def autosave_s(town: SystemUnderTest) -> int:
    """Return how often the embedded Mosquitto saves what it holds."""
    found = re.search(
        r"^autosave_interval (\d+)$",
        (town.folder / "mosquitto" / "mosquitto.conf").read_text(),
        re.MULTILINE,
    )
    assert found is not None
    return int(found[1])


async def kill_broker(trial: Experiment) -> None:
    """Let messages gather in the broker, and kill it; it comes back with what it has saved.

    Ingest stands still meanwhile and is killed, too: what had reached its socket counts for nothing.
    """
    await trial.until_sent(0.4)
    loop = asyncio.get_running_loop()
    (ingest,) = [trial.ingest.pid] if trial.ingest is not None else trial.system.pids["ingest"]
    async with frozen([ingest]):
        await asyncio.sleep(GATHER_S)
        since = loop.time()
        if trial.options.broker is not None:
            await asyncio.to_thread(trial.options.broker.restart)
        else:
            trial.allow_loss(autosave_s(trial.system) + SAVE_S_MAX)
            (pid,) = trial.system.pids["mosquitto"]
            kill(pid)
        kill(ingest)
    if trial.ingest is not None:
        await trial.ingest.stop()
        await trial.ingest.start()
    await trial.await_recovery("the broker killed while it held messages", since)
