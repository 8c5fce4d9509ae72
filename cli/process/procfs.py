"""Facts about processes from /proc: whether one runs, its memory, and which ones belong to a data dir."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

DATA_DIR_VARIABLE = "TWIN_DATA_DIR"
"""Environment variable that marks each process of a data dir with the path of that dir."""

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie (ended, not yet reaped) does not."""
    try:
        status = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def resident_bytes(pid: int) -> int:
    """Return the resident memory (RSS) of a process; 0 if it has ended."""
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
    """Yield the ids of all visible processes."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def processes_of_data_dir(data_dir: Path) -> list[int]:
    """Return the processes of a data dir, found by their mark or by their working directory.

    PostgreSQL overwrites its environment with its process title, but it works in its data folder.
    """
    mark = f"{DATA_DIR_VARIABLE}={data_dir}".encode()
    services = service_folders(data_dir)
    return [
        pid
        for pid in process_ids()
        if pid != os.getpid() and is_alive(pid) and (_is_marked(pid, mark) or _works_in(pid, services))
    ]


def service_folders(data_dir: Path) -> list[Path]:
    """Return the folders of the embedded services of a data dir, with links resolved."""
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
