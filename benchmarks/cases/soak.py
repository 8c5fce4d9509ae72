"""The soak: a day and more of city time in `livetwin up`, memory watched, every observation accounted for.

`python -m benchmarks.cases.soak --hours 30 --speed 60` takes half an hour. The simulator keeps a journal of
what it sent; afterwards the count of each datastream in the database must be the journal's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

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
                for one in [process, *process.children(recursive=True)]:
                    total += one.memory_full_info().pss
            except psutil.Error:
                continue  # it ended meanwhile
        found[name] = total
    return found


def sample_memory(system: BenchSystem, seconds: float) -> dict[str, list[int]]:
    """Sample memory until the time is over; print a line a minute."""
    samples: dict[str, list[int]] = defaultdict(list)
    over = threading.Event()
    started = told = time.monotonic()
    while time.monotonic() - started < seconds:
        over.wait(min(SAMPLE_S, seconds))
        memory = memory_of(system.pids)
        for name, size in memory.items():
            if size:  # a role that is just being replaced has none
                samples[name].append(size)
        if time.monotonic() - told >= 60:
            told = time.monotonic()
            parts = " ".join(f"{name} {size >> 20}" for name, size in memory.items())
            minutes, recycles = (told - started) / 60, system.ports["recycles"]
            print(f"{minutes:5.1f} min  recycles {recycles}  MiB: {parts}", flush=True)
    return samples


def read_journal(file: Path) -> dict[Key, int]:
    """Return how many observations of each datastream were sent."""
    sent: dict[Key, int] = {}
    for line in file.read_text().splitlines():
        entry = json.loads(line)
        for stream in entry.get("datastreams", []):
            sent[entry["sensor"], stream["property"], stream["field"]] = stream["observations"]
    return sent


def stored_counts(dsn: str) -> dict[Key, int]:
    """Return how many observations of each datastream the database holds."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(STORED).fetchall()
    return {(sensor, name, field): count for sensor, name, field, count in rows}


def differences(system: BenchSystem, sent: dict[Key, int]) -> tuple[int, dict[Key, tuple[int, int]]]:
    """Let what waits be stored; return how much is, and where it is not what was sent."""
    over = threading.Event()
    deadline = time.monotonic() + SETTLE_S_MAX
    while True:
        found = stored_counts(str(system.ports["database"]))
        different = {key: (n, found.get(key, 0)) for key, n in sent.items() if found.get(key, 0) != n}
        different |= {key: (0, n) for key, n in found.items() if key not in sent}
        if not different or time.monotonic() > deadline:
            return sum(found.values()), different
        over.wait(1.0)


def soak(arguments: argparse.Namespace) -> bool:
    """Run it and print the account; return whether all is as it should be."""
    start = (system_clock() - int(arguments.hours * HOUR)) // SECOND * SECOND
    seconds = arguments.minutes * 60 if arguments.minutes else arguments.hours * 3600 / arguments.speed + 60
    bounded = [f"--log-mib-max={arguments.log_mib}"]
    simulated = ["--simulate", f"--speed={arguments.speed}", f"--start={format_instant(start)}", "--seed=7"]
    with BenchSystem(options=[*simulated, *bounded]) as system:
        samples = sample_memory(system, seconds)
        recycles = system.ports["recycles"]
        system.stop()
        # Again without devices: what waited in Mosquitto is taken in.
        system.start(["--no-simulate", *bounded])
        sent = read_journal(Path(os.environ["LIVETWIN_JOURNAL"]))
        found, different = differences(system, sent)
    print(
        f"\n{arguments.hours:g} h of city time, {seconds / 60:.1f} min; the log was recycled {recycles} times"
    )
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


def main() -> None:
    """Run the soak; exit 1 when anything is lost or the log was not recycled."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=30.0, help="hours of city time, ending now")
    parser.add_argument("--speed", type=float, default=60.0, help="city seconds in a second")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so many minutes")
    parser.add_argument("--log-mib", type=int, default=256, help="recycle the log beyond this memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="livetwin-journal-") as folder:
        Path(folder).chmod(0o755)
        # `livetwin up` passes LIVETWIN_* on to its roles.
        os.environ["LIVETWIN_JOURNAL"] = str(Path(folder) / "journal.jsonl")
        kept = soak(arguments)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
