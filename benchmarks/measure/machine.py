"""The machine and the version of the code of a measurement."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import psutil


def describe_machine(data_dir: Path) -> dict[str, str | int | float]:
    """Return processor, memory, system and the file system that holds the data."""
    return {
        "cores": psutil.cpu_count() or 0,
        "cpu": _cpu_model(),
        "memoryBytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "fileSystem": _file_system(data_dir),
        "loadBefore": round(psutil.getloadavg()[0], 2),
    }


def describe_code(folder: Path) -> str:
    """Return the commit of a checkout, with `+` for changed files; empty outside of a checkout."""
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(folder, "status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "Processor"):
            return value.strip()
    return platform.machine()


def _file_system(path: Path) -> str:
    mounts = [
        one for one in psutil.disk_partitions(all=True) if path.resolve().is_relative_to(one.mountpoint)
    ]
    return max(mounts, key=lambda one: len(one.mountpoint)).fstype if mounts else ""
