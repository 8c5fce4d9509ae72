"""RabbitMQ from Debian's package as an MQTT broker whose sessions are durable: quorum queues, one node."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.load.mqtt_wire import connect_packet
from cli.embedded.ports import LOOPBACK, free_port
from tests.support.services.service_folder import make_service_folder

START_S_MAX = 120.0
_LOOK_S = 0.2
_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

_CONFIGURATION = """\
listeners.tcp = none
mqtt.listeners.tcp.1 = {address}:{port}
mqtt.durable_queue_type = quorum
mqtt.max_session_expiry_interval_seconds = infinity
"""


class RabbitMq:
    """One node on loopback, which can be killed and restarted on its data."""

    def __init__(self, folder: Path) -> None:
        self.address = LOOPBACK, free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "rabbitmq.conf").write_text(_CONFIGURATION.format(address=LOOPBACK, port=self.address[1]))
        (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RABBITMQ_NODENAME": "chaos@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(free_port()),
        }
        # RabbitMQ would start a port mapper that outlives it.
        self._port_mapper = subprocess.Popen(["epmd"], env=self._environment)

    def start(self) -> None:
        """Start the node; return when it accepts connections."""
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [_SERVER], env=self._environment, stdout=output, stderr=output, start_new_session=True
            )
        asyncio.run(asyncio.wait_for(_until_it_answers(self.address), START_S_MAX))

    def kill(self) -> None:
        """Kill it with -9."""
        assert self._process is not None
        processes = psutil.Process(self._process.pid).children(recursive=True)
        for pid in (*(one.pid for one in processes), self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        psutil.wait_procs(processes)

    def restart(self) -> None:
        """Kill the node and start it again."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """Stop the node and its port mapper."""
        if self._process is not None:
            self.kill()
        self._port_mapper.kill()
        self._port_mapper.wait()


async def _until_it_answers(address: tuple[str, int]) -> None:
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(connect_packet("is-it-there"))
                await reader.readexactly(1)
                return
            finally:
                writer.close()
        await asyncio.sleep(_LOOK_S)


@contextmanager
def rabbitmq() -> Iterator[RabbitMq]:
    """Run RabbitMQ in a temporary folder."""
    if not _SERVER.exists():
        raise SystemExit("RabbitMQ is missing: install it with `apt-get install rabbitmq-server`")
    folder = make_service_folder()
    broker = RabbitMq(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)
