"""Log files of child processes: rotate them, read their last lines, follow them on the terminal."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

LOG_BYTES_MAX = 4 << 20
"""A longer log file is copied to `<name>.log.1` (one generation) and truncated."""

_ROTATE_PAUSE_S = 5.0
_FOLLOW_PAUSE_S = 0.2
_LAST_BYTES = 64 << 10


def rotate(log: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Copy a log that is too long to `<name>.log.1` and truncate it; its writers append, so they continue.

    Without disk space for the copy, the log is truncated without one.
    """
    if log.exists() and log.stat().st_size > bytes_max:
        previous = log.with_suffix(log.suffix + ".1")
        try:
            shutil.copyfile(log, previous)
        except OSError:
            with suppress(OSError):
                previous.unlink()
        os.truncate(log, 0)


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a file that are not blank, oldest first; none if the file is missing."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()][-count:]


async def rotate_logs(folder: Path) -> None:
    """Rotate all logs in a folder until cancelled."""
    while True:
        for path in _logs(folder):
            rotate(path)
        await asyncio.sleep(_ROTATE_PAUSE_S)


async def follow_logs(folder: Path) -> None:
    """Copy new text in the logs of a folder to standard error until cancelled."""
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
