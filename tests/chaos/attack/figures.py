"""Memory of each process and bytes on disk, before and during the attack."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.measure.processes import UsageMeter

_EACH_S = 3.0
_BLOCK_BYTES = 512


class ResourceFigures:
    """Samples memory and disk until cancelled."""

    def __init__(self, groups: Mapping[str, Sequence[int]], folder: Path) -> None:
        self.memory_first = memory_bytes(groups)
        self.memory_max: dict[str, int] = dict(self.memory_first)
        self.disk_first = folder_bytes(folder)
        self.disk_last = dict(self.disk_first)
        self._groups = groups
        self._folder = folder

    async def watch(self) -> None:
        """Sample until cancelled."""
        while True:
            await asyncio.sleep(_EACH_S)
            found = await asyncio.to_thread(memory_bytes, self._groups)
            self.memory_max = {name: max(size, found[name]) for name, size in self.memory_max.items()}

    def end(self) -> None:
        """Take the last figures of the disk."""
        self.disk_last = folder_bytes(self._folder)

    @property
    def disk_growth(self) -> int:
        """Bytes that were added in all."""
        return sum(self.disk_last.values()) - sum(self.disk_first.values())


def memory_bytes(groups: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return the memory of processes with their descendants; each counts its part of shared pages."""
    meter = UsageMeter(groups)
    meter.start()
    usage, _ = meter.stop()
    return {name: one.memory_bytes_max for name, one in usage.items()}


def folder_bytes(folder: Path) -> dict[str, int]:
    """Return the bytes on disk of each entry of a folder, as the file system counts them."""
    found: dict[str, int] = {}
    for entry in folder.iterdir():
        found[entry.name] = 0
        paths = [
            entry,
            *(Path(at) / name for at, folders, files in os.walk(entry) for name in (*folders, *files)),
        ]
        for path in paths:
            with suppress(OSError):
                found[entry.name] += path.lstat().st_blocks * _BLOCK_BYTES
    return found
