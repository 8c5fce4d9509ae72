"""A role as a process of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.database.role_accounts import role_dsn

END_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 60.0


class RoleProcess:
    """`python -m cli ROLE` with settings in the environment; its log is in `folder`.

    It uses the database of the tests with the account of its role, or with that of its settings.
    """

    def __init__(
        self,
        role: str,
        settings: Mapping[str, str],
        folder: Path,
        name: str | None = None,
        command: Sequence[str] | None = None,
        *,
        own_account: bool = True,
    ) -> None:
        self._role = role
        if own_account and "DATABASE" in settings:
            settings = {**settings, "DATABASE": role_dsn(settings["DATABASE"], role)}
        self._command = command if command is not None else ("-m", "cli", role)
        self._environment = {**os.environ, **{f"LIVETWIN_{key}": value for key, value in settings.items()}}
        self.log = folder / f"{name or role}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process; return when it reports that it is ready."""
        address = f"@livetwin-test-{secrets.token_hex(8)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, self.log.open("ab") as log:
            listener.setblocking(False)
            listener.bind("\0" + address[1:])
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._command,
                env={**self._environment, "NOTIFY_SOCKET": address},
                stdout=log,
                stderr=log,
            )
            try:
                async with asyncio.timeout(READY_TIMEOUT_S):
                    await asyncio.get_running_loop().sock_recv(listener, 256)
            except TimeoutError:
                raise AssertionError(f"{self._role} is not ready\n{self.log_tail()}") from None

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal; return when the process has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(how)
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            raise AssertionError(f"{self._role} does not end\n{self.log_tail()}") from None

    def kill(self) -> None:
        """Kill the process with -9, from any thread; `stop` must follow."""
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-20:])
