"""The source of services for tests: embedded, or containers where TEST_SERVICES=containers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import psycopg

from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.embedded.ports import LOOPBACK
from cli.embedded.postgres import EmbeddedPostgres

VARIABLE = "TEST_SERVICES"

PARTITIONS = 4
"""Partitions of each topic in the logs of tests."""


class PostgresServer(Protocol):
    """A PostgreSQL with TimescaleDB in which a test can create databases."""

    def dsn(self, database: str) -> str:
        """Return the connection URI of one database."""

    async def create_database(self, database: str) -> None:
        """Create an empty database; leave one that exists."""

    async def connect_as_administrator(self) -> psycopg.AsyncConnection:
        """Return a connection, in autocommit, for work on whole databases."""


class ServiceSource(Protocol):
    """Starts services, each on a free port of loopback with data in `folder`, and stops them."""

    def postgres(self, folder: Path) -> AbstractAsyncContextManager[PostgresServer]:
        """Run a PostgreSQL with TimescaleDB."""

    def kafka(self, folder: Path) -> AbstractAsyncContextManager[str]:
        """Run a Kafka without topics; yield its bootstrap address."""

    def mosquitto(self, folder: Path) -> AbstractAsyncContextManager[tuple[str, int]]:
        """Run an MQTT broker without accounts; yield its host and port."""


class EmbeddedServices:
    """The embedded services of `livetwin up`."""

    @asynccontextmanager
    async def postgres(self, folder: Path) -> AsyncIterator[PostgresServer]:
        """Run a cluster in `folder`."""
        cluster = EmbeddedPostgres(folder)
        await cluster.start()
        try:
            yield cluster
        finally:
            await cluster.stop()

    @asynccontextmanager
    async def kafka(self, folder: Path) -> AsyncIterator[str]:
        """Run the broker that keeps its records in memory."""
        broker = EmbeddedKafka(folder)
        await broker.start()
        try:
            yield broker.bootstrap
        finally:
            await broker.stop()

    @asynccontextmanager
    async def mosquitto(self, folder: Path) -> AsyncIterator[tuple[str, int]]:
        """Run Debian's Mosquitto."""
        broker = EmbeddedMosquitto(folder)
        await broker.start()
        try:
            yield LOOPBACK, broker.port
        finally:
            await broker.stop()


def in_containers() -> bool:
    """Return whether the environment asks for services in containers."""
    wanted = os.environ.get(VARIABLE, "embedded")
    assert wanted in ("embedded", "containers"), (
        f"{VARIABLE}: found {wanted!r}, expected embedded or containers"
    )
    return wanted == "containers"


def service_source() -> ServiceSource:
    """Return the source of services that the environment asks for."""
    if not in_containers():
        return EmbeddedServices()
    # Imported here, since the library is needed for containers only.
    from tests.support.services.container_services import ContainerServices  # noqa: PLC0415

    return ContainerServices()
