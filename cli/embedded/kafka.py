"""The embedded log: `cli.embedded.broker`, which speaks Kafka's protocol and keeps all in memory.

So each start is a new log, which a new cluster id tells everyone, and `cli.supervisor.log_retention` bounds
its memory.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import cli
from cli.embedded.ports import LOOPBACK, wait_until_open
from cli.embedded.service import EmbeddedService
from cli.process.child_process import ChildProcess

_PACKAGES = Path(cli.__file__).parent.parent


class EmbeddedKafka(EmbeddedService):
    """A broker with an empty log at each start. It runs as we do, like the roles."""

    name = "kafka"
    account_name = None
    port_option = "--kafka-port"

    cluster_id = ""

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def advertised(self) -> str:
        """The address that clients are told to use."""
        return self.bootstrap

    @property
    def resident_bytes(self) -> int:
        """Memory that the broker, and so the log, holds."""
        return self.child.resident_bytes

    async def _prepare(self) -> None:
        self.cluster_id = f"livetwin-{secrets.token_hex(8)}"

    def _launch(self) -> ChildProcess:
        options = [
            f"--port={self.port}",
            f"--cluster-id={self.cluster_id}",
            f"--advertised={self.advertised}",
        ]
        return ChildProcess.start(
            self.name,
            [sys.executable, "-P", "-m", "cli.embedded.broker", *options],
            data_dir=self.data_dir,
            log=self.log,
            environment={"PYTHONPATH": str(_PACKAGES), "PYTHONUNBUFFERED": "1"},
        )

    async def _until_ready(self) -> None:
        await wait_until_open(self.port)
