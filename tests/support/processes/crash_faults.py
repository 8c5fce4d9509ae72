"""What crash tests share: processes killed and connections cut at random, and a look at what they wrote."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

from tests.support.processes.connection_faults import cut_connections

FAULT_TARGETS = ("ingest", "stream", "historian", "alerting", "outlets")

System = Any


def inject_fault(system: System, dice: random.Random) -> str:
    """Kill a process with -9, or cut one's connections to Kafka; return what was done, empty for nothing."""
    ports = system.ports
    for victim in dice.sample(FAULT_TARGETS, len(FAULT_TARGETS)):
        try:
            for pid in ports["pids"].get(victim, []):
                if dice.random() < 0.5:
                    os.kill(pid, signal.SIGKILL)
                    return f"{victim} killed"
                if count := cut_connections(pid, ports["kafka"]):
                    return f"{count} connections of {victim} cut"
        except (ProcessLookupError, FileNotFoundError):
            continue  # it has just ended, and starts again
    return ""


def kill_kafka(system: System) -> None:
    """Kill the embedded log with -9: what it held is gone."""
    (pid,) = system.ports["pids"]["kafka"]
    os.kill(pid, signal.SIGKILL)


def all_running(system: System) -> bool:
    """Whether every victim is back."""
    pids = system.ports["pids"]
    return all(any(Path(f"/proc/{pid}").exists() for pid in pids.get(one, [])) for one in FAULT_TARGETS)


def log_tails(system: System) -> str:
    """Return the end of each log, for whoever reads of the failure."""
    logs = sorted(system.data_dir.glob("logs/*.log"))
    return "\n".join(f"== {log.name}\n" + "\n".join(log.read_text().splitlines()[-15:]) for log in logs)
