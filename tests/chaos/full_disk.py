"""A full disk: nothing can be written for a while."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos.experiment import Experiment
from tests.support.processes.process_faults import ROLES, kill
from tests.support.services.service_folder import make_service_folder

DISK_MIB = 1_536


@contextmanager
def small_disk() -> Iterator[Path]:
    """Yield a folder with a small file system of its own, in memory; needs root."""
    folder = make_service_folder()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=755", "tmpfs", str(folder)], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


async def full_disk(trial: Experiment) -> None:
    """Fill the disk of the data folder, kill every role and the database, and free the space later."""
    await trial.until_sent(0.3)
    loop = asyncio.get_running_loop()
    ballast = trial.system.folder / "ballast"
    await asyncio.to_thread(_fill, ballast)
    trial.report(f"{trial.fleet.sent:>9} sent: the disk is full")
    begun = loop.time()
    killed = 0
    for name in (*ROLES, "postgres"):
        for pid in trial.system.pids.get(name, ()):
            kill(pid)
            killed += 1
    trial.report(f"{killed} processes killed meanwhile: every role and the database")
    while loop.time() - begun < trial.options.seconds:
        # Space that is freed meanwhile, such as by a rotated log file, is filled again.
        await asyncio.to_thread(_fill, ballast)
        await asyncio.sleep(1)
    since = loop.time()
    ballast.unlink()
    await trial.await_recovery(f"the disk was full for {trial.options.seconds:.0f} s", since)


def _fill(path: Path) -> None:
    """Write until nothing more can be written."""
    block = bytes(1 << 16)
    with path.open("ab", buffering=0) as file:
        found = os.statvfs(path)
        with suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, file.tell() + found.f_bavail * found.f_frsize)
        file.seek(0, os.SEEK_END)
        while True:
            try:
                file.write(block)
            except OSError:
                if len(block) == 1:
                    return
                block = block[: len(block) // 2]
