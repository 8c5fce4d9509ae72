"""What the embedded services have in common: a folder, a port, one child, a bounded start and stop."""

from __future__ import annotations

import asyncio
import signal
from abc import ABC, abstractmethod
from pathlib import Path

from cli.embedded.ports import claim_port
from cli.process.child_process import STOP_TIMEOUT_S, ChildProcess
from cli.process.service_account import ServiceAccount, service_account
from twin.errors import ServiceError

START_TIMEOUT_S = 30.0


class EmbeddedService(ABC):
    """One service of the embedded system; subclasses say how it is prepared, started and found ready.

    `port` 0 is replaced by a free port at the first start, and kept for the later ones.
    """

    name: str
    account_name: str | None  #: of whom it runs where we are root; None: it is a program of ours
    port_option: str
    stop_signal = signal.SIGTERM
    stop_timeout_s = STOP_TIMEOUT_S

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port
        self.account: ServiceAccount | None = None
        if self.account_name is not None:
            self.account = service_account(self.account_name, self.data_dir / self.name)
        self._child: ChildProcess | None = None

    @property
    def log(self) -> Path:
        """The file that its output goes to."""
        return self.data_dir / "logs" / f"{self.name}.log"

    @property
    def child(self) -> ChildProcess:
        """The running child; asking before the start is a fault of the caller."""
        if self._child is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._child

    @property
    def pids(self) -> list[int]:
        """Process ids of the service; empty when it does not run."""
        return [] if self._child is None or self._child.exit_code is not None else [self._child.pid]

    async def start(self) -> None:
        """Start it and return when it accepts connections.

        Raises ServiceError when its program is missing, its port taken, or it does not come up.
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
                why = "ended at once" if ended.done() else f"is not ready after {START_TIMEOUT_S:.0f} s"
                words = " | ".join(self._child.last_lines(3)) or "(nothing)"
                await self.stop()
                raise ServiceError(f"{self.name} {why}; its log {self.log} ends with: {words}")
            ready.result()
        finally:
            for task in (ready, ended):
                task.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def stop(self) -> None:
        """End it and wait until it is gone; does nothing when it does not run."""
        if self._child is not None:
            await self._child.stop(self.stop_signal, self.stop_timeout_s)
            self._child = None

    @abstractmethod
    async def _prepare(self) -> None: ...

    @abstractmethod
    def _launch(self) -> ChildProcess: ...

    @abstractmethod
    async def _until_ready(self) -> None: ...
