"""Outages: services that are frozen or slow for a while, and lost connections."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from tests.chaos.experiment import Experiment, FaultInjection
from tests.support.processes.process_faults import frozen, make_half_open, throttled

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
"""Role, and service that its connections are cut off from."""


def _away(service: str, disturbance: Disturbance, word: str) -> FaultInjection:
    async def scenario(trial: Experiment) -> None:
        loop = asyncio.get_running_loop()
        seconds = trial.options.seconds
        await trial.until_sent(0.3)
        async with disturbance(trial.system.pids[service]):
            begun = loop.time()
            watching = asyncio.create_task(trial.probe.until_live(trial.probe.send_canary(), begun))
            await asyncio.wait([watching], timeout=seconds)
            if watching.done():
                live = watching.result()
                trial.report(
                    f"{trial.fleet.sent:>9} sent: {service} {word}; live after {live:.1f} s all the same"
                )
                await asyncio.sleep(seconds - (loop.time() - begun))
            else:
                watching.cancel()
                trial.report(f"{trial.fleet.sent:>9} sent: {service} {word}; nothing is live meanwhile")
        await trial.await_recovery(f"{service} {word} for {seconds:.0f} s", loop.time())

    return scenario


database_away = _away("postgres", frozen, "away")
database_slow = _away("postgres", throttled, "slow")
log_away = _away("kafka", frozen, "away")
broker_away = _away("mosquitto", frozen, "away")


async def broker_restarts(trial: Experiment) -> None:
    """Stop Mosquitto with SIGTERM, three times: it saves its messages, and nothing is lost."""
    for share in (0.2, 0.5, 0.8):
        await trial.until_sent(share)
        since = asyncio.get_running_loop().time()
        (pid,) = trial.system.pids["mosquitto"]
        os.kill(pid, signal.SIGTERM)
        await trial.probe.until_restarted("mosquitto", pid)
        await trial.await_recovery("mosquitto restarted", since)


async def half_open_connections(trial: Experiment) -> None:
    """Make connections half open, one kind after the other: nothing arrives, and no error is raised."""
    loop = asyncio.get_running_loop()
    await trial.until_sent(0.1)
    trial.fleet.pause_at = trial.count(0.2)
    since = loop.time()
    for device in trial.fleet.devices:
        device.block_incoming()
    await trial.await_recovery("connections of all devices half open", since)
    for step, (role, service) in enumerate(CUT, 2):
        await trial.until_sent(step / 10)
        # The load pauses at the next cut until the system has recovered from this one.
        trial.fleet.pause_at = trial.count((step + 1) / 10)
        since = loop.time()
        count = sum(make_half_open(pid, trial.system.ports[service]) for pid in trial.system.pids[role])
        what = f"{count} connections of {role} to {service} half open"
        await trial.await_recovery(what, since)
        if (role, service) == ("api", "postgres"):
            trial.report(
                f"{what}: it answers from the database after "
                f"{await trial.probe.until_database_answers(since):.1f} s"
            )
    trial.fleet.pause_at = trial.options.messages


# A connection storm.

STORM_DEVICES = 10_000
_LOOK_S = 0.05


async def connection_storm(trial: Experiment) -> None:
    """Disconnect ten thousand devices at once, twice, under load; all reconnect at once."""
    loop = asyncio.get_running_loop()
    devices = trial.fleet.devices
    for share in (0.3, 0.6):
        await trial.until_sent(share)
        since = loop.time()
        before = sum(device.connections for device in devices)
        for device in devices:
            device.abort()
        while sum(device.connections for device in devices) < before + len(devices):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        trial.report(
            f"{len(devices)} devices cut off; all are connected again after {loop.time() - since:.1f} s"
        )
        await trial.await_recovery(f"{len(devices)} devices came back at once", since)
