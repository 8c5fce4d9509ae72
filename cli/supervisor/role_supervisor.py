"""One role as a process that is kept running: started again, with back-off, when it ends by itself."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cli
from cli.process.child_process import ChildProcess
from cli.supervisor.notify_socket import NotifySocket
from runtime.backoff import backoff_delay
from runtime.telemetry.logs import parse_log_message
from twin.errors import ServiceError

log = logging.getLogger(__name__)

BACK_OFF_FIRST_S = 0.2
BACK_OFF_MAX_S = 10.0
STABLE_AFTER_S = 10.0
"""A role that lived this long starts its back-off anew."""

START_TRIES_MAX = 3
"""A role that was never ready and ended this often is given up."""

EXIT_USAGE = 2

_PACKAGES = Path(cli.__file__).parent.parent


class RoleSupervisor:
    """A role's process, its readiness, and its restarts."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        data_dir: Path,
        notify_socket: NotifySocket,
        on_change: Callable[[], None],
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.log_path = data_dir / "logs" / f"{name}.log"
        self._argv = [sys.executable, "-P", "-m", "cli", name, *arguments]
        self._environment = {
            **environment,
            "NOTIFY_SOCKET": notify_socket.address,
            "PYTHONPATH": str(_PACKAGES),
            "PYTHONUNBUFFERED": "1",
        }
        self._data_dir = data_dir
        self._notifications = notify_socket
        self._changed = on_change
        self._child: ChildProcess | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._was_ready = False

    @property
    def pids(self) -> list[int]:
        """Its process id; empty while it does not run."""
        return [] if self._child is None or self._child.exit_code is not None else [self._child.pid]

    def start(self) -> None:
        """Run it from now on."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(), name=self.name)

    async def wait_ready(self) -> None:
        """Return once it does its work. Raises ServiceError when it is given up."""
        if self._keeping is None:
            raise RuntimeError(f"{self.name} is not started")
        ready = asyncio.create_task(self.ready.wait())
        try:
            await asyncio.wait((ready, self._keeping), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                self._keeping.result()
        finally:
            ready.cancel()

    async def stop(self, which: signal.Signals = signal.SIGTERM) -> None:
        """End it within a bound, and keep it so; SIGKILL where there is nothing to wait for."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        if self._child is not None:
            await self._child.stop(which)
            self._forget(self._child)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            child = self._child = self._launch()
            self._changed()
            code = await self._watch(child)
            self._forget(child)
            failures = 1 if loop.time() - started > STABLE_AFTER_S else failures + 1
            if not self._was_ready and (code == EXIT_USAGE or failures >= START_TRIES_MAX):
                words = parse_log_message("".join(child.last_lines(1))).removeprefix("error: ") or "(nothing)"
                raise ServiceError(
                    f"{self.name} does not start ({_told(code)}); {child.log} ends with: {words}"
                )
            delay = backoff_delay(failures, BACK_OFF_FIRST_S, BACK_OFF_MAX_S)
            log.warning("%s %s; it starts again in %.1f s", self.name, _told(code), delay)
            await asyncio.sleep(delay)

    def _launch(self) -> ChildProcess:
        return ChildProcess.start(
            self.name,
            self._argv,
            data_dir=self._data_dir,
            log=self.log_path,
            environment=self._environment,
        )

    async def _watch(self, child: ChildProcess) -> int:
        """Return the exit code of the child; set `wait_ready` when it says so."""
        telling = asyncio.create_task(self._hear(child))
        try:
            return await child.wait()
        finally:
            telling.cancel()

    async def _hear(self, child: ChildProcess) -> None:
        await self._notifications.wait_ready(child.pid)
        self._was_ready = True
        self.ready.set()

    def _forget(self, child: ChildProcess) -> None:
        self._child = None
        self.ready.clear()
        self._notifications.forget(child.pid)
        self._changed()


def _told(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
