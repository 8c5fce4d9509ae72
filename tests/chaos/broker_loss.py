"""Kill the MQTT broker with -9 while it holds messages: what it had acknowledged and not saved is lost.

Mosquitto saves at an interval. Against a broker whose sessions are durable, named by `--broker`, nothing
may be lost.
"""

from __future__ import annotations

import asyncio
import re

from tests.chaos.experiment import Experiment
from tests.chaos.system_under_test import SystemUnderTest
from tests.support.processes.process_faults import frozen, kill

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
