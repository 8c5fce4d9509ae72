"""Fixtures: the services, fresh for each test. A missing service fails the test; nothing skips."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import settings

from cli.embedded.ports import free_port as find_free_port
from cli.process.procfs import processes_of_data_dir
from runtime.kafka.topics import create_topics, partition_counts
from storage.schema.migrate import migrate
from tests.support.brokers.mqtt_publisher import publish
from tests.support.services.service_source import PostgresServer, ServiceSource, service_source
from tests.support.services.spare_databases import SpareDatabases

# How long an example takes is the machine's business, and that of what else runs on it.
settings.register_profile("livetwin", deadline=None)
settings.load_profile("livetwin")

TEMPLATE = "livetwin_template"
PARTITIONS = 4

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60


def make_folder() -> Path:
    """Make a folder that service accounts can reach; pytest's own tmp_path admits its owner only."""
    folder = Path(tempfile.mkdtemp(prefix="livetwin-test-"))
    folder.chmod(0o755)
    return folder


@pytest.fixture
def service_folder() -> Iterator[Path]:
    """A folder for an embedded service, removed afterwards."""
    folder = make_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def free_port() -> int:
    return find_free_port()


@pytest.fixture(scope="session")
def services() -> ServiceSource:
    return service_source()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(services: ServiceSource) -> AsyncIterator[PostgresServer]:
    """One PostgreSQL for the whole run, with a migrated template database."""
    folder = make_folder()
    try:
        async with services.postgres(folder) as server:
            await server.create_database(TEMPLATE)
            await migrate(server.dsn(TEMPLATE))
            async with await server.connect_as_administrator() as connection:
                # TimescaleDB's own workers would connect to it, and a database in use cannot be copied.
                await connection.execute(
                    f"ALTER DATABASE {TEMPLATE} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"
                )
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (TEMPLATE,)
                )
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def spare_databases(postgres: PostgresServer) -> Iterator[SpareDatabases]:
    with SpareDatabases(postgres.dsn("postgres"), TEMPLATE) as databases:
        yield databases


@pytest_asyncio.fixture
async def database(postgres: PostgresServer, spare_databases: SpareDatabases) -> AsyncIterator[str]:
    """The connection URI of a fresh, migrated database."""
    name = await asyncio.wrap_future(spare_databases.take())
    yield postgres.dsn(name)
    spare_databases.release(name)


@pytest_asyncio.fixture
async def kafka(services: ServiceSource, service_folder: Path) -> AsyncIterator[str]:
    """The bootstrap address of a fresh log that holds our topics."""
    async with services.kafka(service_folder) as bootstrap:
        await create_topics(bootstrap, partition_counts(PARTITIONS))
        yield bootstrap


@pytest_asyncio.fixture
async def mqtt(services: ServiceSource, service_folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Host and port of a fresh Mosquitto."""
    async with services.mosquitto(service_folder) as address:
        yield address


class RunningSystem:
    """`livetwin up` as a process of its own, as a user would start it."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.data_dir = data_dir
        self._ports_file = data_dir / "asked-ports.json"
        self._ports_file.unlink(missing_ok=True)  # of a run that was killed
        self._output = data_dir / "up.output"
        command = [sys.executable, "-m", "cli", "up", f"--data-dir={data_dir}", "--port=0", "--mqtt-port=0"]
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, f"--ports-file={self._ports_file}", *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return once the ports file is there; fail with what was printed when it does not come."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._ports_file.exists():
            ended = self._ended_within(0.05)
            assert not ended, f"livetwin up ended early: {self.output}"
            assert time.monotonic() < deadline, f"livetwin up is not ready: {self.output}"

    def kill(self) -> None:
        """End it by force, should it still run."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, which: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        self.process.send_signal(which)
        return self.process.wait(STOP_TIMEOUT_S)

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text()

    @property
    def ports(self) -> dict[str, Any]:
        """The ports file, as it is now."""
        content: dict[str, Any] = json.loads(self._ports_file.read_text())
        return content

    @property
    def http(self) -> str:
        """Base URL of the api, without a slash at the end."""
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def mqtt(self) -> tuple[str, int]:
        """Host and port."""
        return "127.0.0.1", self.ports["mqtt"]

    @property
    def kafka(self) -> str:
        """Bootstrap address."""
        return f"127.0.0.1:{self.ports['kafka']}"

    @property
    def postgres(self) -> str:
        """Connection URI."""
        return str(self.ports["database"])

    @property
    def operator_key(self) -> str:
        """The API key of an operator."""
        return str(self.ports["operatorKey"])

    def publish(self, topic: str, payload: bytes | str, qos: int = 1) -> None:
        """Publish one message and return when the broker acknowledged it."""
        self.publish_all([(topic, payload)], qos)

    def publish_all(self, messages: list[tuple[str, bytes | str]], qos: int = 1) -> None:
        """Publish messages in order and return when the broker acknowledged all of them."""
        publish(self.mqtt, messages, qos)

    def _ended_within(self, timeout_s: float) -> bool:
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True


@pytest.fixture(scope="session")
def running_system() -> Iterator[RunningSystem]:
    """The whole system on Alkmaar, without simulated devices; one for the whole run, so clean up no data."""
    folder = make_folder()
    system = RunningSystem(folder, "--no-simulate")
    try:
        system.wait_ready()
        yield system
        assert system.stop() == 0, system.output
        assert processes_of_data_dir(folder) == []
    finally:
        system.kill()
        shutil.rmtree(folder)


@pytest.fixture
def start_system(service_folder: Path) -> Iterator[Callable[..., RunningSystem]]:
    """Starts a system of the test's own, on one data dir; what it leaves running is a failure."""
    started: list[RunningSystem] = []

    def start(*options: str, simulate: bool = False) -> RunningSystem:
        system = RunningSystem(service_folder, "--simulate" if simulate else "--no-simulate", *options)
        started.append(system)
        return system

    try:
        yield start
        for system in started:
            if system.process.poll() is None:
                assert system.stop() == 0, system.output
        assert processes_of_data_dir(service_folder) == []
    finally:
        for system in started:
            system.kill()
