"""The base of the embedded services: a folder, a port, one child process, a bounded start and stop."""

from __future__ import annotations

import asyncio
import signal
from abc import ABC, abstractmethod
from pathlib import Path

from cli.embedded.ports import claim_port
from cli.process.child_process import STOP_TIMEOUT_S, ChildProcess
from cli.process.service_account import (
    FALLBACK_PARENT,
    ServiceAccount,
    create_service_folder,
    service_account,
)
from twin.errors import ServiceError

START_TIMEOUT_S = 30.0


class EmbeddedService(ABC):
    """One service of the embedded system; subclasses define how to prepare, start and probe it.

    The first start replaces port 0 by a free port, which later starts keep. `fallback_parent` holds the
    folder of the service if its account cannot enter the data dir.
    """

    name: str
    account_name: str | None  #: preferred account if root starts it; None: the current user
    port_option: str
    stop_signal = signal.SIGTERM
    stop_timeout_s = STOP_TIMEOUT_S

    def __init__(self, data_dir: Path, port: int = 0, *, fallback_parent: Path = FALLBACK_PARENT) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port
        self._fallback_parent = fallback_parent
        self.account: ServiceAccount | None = None
        if self.account_name is not None:
            self.account = service_account(self.account_name, self.data_dir / self.name)
        self._child: ChildProcess | None = None

    @property
    def log(self) -> Path:
        """The file with its output."""
        return self.data_dir / "logs" / f"{self.name}.log"

    @property
    def child(self) -> ChildProcess:
        """The child process. Raises RuntimeError before the start."""
        if self._child is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._child

    @property
    def pids(self) -> list[int]:
        """The process ids of the service; empty while it does not run."""
        return [] if self._child is None or self._child.exit_code is not None else [self._child.pid]

    async def start(self) -> None:
        """Start the service and wait until it accepts connections.

        Raises ServiceError when its program is missing, its port is taken, or it does not become ready.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.port = claim_port(self.port, self.name, self.port_option)
        await self._prepare()
        self._child = self._launch()
        ready = asyncio.ensure_future(self._until_ready())
        ended = asyncio.ensure_future(self._child.wait())
        try:
            await asyncio.wait((ready, ended), timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                reason = "ended at once" if ended.done() else f"is not ready after {START_TIMEOUT_S:.0f} s"
                lines = " | ".join(self._child.last_lines(3)) or "(nothing)"
                await self.stop()
                raise ServiceError(f"{self.name} {reason}; its log {self.log} ends with: {lines}")
            ready.result()
        finally:
            for task in (ready, ended):
                task.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def stop(self) -> None:
        """Stop the service and wait for its end; do nothing if it does not run."""
        if self._child is not None:
            await self._child.stop(self.stop_signal, self.stop_timeout_s)
            self._child = None

    def create_folder(self) -> Path:
        """Create the folder for the files of the service; return its real path. Raises ServiceError."""
        return create_service_folder(self.data_dir / self.name, self.account, elsewhere=self._fallback_parent)

    @abstractmethod
    async def _prepare(self) -> None: ...

    @abstractmethod
    def _launch(self) -> ChildProcess: ...

    @abstractmethod
    async def _until_ready(self) -> None: ...
