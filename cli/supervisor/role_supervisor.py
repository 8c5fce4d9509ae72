"""Run one role as a child process: detect its readiness, and restart it with back-off when it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cli.error_report import EXIT_USAGE
from cli.process.child_process import ChildProcess
from cli.supervisor.notify_socket import NotifySocket
from runtime.backoff import backoff_delay
from runtime.telemetry.logs import parse_log_message
from twin.errors import ServiceError

log = logging.getLogger(__name__)

BACK_OFF_FIRST_S = 0.2
BACK_OFF_MAX_S = 10.0
STABLE_AFTER_S = 10.0
"""After a run of this length, the back-off starts again at its first value."""

START_TRIES_MAX = 3
"""A role that was never ready is not restarted after this many exits."""


class RoleSupervisor:
    """One role: its process, its readiness and its restarts."""

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
        self._arguments = [name, *arguments]
        self._environment = {**environment, "NOTIFY_SOCKET": notify_socket.address}
        self._data_dir = data_dir
        self._notify_socket = notify_socket
        self._on_change = on_change
        self._child: ChildProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._was_ready = False

    @property
    def pids(self) -> list[int]:
        """The process id; empty while the role does not run."""
        return [] if self._child is None or self._child.exit_code is not None else [self._child.pid]

    def start(self) -> None:
        """Start the role and keep it running until `stop`."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self.name)

    async def wait_ready(self) -> None:
        """Wait until the role is ready. Raises ServiceError if it fails to start."""
        if self._task is None:
            raise RuntimeError(f"{self.name} is not started")
        ready = asyncio.create_task(self.ready.wait())
        try:
            await asyncio.wait((ready, self._task), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                self._task.result()
        finally:
            ready.cancel()

    async def stop(self, signal_number: signal.Signals = signal.SIGTERM) -> None:
        """End the process within a bound and do not restart it; SIGKILL ends it without waiting."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._child is not None:
            await self._child.stop(signal_number)
            self._on_exit(self._child)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            child = self._child = self._launch()
            self._on_change()
            code = await self._wait_for_exit(child)
            self._on_exit(child)
            failures = 1 if loop.time() - started > STABLE_AFTER_S else failures + 1
            if not self._was_ready and (code == EXIT_USAGE or failures >= START_TRIES_MAX):
                line = parse_log_message("".join(child.last_lines(1))).removeprefix("error: ") or "(nothing)"
                raise ServiceError(
                    f"{self.name} does not start ({_exit_text(code)}); {child.log} ends with: {line}"
                )
            delay_s = backoff_delay(failures, BACK_OFF_FIRST_S, BACK_OFF_MAX_S)
            log.warning(
                "%s %s; restarting it in %.1f s",
                self.name,
                _exit_text(code),
                delay_s,
                extra={"event": "supervisor.process_ended", "process_name": self.name},
            )
            await asyncio.sleep(delay_s)

    def _launch(self) -> ChildProcess:
        return ChildProcess.start_python(
            self.name,
            "cli",
            self._arguments,
            data_dir=self._data_dir,
            log=self.log_path,
            environment=self._environment,
        )

    async def _wait_for_exit(self, child: ChildProcess) -> int:
        """Return the exit code of the child; set `ready` once the child reports that it is ready."""
        readiness = asyncio.create_task(self._wait_for_readiness(child))
        try:
            return await child.wait()
        finally:
            readiness.cancel()

    async def _wait_for_readiness(self, child: ChildProcess) -> None:
        await self._notify_socket.wait_ready(child.pid)
        self._was_ready = True
        self.ready.set()

    def _on_exit(self, child: ChildProcess) -> None:
        self._child = None
        self.ready.clear()
        self._notify_socket.forget(child.pid)
        self._on_change()


def _exit_text(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
