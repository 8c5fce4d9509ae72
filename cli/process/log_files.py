"""Log files of child processes: bounded, read for their last words, followed on the terminal."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

LOG_BYTES_MAX = 4 << 20
"""A log file is copied aside (one generation) and emptied when it passes this."""

_ROTATE_PAUSE_S = 5.0
_FOLLOW_PAUSE_S = 0.2
_LAST_BYTES = 64 << 10


def rotate(log: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Move what a log holds aside when it is too long; its writers append, so they go on at the start.

    Where there is no room for a copy, there is none.
    """
    if log.exists() and log.stat().st_size > bytes_max:
        aside = log.with_suffix(log.suffix + ".1")
        try:
            shutil.copyfile(log, aside)
        except OSError:
            with suppress(OSError):
                aside.unlink()
        os.truncate(log, 0)


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a file that hold text, oldest first; nothing when there is no file."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()][-count:]


async def rotate_logs(folder: Path) -> None:
    """Keep all logs in a folder bounded, until cancelled."""
    while True:
        for path in _logs(folder):
            rotate(path)
        await asyncio.sleep(_ROTATE_PAUSE_S)


async def follow_logs(folder: Path) -> None:
    """Write what is added to the logs in a folder to standard error, until cancelled."""
    read = {path: path.stat().st_size for path in _logs(folder)}
    while True:
        for path in _logs(folder):
            _copy_new(path, read)
        await asyncio.sleep(_FOLLOW_PAUSE_S)


def _copy_new(path: Path, read: dict[Path, int]) -> None:
    size = path.stat().st_size
    position = min(read.get(path, 0), size)  # a rotated log starts again
    if size > position:
        with path.open("rb") as file:
            file.seek(position)
            sys.stderr.write(file.read(size - position).decode(errors="replace"))
            sys.stderr.flush()
    read[path] = size


def _logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))
