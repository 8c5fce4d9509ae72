"""The data dir of an embedded system: one owner at a time, its secrets, what a killed owner left running."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import signal
from pathlib import Path

from cli.process.procfs import command_name, is_alive, processes_of_data_dir
from twin.errors import ServiceError

KEY_FILES = ("link.key", "operator.key", "pseudonym.key")
"""The secrets of a data dir that a backup must have; the password of the database is made anew."""

LEFTOVER_TIMEOUT_S = 15.0
_PAUSE_S = 0.05


class DataDir:
    """A data dir that this process holds.

    Raises ServiceError when another process holds it, or it is not writable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path = self.path.resolve()
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ServiceError(
                f"data dir {path} cannot be used ({error.strerror}): choose another with --data-dir"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(self._lock, 20).decode().strip() or "?"
            os.close(self._lock)
            raise ServiceError(
                f"data dir {path} is in use by another `livetwin up` (pid {owner}): "
                "end that one, or choose another with --data-dir"
            ) from error
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())

    def secret(self, name: str) -> str:
        """Return a secret of this data dir, made at its first use; only its owner may read the file."""
        path = self.path / name
        if not path.exists():
            incomplete = path.with_suffix(".incomplete")
            incomplete.touch(mode=0o600)
            incomplete.write_text(secrets.token_urlsafe(32))
            incomplete.replace(path)
        return path.read_text().strip()

    async def end_leftover_processes(self) -> int:
        """End what an owner that was killed left running; return how many processes that were.

        Raises ServiceError when one does not end, not even by force.
        """
        found = leftovers = processes_of_data_dir(self.path)
        _send(leftovers, polite=True)
        if not await _gone(leftovers):
            _send(leftovers, polite=False)
            leftovers = processes_of_data_dir(self.path)
            if not await _gone(leftovers):
                raise ServiceError(
                    f"processes {leftovers} of an earlier run in {self.path} do not end: end them"
                )
        return len(found)

    def kill_all(self) -> None:
        """End every process of this data dir by force."""
        _send(processes_of_data_dir(self.path), polite=False)

    def release(self) -> None:
        """Let another process hold it."""
        os.close(self._lock)


def _send(pids: list[int], *, polite: bool) -> None:
    for pid in pids:
        # For PostgreSQL's main process SIGTERM waits for every client to leave; SIGINT does not.
        gentle = signal.SIGINT if command_name(pid) == "postgres" else signal.SIGTERM
        try:
            os.kill(pid, gentle if polite else signal.SIGKILL)
        except ProcessLookupError:
            continue


async def _gone(pids: list[int]) -> bool:
    """Tell whether all of them ended within `LEFTOVER_TIMEOUT_S`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LEFTOVER_TIMEOUT_S
    while any(is_alive(pid) for pid in pids):
        if loop.time() > deadline:
            return False
        await asyncio.sleep(_PAUSE_S)
    return True
