"""The data dir of an embedded system: its lock, its secrets, and leftover processes of a killed owner."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import signal
from collections.abc import Callable
from pathlib import Path

from cli.process.procfs import command_name, is_alive, processes_of_data_dir
from runtime.push_key import create_push_key_file
from runtime.signing_key import create_key_file
from twin.errors import ServiceError

OPERATOR_KEY_FILE = "operator.key"

PUSH_KEY_FILE = "push.key"

KEY_FILES = ("dossier.key", "link.key", OPERATOR_KEY_FILE, "pseudonym.key", PUSH_KEY_FILE)
"""The secrets of a data dir that a backup must contain; a restore creates a new database password."""

CLIENT_ID_FILE = "mqtt-client.id"

_FORMER_CLIENT_ID = "livetwin-ingest-0"

LEFTOVER_TIMEOUT_S = 15.0
_POLL_INTERVAL_S = 0.05


def is_locked(path: Path) -> bool:
    """Return whether a process has locked a data dir; False where there is none."""
    try:
        lock = os.open(path / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


class DataDir:
    """A data dir that this process has locked.

    Raises ServiceError when another process has locked it, or it is not writable.
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
                "stop that one, or choose another with --data-dir"
            ) from error
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())

    def secret(self, name: str) -> str:
        """Return a secret of this data dir; create it at first use, in a file only its owner can read."""
        path = self.path / name
        if not path.exists():
            incomplete = path.with_suffix(".incomplete")
            incomplete.touch(mode=0o600)
            incomplete.write_text(secrets.token_urlsafe(32))
            incomplete.replace(path)
        return path.read_text().strip()

    def mqtt_client_id(self) -> str:
        """Return the client id of ingest at the embedded broker, which nobody else knows.

        That broker has no accounts: whoever connects with this id takes the session of ingest. A broker of an
        earlier version keeps messages in the session of the former id, which remains in use.
        """
        has_session = (self.path / "mosquitto" / "mosquitto.db").exists()
        if has_session and not (self.path / CLIENT_ID_FILE).exists():
            return _FORMER_CLIENT_ID
        return f"livetwin-ingest-{self.secret(CLIENT_ID_FILE)}"

    def signing_key(self, name: str) -> str:
        """Return a signing key of this data dir as PEM; create it at first use, as `secret` does."""
        return self._key_file(name, create_key_file)

    def push_key(self) -> str:
        """Return the key of web push of this data dir as PEM; create it at first use, as `secret` does."""
        return self._key_file(PUSH_KEY_FILE, create_push_key_file)

    def _key_file(self, name: str, create: Callable[[Path], object]) -> str:
        path = self.path / name
        if not path.exists():
            incomplete = path.with_suffix(".incomplete")
            incomplete.unlink(missing_ok=True)
            create(incomplete)
            incomplete.replace(path)
        return path.read_text()

    async def end_leftover_processes(self) -> int:
        """Stop processes that a killed owner left running; return how many there were.

        Raises ServiceError when one survives even SIGKILL.
        """
        leftovers = processes_of_data_dir(self.path)
        _signal_all(leftovers, force=False)
        if not await _all_ended(leftovers):
            survivors = processes_of_data_dir(self.path)
            _signal_all(survivors, force=True)
            if not await _all_ended(survivors):
                raise ServiceError(
                    f"processes {survivors} of an earlier run in {self.path} do not end: stop them"
                )
        return len(leftovers)

    def kill_all(self) -> None:
        """Send SIGKILL to every process of this data dir."""
        _signal_all(processes_of_data_dir(self.path), force=True)

    def release(self) -> None:
        """Release the lock."""
        os.close(self._lock)


def _signal_all(pids: list[int], *, force: bool) -> None:
    for pid in pids:
        # SIGTERM makes PostgreSQL's main process wait for its clients to disconnect; SIGINT does not.
        gentle = signal.SIGINT if command_name(pid) == "postgres" else signal.SIGTERM
        try:
            os.kill(pid, signal.SIGKILL if force else gentle)
        except ProcessLookupError:
            continue


async def _all_ended(pids: list[int]) -> bool:
    """Return whether all processes ended within `LEFTOVER_TIMEOUT_S`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LEFTOVER_TIMEOUT_S
    while any(is_alive(pid) for pid in pids):
        if loop.time() > deadline:
            return False
        await asyncio.sleep(_POLL_INTERVAL_S)
    return True
