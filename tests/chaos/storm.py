"""A connection storm: ten thousand devices are cut off at once, and all of them come back at once."""

from __future__ import annotations

import asyncio

from tests.chaos.experiment import Experiment

STORM_DEVICES = 10_000
_LOOK_S = 0.05


async def connection_storm(trial: Experiment) -> None:
    """Cut every device off, twice, under load."""
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
