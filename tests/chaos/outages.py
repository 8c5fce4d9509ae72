"""What is away for a while, or slow, and comes back by itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from tests.chaos.experiment import Scenario, Trial
from tests.support.processes.process_faults import frozen, half_open, slowed

Disturbance = Callable[[Sequence[int]], AbstractAsyncContextManager[None]]

CUT = (
    ("ingest", "mqtt"),
    ("ingest", "kafka"),
    ("stream", "kafka"),
    ("historian", "kafka"),
    ("historian", "postgres"),
    ("api", "kafka"),
    ("api", "postgres"),
)
"""Who is cut off from whom."""


def _away(service: str, disturbance: Disturbance, word: str) -> Scenario:
    async def scenario(trial: Trial) -> None:
        loop = asyncio.get_running_loop()
        seconds = trial.options.seconds
        await trial.until_sent(0.3)
        async with disturbance(trial.town.pids[service]):
            begun = loop.time()
            watching = asyncio.create_task(trial.watch.live(trial.watch.send(), begun))
            await asyncio.wait([watching], timeout=seconds)
            if watching.done():
                live = watching.result()
                trial.say(
                    f"{trial.fleet.sent:>9} sent: {service} {word}; live after {live:.1f} s all the same"
                )
                await asyncio.sleep(seconds - (loop.time() - begun))
            else:
                watching.cancel()
                trial.say(f"{trial.fleet.sent:>9} sent: {service} {word}; nothing is live meanwhile")
        await trial.recovered(f"{service} {word} for {seconds:.0f} s", loop.time())

    return scenario


database_away = _away("postgres", frozen, "away")
database_slow = _away("postgres", slowed, "slow")
log_away = _away("kafka", frozen, "away")
broker_away = _away("mosquitto", frozen, "away")


async def broker_restarts(trial: Trial) -> None:
    """End Mosquitto politely, three times: it saves what it holds, and nothing is lost."""
    for share in (0.2, 0.5, 0.8):
        await trial.until_sent(share)
        since = asyncio.get_running_loop().time()
        (pid,) = trial.town.pids["mosquitto"]
        os.kill(pid, signal.SIGTERM)
        await trial.watch.restarted("mosquitto", pid)
        await trial.recovered("mosquitto restarted", since)


async def half_open_connections(trial: Trial) -> None:
    """Let connections go half open, one kind after the other: nothing arrives, and nobody is told."""
    loop = asyncio.get_running_loop()
    await trial.until_sent(0.1)
    trial.fleet.sent_max = trial.count(0.2)
    since = loop.time()
    for device in trial.fleet.devices:
        device.deafen()
    await trial.recovered("connections of all devices half open", since)
    for step, (role, service) in enumerate(CUT, 2):
        await trial.until_sent(step / 10)
        # Should recovery take longer than the way to the next cut, the load waits there.
        trial.fleet.sent_max = trial.count((step + 1) / 10)
        since = loop.time()
        count = sum(half_open(pid, trial.town.ports[service]) for pid in trial.town.pids[role])
        what = f"{count} connections of {role} to {service} half open"
        await trial.recovered(what, since)
        if (role, service) == ("api", "postgres"):
            trial.say(f"{what}: it answers from the database after {await trial.watch.asked(since):.1f} s")
    trial.fleet.sent_max = trial.options.messages
