"""Processor time and memory of processes and their descendants, read from Linux's /proc."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

_PROC = Path("/proc")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

# Fields of /proc/PID/stat, counted after the name in parentheses.
_PARENT, _USER, _CHILDREN_SYSTEM = 1, 11, 14


class _Process(NamedTuple):
    parent: int
    cpu_s: float  #: of itself and of its children that have ended


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUsage:
    """Processor time and memory of one part of the system in a period."""

    cpu_s: float
    memory_bytes_max: int  #: greatest sample; each process counts its part of shared memory


class UsageMeter:
    """Measures named groups of processes from `start` to `stop`, by samples in between."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = {name: tuple(pids) for name, pids in groups.items()}
        self._memory = dict.fromkeys(self._groups, 0)
        self._cpu_before: dict[str, float] = {}
        self._machine_before = 0.0

    def start(self) -> None:
        """Start measuring."""
        self._machine_before = _machine_busy_s()
        self._cpu_before = self.sample()

    def sample(self) -> dict[str, float]:
        """Sample all groups; return the processor time of each until now."""
        table = _processes()
        children = self._children(table)
        members = {
            name: _with_descendants([one for one in pids if one in table], children)
            for name, pids in self._groups.items()
        }
        for name, pids in members.items():
            self._memory[name] = max(self._memory[name], _memory_bytes(pids))
        return {name: sum(table[pid].cpu_s for pid in pids) for name, pids in members.items()}

    def stop(self) -> tuple[dict[str, ProcessUsage], float]:
        """Stop measuring; return the usage of each group, and the processor seconds of everything else.

        Everything else is other programs and the kernel; it is at least 0.
        """
        now = self.sample()
        machine = _machine_busy_s() - self._machine_before
        usage = {
            name: ProcessUsage(
                cpu_s=max(0.0, now[name] - self._cpu_before[name]), memory_bytes_max=self._memory[name]
            )
            for name in self._groups
        }
        return usage, max(0.0, machine - sum(one.cpu_s for one in usage.values()))

    def _children(self, table: Mapping[int, _Process]) -> dict[int, list[int]]:
        """Return the children of each process, except those that belong to a group themselves."""
        roots = {pid for pids in self._groups.values() for pid in pids}
        children: defaultdict[int, list[int]] = defaultdict(list)
        for pid, process in table.items():
            if pid not in roots:
                children[process.parent].append(pid)
        return children


def measure_usage(
    groups: Mapping[str, Sequence[int]], work: Callable[[UsageMeter], object]
) -> tuple[dict[str, ProcessUsage], float, float]:
    """Do some work; return the usage of each group, the CPU seconds of all else, and the duration."""
    meter = UsageMeter(groups)
    began = time.monotonic()
    meter.start()
    work(meter)
    usage, other_s = meter.stop()
    return usage, other_s, time.monotonic() - began


def _processes() -> dict[int, _Process]:
    """Return all processes of the machine."""
    found = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # the process has just ended
            ticks = sum(map(int, fields[_USER : _CHILDREN_SYSTEM + 1]))
            found[int(entry.name)] = _Process(int(fields[_PARENT]), ticks / _TICKS_A_SECOND)
    return found


def _with_descendants(pids: Iterable[int], children: Mapping[int, list[int]]) -> set[int]:
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting.extend(children.get(pid, ()))
    return found


def _memory_bytes(pids: Iterable[int]) -> int:
    """Return proportional memory: each process counts its part of a shared page."""
    total = 0
    for pid in pids:
        try:
            rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        # The first line is about addresses; then "Rss: 1234 kB", "Pss: 1234 kB" and so on.
        total += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return total << 10


def _machine_busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)
