"""The embedded log: `cli.embedded.broker`, which implements Kafka's protocol and keeps records in memory.

Each start is therefore a new log, with a new cluster id. `cli.supervisor.log_retention` bounds its memory.
"""

from __future__ import annotations

import secrets

from cli.embedded.ports import LOOPBACK, wait_until_open
from cli.embedded.service import EmbeddedService
from cli.process.child_process import ChildProcess


class EmbeddedKafka(EmbeddedService):
    """A broker with an empty log at each start. It runs as the current user, like the roles."""

    name = "kafka"
    account_name = None
    port_option = "--kafka-port"

    cluster_id = ""

    @property
    def bootstrap(self) -> str:
        """The address for clients: HOST:PORT."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def advertised(self) -> str:
        """The address that the broker returns to clients."""
        return self.bootstrap

    @property
    def resident_bytes(self) -> int:
        """Memory of the broker, which holds the log."""
        return self.child.resident_bytes

    async def _prepare(self) -> None:
        self.cluster_id = f"livetwin-{secrets.token_hex(8)}"

    def _launch(self) -> ChildProcess:
        options = [
            f"--port={self.port}",
            f"--cluster-id={self.cluster_id}",
            f"--advertised={self.advertised}",
        ]
        return ChildProcess.start_python(
            self.name, "cli.embedded.broker", options, data_dir=self.data_dir, log=self.log
        )

    async def _until_ready(self) -> None:
        await wait_until_open(self.port)
