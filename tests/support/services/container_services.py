"""Services in containers that testcontainers starts and removes; docker-compose.yml names their images."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from testcontainers.core.container import DockerContainer

from cli.embedded.ports import LOOPBACK, free_port
from tests.support.services.compose_file import image_of, run_name

PASSWORD = "of-tests-alone"
USER = "livetwin"

# An official Kafka needs some 10 s, more on a busy machine.
START_TIMEOUT_S = 120.0
_PAUSE_S = 0.05

# No test cuts the power, so nothing needs to be synced to the disk.
_POSTGRES = "-c max_connections=50 -c max_worker_processes=16 -c timezone=UTC -c fsync=off"

# ApiVersions version 0, correlation id 1, no client id.
_API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")

# MQTT 3.1.1, clean session, keep-alive 60 s, client id `?`.
_CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01?"

_MOSQUITTO = """\
listener 1883
allow_anonymous true
persistence true
persistence_location /mosquitto/data/
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 0
queue_qos0_messages true
log_dest stderr
"""


class ContainerPostgres:
    """A server that listens on a port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    def dsn(self, database: str) -> str:
        """Return the connection URI of one database."""
        return f"postgresql://{USER}:{PASSWORD}@{LOOPBACK}:{self._port}/{database}"

    async def create_database(self, database: str) -> None:
        """Create an empty database; leave one that exists."""
        async with await self.connect_as_administrator() as connection:
            try:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
            except psycopg.errors.DuplicateDatabase:
                return

    async def connect_as_administrator(self) -> psycopg.AsyncConnection:
        """Return a connection, in autocommit, for work on whole databases."""
        return await psycopg.AsyncConnection.connect(self.dsn("postgres"), autocommit=True)


class ContainerServices:
    """Each service in a container of its own, removed with its volumes at the end."""

    @asynccontextmanager
    async def postgres(self, folder: Path) -> AsyncIterator[ContainerPostgres]:
        """Yield PostgreSQL with TimescaleDB, once it accepts connections."""
        port = free_port()
        container = (
            container_of("timescaledb", shm_size="256m")
            .with_env("POSTGRES_USER", USER)
            .with_env("POSTGRES_PASSWORD", PASSWORD)
            .with_env("TIMESCALEDB_TELEMETRY", "off")
            .with_command(["postgres", *_POSTGRES.split()])
        )
        server = ContainerPostgres(port)

        async def is_ready() -> bool:
            try:
                await (await server.connect_as_administrator()).close()
            except psycopg.OperationalError:
                return False
            return True

        async with running(container, {5432: port}, is_ready):
            yield server

    @asynccontextmanager
    async def kafka(self, folder: Path) -> AsyncIterator[str]:
        """Yield the address of a Kafka with one node. It advertises its port, so that is chosen first."""
        port = free_port()
        bootstrap = f"{LOOPBACK}:{port}"
        container = container_of("kafka").with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_LISTENERS="PLAINTEXT://:9092,CONTROLLER://:9093",
            KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{bootstrap}",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
            KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS="1000",
        )

        async with running(container, {9092: port}, lambda: answers(port, _API_VERSIONS)):
            yield bootstrap

    @asynccontextmanager
    async def mosquitto(self, folder: Path) -> AsyncIterator[tuple[str, int]]:
        """Yield the address of a Mosquitto without passwords."""
        port = free_port()
        configuration = folder / "mosquitto.conf"
        configuration.write_text(_MOSQUITTO)
        container = container_of("mosquitto").with_volume_mapping(
            str(configuration), "/mosquitto/config/mosquitto.conf", "ro"
        )
        async with running(container, {1883: port}, lambda: answers(port, _CONNECT)):
            yield LOOPBACK, port


def container_of(service: str, **options: Any) -> DockerContainer:
    """Return a container that is not started; its name has the prefix of the run, for clean-up."""
    return DockerContainer(image_of(service), name=f"{run_name()}-{secrets.token_hex(4)}", **options)


@asynccontextmanager
async def running(
    container: DockerContainer, ports: Mapping[int, int], is_ready: Callable[[], Awaitable[bool]]
) -> AsyncIterator[None]:
    """Run a container; enter the block when it is ready, fail with the end of its logs at the deadline.

    `ports` maps ports of the container to ports of loopback; testcontainers' own option would open all
    addresses.
    """
    bindings: dict[str, Any] = {str(inside): (LOOPBACK, outside) for inside, outside in ports.items()}
    container.ports = bindings
    try:
        await asyncio.to_thread(container.start)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await is_ready():  # noqa: ASYNC110 (nothing notifies)
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            words = [part.decode(errors="replace")[-2000:] for part in container.get_logs()]
            raise AssertionError(
                f"{container.image} is not ready after {START_TIMEOUT_S} s: {words}"
            ) from None
        yield
    finally:
        await asyncio.to_thread(container.stop)


async def answers(port: int, request: bytes) -> bool:
    """Return whether a service answers a request; the engine opens the port before the service does."""
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(request)
            return await reader.read(1) != b""
        finally:
            writer.close()
    except OSError:
        return False
