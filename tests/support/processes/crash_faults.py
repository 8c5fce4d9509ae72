"""Random kills and cut connections for crash tests, and the ends of logs for their failure messages."""

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
    """Kill a random process with -9, or cut its connections to Kafka; return a description, or ""."""
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
            continue  # it is restarting
    return ""


def kill_kafka(system: System) -> None:
    """Kill the embedded Kafka with -9; its records are lost."""
    (pid,) = system.ports["pids"]["kafka"]
    os.kill(pid, signal.SIGKILL)


def all_running(system: System) -> bool:
    """Return whether every target of faults runs again."""
    pids = system.ports["pids"]
    return all(any(Path(f"/proc/{pid}").exists() for pid in pids.get(one, [])) for one in FAULT_TARGETS)


def log_tails(system: System) -> str:
    """Return the end of each log file, for a failure message."""
    logs = sorted(system.data_dir.glob("logs/*.log"))
    return "\n".join(f"== {log.name}\n" + "\n".join(log.read_text().splitlines()[-15:]) for log in logs)
