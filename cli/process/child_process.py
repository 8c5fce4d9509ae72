"""A child process that ends with its parent, stops within a bound and writes to a bounded log file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.process.log_files import last_lines, rotate
from cli.process.procfs import DATA_DIR_VARIABLE, resident_bytes
from cli.process.service_account import ServiceAccount
from twin.errors import ServiceError

STOP_TIMEOUT_S = 10.0
"""How long a child may take to end after the first signal, by default."""

_INHERITED = ("PATH", "HOME", "LANG", "TZ", "SSL_CERT_FILE", "VIRTUAL_ENV")

# The folder of our packages, for a child that runs one of them.
_PACKAGES = Path(__file__).parents[2]


class ChildProcess:
    """One running program.

    `setpriv` sets its account, and the signal that the kernel sends when this process dies, even by SIGKILL.
    It has its own session, so that Ctrl-C in a terminal reaches only this process, which ends its children
    in order.
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
        """Start `argv` and append its output to `log`. Raises ServiceError when setpriv is missing."""
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

    @classmethod
    def start_python(
        cls,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        data_dir: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> ChildProcess:
        """Start a module of ours as `python -m MODULE ARGUMENTS…`, with the interpreter of this process."""
        return cls.start(
            name,
            [sys.executable, "-P", "-m", module, *arguments],
            data_dir=data_dir,
            log=log,
            environment={
                **(environment or {}),
                "PYTHONPATH": str(_PACKAGES),
                "PYTHONUNBUFFERED": "1",
            },
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while the process runs; the negative signal number if a signal ended it."""
        return self._process.poll()

    @property
    def resident_bytes(self) -> int:
        """Memory of the process in RAM."""
        return resident_bytes(self.pid)

    async def wait(self) -> int:
        """Wait for the end of the process and return its exit code."""
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
        """Send a signal; do nothing if the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal_number)

    async def stop(
        self, signal_number: signal.Signals = signal.SIGTERM, timeout_s: float = STOP_TIMEOUT_S
    ) -> int:
        """Send the signal, then SIGKILL if the process still runs after `timeout_s`; return the exit code."""
        self.send_signal(signal_number)
        try:
            return await asyncio.wait_for(self.wait(), timeout_s)
        except TimeoutError:
            self.send_signal(signal.SIGKILL)
            return await self.wait()

    def last_lines(self, count: int = 5) -> list[str]:
        """Return the last lines of its log, which often explain why it ended."""
        return last_lines(self.log, count)


def child_environment(data_dir: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child: a few inherited variables, the data dir mark, and `extra`."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, DATA_DIR_VARIABLE: str(data_dir), **extra}
