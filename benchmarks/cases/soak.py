"""The case `soak`: more than a day of city time in `livetwin up`, with memory and completeness checked.

The simulator writes a journal of the sent observations. Afterwards the number of stored observations of each
datastream must equal that in the journal.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import psutil
import psycopg

from benchmarks.measure.bench_system import BenchSystem
from runtime.clock import system_clock
from twin.instant import HOUR, SECOND, format_instant

SAMPLE_S = 10.0
SETTLE_S_MAX = 60.0

STORED = """
    SELECT d.sensor_id, d.property, d.field, count(*)
    FROM observation o JOIN datastream d ON d.id = o.datastream_id
    GROUP BY d.sensor_id, d.property, d.field
"""

Key = tuple[str, str, str]  # sensor, property, field


def memory_of(pids: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return the proportional memory of each role and service with its children, in bytes."""
    found = {}
    for name, members in pids.items():
        total = 0
        for pid in members:
            try:
                process = psutil.Process(pid)
                for relative in [process, *process.children(recursive=True)]:
                    total += relative.memory_full_info().pss
            except psutil.Error:
                continue  # it has ended
        found[name] = total
    return found


def sample_memory(system: BenchSystem, seconds: float) -> dict[str, list[int]]:
    """Sample memory for this time; print a line each minute."""
    samples: dict[str, list[int]] = defaultdict(list)
    over = threading.Event()
    started = printed = time.monotonic()
    while time.monotonic() - started < seconds:
        over.wait(min(SAMPLE_S, seconds))
        memory = memory_of(system.pids)
        for name, size in memory.items():
            if size:  # 0 while a role is replaced
                samples[name].append(size)
        if time.monotonic() - printed >= 60:
            printed = time.monotonic()
            parts = " ".join(f"{name} {size >> 20}" for name, size in memory.items())
            minutes, recycles = (printed - started) / 60, system.ports["recycles"]
            print(f"{minutes:5.1f} min  recycles {recycles}  MiB: {parts}", flush=True)
    return samples


def read_journal(file: Path) -> dict[Key, int]:
    """Return the number of sent observations of each datastream, from the journal."""
    sent: dict[Key, int] = {}
    for line in file.read_text().splitlines():
        entry = json.loads(line)
        for stream in entry.get("datastreams", []):
            sent[entry["sensor"], stream["property"], stream["field"]] = stream["observations"]
    return sent


def stored_counts(dsn: str) -> dict[Key, int]:
    """Return the number of stored observations of each datastream."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(STORED).fetchall()
    return {(sensor, name, field): count for sensor, name, field, count in rows}


def differences(system: BenchSystem, sent: dict[Key, int]) -> tuple[int, dict[Key, tuple[int, int]]]:
    """Wait until all is stored; return the number of observations, and the datastreams that differ."""
    over = threading.Event()
    deadline = time.monotonic() + SETTLE_S_MAX
    while True:
        found = stored_counts(str(system.ports["database"]))
        different = {key: (n, found.get(key, 0)) for key, n in sent.items() if found.get(key, 0) != n}
        different |= {key: (0, n) for key, n in found.items() if key not in sent}
        if not different or time.monotonic() > deadline:
            return sum(found.values()), different
        over.wait(1.0)


def run_soak(*, hours: float, speed: float, minutes: float, log_mib: int) -> bool:
    """Run the system and print the result; return whether all observations are stored."""
    start = (system_clock() - int(hours * HOUR)) // SECOND * SECOND
    seconds = minutes * 60 if minutes else hours * 3600 / speed + 60
    bounded = [f"--log-mib-max={log_mib}"]
    simulated = ["--simulate", f"--speed={speed}", f"--start={format_instant(start)}", "--seed=7"]
    with BenchSystem(options=[*simulated, *bounded]) as system:
        samples = sample_memory(system, seconds)
        recycles = system.ports["recycles"]
        system.stop()
        # Start again without devices, to process the messages that wait in Mosquitto.
        system.start(["--no-simulate", *bounded])
        sent = read_journal(Path(os.environ["LIVETWIN_JOURNAL"]))
        found, different = differences(system, sent)
    print(f"\n{hours:g} h of city time, {seconds / 60:.1f} min; the log was recycled {recycles} times")
    print(f"{'':12}{'first third':>14}{'last third':>14}{'peak':>10}   MiB, proportional")
    for role, sizes in samples.items():
        third = max(1, len(sizes) // 3)
        early, late = max(sizes[:third]) >> 20, max(sizes[-third:]) >> 20
        print(f"{role:12}{early:14}{late:14}{max(sizes) >> 20:10}")
    print(
        f"observations sent {sum(sent.values())}, stored {found}; datastreams that differ: {len(different)}"
    )
    for key, (expected, got) in list(different.items())[:20]:
        print(f"  {'/'.join(key)}: sent {expected}, stored {got}")
    return not different and recycles > 0


@click.command()
@click.option("--hours", default=30.0, show_default=True, help="Hours of city time, ending now.")
@click.option("--speed", default=60.0, show_default=True, help="City seconds in a second.")
@click.option("--minutes", default=0.0, help="Stop after so many minutes.")
@click.option("--log-mib", default=256, show_default=True, help="Recycle the log beyond this memory.")
def soak(*, hours: float, speed: float, minutes: float, log_mib: int) -> None:
    """Simulate a long time; fail when an observation is lost, or the log was not recycled."""
    with tempfile.TemporaryDirectory(prefix="livetwin-journal-") as folder:
        Path(folder).chmod(0o755)
        # `livetwin up` passes LIVETWIN_* on to its roles.
        os.environ["LIVETWIN_JOURNAL"] = str(Path(folder) / "journal.jsonl")
        is_complete = run_soak(hours=hours, speed=speed, minutes=minutes, log_mib=log_mib)
    if not is_complete:
        sys.exit(1)
