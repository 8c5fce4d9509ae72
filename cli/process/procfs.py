"""What Linux tells about processes: alive or not, memory, and which ones a killed supervisor left behind.

A process is named by its id and its start time, as ids are used again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

DATA_DIR_VARIABLE = "TWIN_DATA_DIR"
"""Environment variable that marks every process started for a data dir with that dir."""

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended but was not yet collected (zombie) does not."""
    try:
        status = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds in RAM (RSS); 0 when it is gone."""
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def command_name(pid: int) -> str:
    """Return the short name of a process, or `?`."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "?"


def process_ids() -> Iterator[int]:
    """Yield the ids of all processes that can be seen."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def processes_of_data_dir(data_dir: Path) -> list[int]:
    """Return the processes started for a data dir: by their mark, or by where they work.

    PostgreSQL overwrites its environment with its process title, but works in its data folder.
    """
    mark = f"{DATA_DIR_VARIABLE}={data_dir}".encode()
    services = service_folders(data_dir)
    return [
        pid
        for pid in process_ids()
        if pid != os.getpid() and is_alive(pid) and (_is_marked(pid, mark) or _works_in(pid, services))
    ]


def service_folders(data_dir: Path) -> list[Path]:
    """Return where the embedded services of a data dir keep their files, links followed."""
    return [(data_dir / name).resolve() for name in ("postgres", "mosquitto", "kafka")]


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        return mark in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _works_in(pid: int, folders: list[Path]) -> bool:
    try:
        folder = (_PROC / str(pid) / "cwd").readlink()
    except OSError:
        return False
    return any(folder.is_relative_to(one) for one in folders)
