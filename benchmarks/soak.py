"""The soak: a day and more of city time in `livetwin up`, memory watched, every observation accounted for.

`python -m benchmarks.soak --hours 30 --speed 60` takes half an hour. The simulator keeps a journal of what it
sent; afterwards the count of each datastream in the database must be the journal's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil
import psycopg

from runtime.clock import system_clock
from twin.instant import HOUR, SECOND, format_instant

SAMPLE_S = 10.0
START_S_MAX = 60.0
STOP_S_MAX = 120.0
SETTLE_S_MAX = 300.0

STORED = """
    SELECT d.sensor_id, d.property, d.field, count(*)
    FROM observation o JOIN datastream d ON d.id = o.datastream_id
    GROUP BY d.sensor_id, d.property, d.field
"""

Key = tuple[str, str, str]  # sensor, property, field


class System:
    """`livetwin up` on one data dir."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._ports_file = folder / "ports-asked.json"
        self._ports_file.unlink(missing_ok=True)
        self._command = [
            sys.executable,
            "-m",
            "cli",
            "up",
            f"--data-dir={folder / 'data'}",
            "--port=0",
            "--mqtt-port=0",
            f"--ports-file={self._ports_file}",
            *options,
        ]
        self._environment = {
            **os.environ,
            "LIVETWIN_JOURNAL": str(folder / "data" / "state" / "journal.jsonl"),
        }
        self._output = folder / "up.output"

    async def __aenter__(self) -> System:
        with self._output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, stdout=output, stderr=output
            )
        async with asyncio.timeout(START_S_MAX):
            while not self._ports_file.exists():
                if self._process.returncode is not None:
                    raise SystemExit(self._output.read_text())
                await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S_MAX):
            await self._process.wait()

    @property
    def ports(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._ports_file.read_text())
        return content

    def memory(self) -> dict[str, int]:
        """Return the proportional memory of each role and service with its children, in bytes."""
        found = {}
        for name, pids in self.ports["pids"].items():
            total = 0
            for pid in pids:
                try:
                    process = psutil.Process(pid)
                    for one in [process, *process.children(recursive=True)]:
                        total += one.memory_full_info().pss
                except psutil.Error:
                    continue
            found[name] = total
        return found


async def watch(system: System, seconds: float) -> dict[str, list[int]]:
    """Sample memory until the time is over; print a line a minute."""
    samples: dict[str, list[int]] = defaultdict(list)
    started = told = time.monotonic()
    while time.monotonic() - started < seconds:
        await asyncio.sleep(min(SAMPLE_S, seconds))
        memory = system.memory()
        for name, size in memory.items():
            samples[name].append(size)
        if time.monotonic() - told >= 60:
            told = time.monotonic()
            parts = " ".join(f"{name} {size >> 20}" for name, size in memory.items())
            print(
                f"{(told - started) / 60:5.1f} min  recycles {system.ports['recycles']}  MiB: {parts}",
                flush=True,
            )
    return samples


def journal(folder: Path) -> dict[Key, int]:
    """Return how many observations of each datastream were sent."""
    sent: dict[Key, int] = {}
    for line in (folder / "data" / "state" / "journal.jsonl").read_text().splitlines():
        entry = json.loads(line)
        for stream in entry.get("datastreams", []):
            sent[entry["sensor"], stream["property"], stream["field"]] = stream["observations"]
    return sent


async def stored(dsn: str) -> dict[Key, int]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        rows = await (await connection.execute(STORED)).fetchall()
    return {(sensor, name, field): count for sensor, name, field, count in rows}


async def compare(folder: Path, options: list[str]) -> tuple[int, int, dict[Key, tuple[int, int]]]:
    """Start again without devices, let what waits be stored, and compare with the journal."""
    sent = journal(folder)
    async with System(folder, "--no-simulate", *options) as system:
        deadline = time.monotonic() + SETTLE_S_MAX
        while True:
            found = await stored(system.ports["database"])
            different = {
                key: (count, found.get(key, 0)) for key, count in sent.items() if found.get(key, 0) != count
            }
            different |= {key: (0, count) for key, count in found.items() if key not in sent}
            if not different or time.monotonic() > deadline:
                return sum(sent.values()), sum(found.values()), different
            await asyncio.sleep(1.0)


async def soak(arguments: argparse.Namespace, folder: Path) -> bool:
    start = (system_clock() - int(arguments.hours * HOUR)) // SECOND * SECOND
    seconds = arguments.minutes * 60 if arguments.minutes else arguments.hours * 3600 / arguments.speed + 60
    options = [f"--log-mib-max={arguments.log_mib}"]
    simulate = ["--simulate", f"--speed={arguments.speed}", f"--start={format_instant(start)}", "--seed=7"]
    async with System(folder, *simulate, *options) as system:
        samples = await watch(system, seconds)
        recycles = system.ports["recycles"]
    sent, found, different = await compare(folder, options)
    print(
        f"\n{arguments.hours:g} h of city time, {seconds / 60:.1f} min; the log was recycled {recycles} times"
    )
    print(f"{'':12}{'first third':>14}{'last third':>14}{'peak':>10}   MiB")
    for role, sizes in samples.items():
        third = max(1, len(sizes) // 3)
        early, late = max(sizes[:third]) >> 20, max(sizes[-third:]) >> 20
        print(f"{role:12}{early:14}{late:14}{max(sizes) >> 20:10}")
    print(f"observations sent {sent}, stored {found}, datastreams that differ {len(different)}")
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
    with tempfile.TemporaryDirectory(prefix="livetwin-soak-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the services' own accounts come in here
        kept = asyncio.run(soak(parser.parse_args(), folder))
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
