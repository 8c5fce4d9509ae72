"""Fixtures that start the services, fresh for each test. A missing service fails the test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings

from cli.embedded.ports import free_port as find_free_port
from cli.process.procfs import processes_of_data_dir
from runtime.kafka.topics import create_topics, partition_counts
from storage.database import connect
from storage.schema.migrate import migrate
from tests.support.database.role_accounts import let_test_roles_log_in
from tests.support.processes.running_system import RunningSystem
from tests.support.services.service_folder import make_service_folder
from tests.support.services.service_source import PARTITIONS, PostgresServer, ServiceSource, service_source
from tests.support.services.spare_databases import SpareDatabases

# Other tests run at the same time, so an example has no deadline.
settings.register_profile("livetwin", deadline=None)
settings.load_profile("livetwin")

TEMPLATE = "livetwin_template"


@pytest.fixture
def service_folder() -> Iterator[Path]:
    """Yield a folder for an embedded service; remove it afterwards."""
    folder = make_service_folder()
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
    """Yield one PostgreSQL for the whole run, with a migrated template database; its roles can log in."""
    folder = make_service_folder()
    try:
        async with services.postgres(folder) as server:
            await server.create_database(TEMPLATE)
            await migrate(server.dsn(TEMPLATE))
            async with await connect(server.dsn(TEMPLATE), role="test") as connection:
                await let_test_roles_log_in(connection)
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
    """Yield the connection URI of a fresh, migrated database."""
    name = await asyncio.wrap_future(spare_databases.take())
    yield postgres.dsn(name)
    spare_databases.release(name)


@pytest_asyncio.fixture
async def kafka(services: ServiceSource, service_folder: Path) -> AsyncIterator[str]:
    """Yield the bootstrap address of a fresh log that has our topics."""
    async with services.kafka(service_folder) as bootstrap:
        await create_topics(bootstrap, partition_counts(PARTITIONS))
        yield bootstrap


@pytest_asyncio.fixture
async def mqtt(services: ServiceSource, service_folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Yield host and port of a fresh Mosquitto."""
    async with services.mosquitto(service_folder) as address:
        yield address


@pytest.fixture(scope="session")
def running_system() -> Iterator[RunningSystem]:
    """Yield `livetwin up` for Alkmaar without simulated devices; the whole run shares it and its data."""
    folder = make_service_folder()
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
    """Yield a function that starts a system of the test's own; a process left behind fails the test."""
    started: list[RunningSystem] = []

    def start(*options: str, simulate: bool = False, terminal: bool = False) -> RunningSystem:
        devices = "--simulate" if simulate else "--no-simulate"
        system = RunningSystem(service_folder, devices, *options, terminal=terminal)
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
