"""A child process that dies with us: started, waited for, stopped in time, its output in a bounded file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.process.log_files import last_lines, rotate
from cli.process.procfs import DATA_DIR_VARIABLE, resident_bytes
from cli.process.service_account import ServiceAccount
from twin.errors import ServiceError

STOP_TIMEOUT_S = 10.0
"""How long a child may take to end after a polite signal, unless its starter says otherwise."""

_INHERITED = ("PATH", "HOME", "LANG", "TZ", "SSL_CERT_FILE", "VIRTUAL_ENV")


class ChildProcess:
    """One running program.

    `setpriv` gives it its account and the signal that the kernel sends when we die, even of kill -9. It has
    a session of its own, so that Ctrl-C in a terminal reaches only us and we end children in order.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str | Path],
        *,
        data_dir: Path,
        log: Path,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        account: ServiceAccount | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
    ) -> ChildProcess:
        """Start `argv`; output goes to the end of `log`. Raises ServiceError when it cannot be started."""
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise ServiceError("setpriv is missing: install it with `apt-get install util-linux`")
        prefix = [setpriv, f"--pdeathsig={death_signal.name.removeprefix('SIG')}"]
        if account is not None:
            prefix += account.setpriv_options()
        log.parent.mkdir(parents=True, exist_ok=True)
        rotate(log)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*prefix, "--", *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=child_environment(data_dir, environment or {}),
                start_new_session=True,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    @property
    def resident_bytes(self) -> int:
        """Memory that it holds in RAM."""
        return resident_bytes(self.pid)

    async def wait(self) -> int:
        """Return its exit code once it has ended."""
        code = self._process.poll()
        if code is not None:
            return code
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return self._process.wait()

    def send_signal(self, signal_number: signal.Signals) -> None:
        """Send a signal; do nothing when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal_number)

    async def stop(
        self, signal_number: signal.Signals = signal.SIGTERM, timeout_s: float = STOP_TIMEOUT_S
    ) -> int:
        """End it: politely, then by force when it has not ended within the bound. Returns its exit code."""
        self.send_signal(signal_number)
        try:
            return await asyncio.wait_for(self.wait(), timeout_s)
        except TimeoutError:
            self.send_signal(signal.SIGKILL)
            return await self.wait()

    def last_lines(self, count: int = 5) -> list[str]:
        """Return the end of its log, for telling why it died."""
        return last_lines(self.log, count)


def child_environment(data_dir: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return what a child finds in its environment: little of ours, the mark of the data dir, and `extra`."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, DATA_DIR_VARIABLE: str(data_dir), **extra}
