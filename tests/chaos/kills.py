"""Kills processes under load: roles, services and the supervisor."""

from __future__ import annotations

import asyncio
import re

from tests.chaos.experiment import Experiment
from tests.chaos.system_under_test import SystemUnderTest
from tests.support.processes.process_faults import ROLES, frozen, kill

# With `logged` the messages since the historian's last transaction are lost when Kafka is killed.
LOGGED_UNSTORED_S = 5


async def random_kills(trial: Experiment) -> None:
    """Kill roles and the database with -9, each once and then at random; with `stored` also Kafka."""
    victims = [*ROLES, "postgres", *(["kafka"] if trial.options.acknowledge == "stored" else [])]
    dice = trial.dice
    order = dice.sample(victims, len(victims))
    while len(order) < trial.options.blows:
        order.append(dice.choice(victims))
    places = sorted(dice.uniform(0.03, 0.95) for _ in range(trial.options.blows))
    for place, (share, victim) in enumerate(zip(places, order, strict=False)):
        await trial.until_sent(share)
        # The load pauses at the next kill until the system has recovered from this one.
        following = places[place + 1] if place + 1 < len(places) else 1.0
        trial.fleet.pause_at = max(trial.count(following), trial.fleet.sent + 1)
        await kill_and_recover(trial, victim)
    trial.fleet.pause_at = trial.options.messages


async def kill_and_recover(trial: Experiment, victim: str) -> None:
    """Kill one process and wait until the system has recovered."""
    since = asyncio.get_running_loop().time()
    pids = trial.system.pids.get(victim, ())
    for pid in pids:
        kill(pid)
        await trial.probe.until_restarted(victim, pid)
    await trial.await_recovery(f"{victim} killed" if pids else f"{victim} was away already", since)


async def kill_kafka(trial: Experiment) -> None:
    """Kill the embedded Kafka: with `logged` only messages that were not stored yet may be lost."""
    await trial.until_sent(0.5)
    if trial.options.acknowledge == "logged":
        trial.allow_loss(LOGGED_UNSTORED_S)
    await kill_and_recover(trial, "kafka")


async def kill_supervisor(trial: Experiment) -> None:
    """Kill `livetwin up` itself, which ends all its processes, and start it again on the same data."""
    await trial.until_sent(0.5)
    since = asyncio.get_running_loop().time()
    await asyncio.to_thread(trial.system.restart)
    await trial.await_recovery("the supervisor killed, and started again", since)


# The MQTT broker. Mosquitto saves its messages at an interval, so a kill loses acknowledged messages. With a
# broker whose sessions are durable (`--broker`) nothing may be lost.

# How long the broker collects messages before it is killed.
GATHER_S = 5.0

# Longest delay of a save beyond its interval.
SAVE_S_MAX = 1.0


def autosave_s(town: SystemUnderTest) -> int:
    """Return the interval, in seconds, at which the embedded Mosquitto saves its messages."""
    found = re.search(
        r"^autosave_interval (\d+)$",
        (town.folder / "mosquitto" / "mosquitto.conf").read_text(),
        re.MULTILINE,
    )
    assert found is not None
    return int(found[1])


async def kill_broker(trial: Experiment) -> None:
    """Kill the broker with -9 while it holds messages; it restarts with those that it has saved.

    Ingest is frozen meanwhile and then killed, so that it holds no message either.
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
