"""Where tests have their services from: embedded ones, or containers with TEST_SERVICES=containers."""

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
    """A PostgreSQL with TimescaleDB in which a test may make databases."""

    def dsn(self, database: str) -> str:
        """Return the connection URI of one database."""

    async def create_database(self, database: str) -> None:
        """Create an empty database; leave one that exists."""

    async def connect_as_administrator(self) -> psycopg.AsyncConnection:
        """Return a connection, in autocommit, for work on whole databases."""


class ServiceSource(Protocol):
    """Starts services, each on a free port of loopback, and ends them; `folder` is theirs."""

    def postgres(self, folder: Path) -> AbstractAsyncContextManager[PostgresServer]:
        """A PostgreSQL with TimescaleDB."""

    def kafka(self, folder: Path) -> AbstractAsyncContextManager[str]:
        """A log without topics: its bootstrap address."""

    def mosquitto(self, folder: Path) -> AbstractAsyncContextManager[tuple[str, int]]:
        """An MQTT broker that admits everybody: its host and port."""


class EmbeddedServices:
    """Those of `livetwin up`."""

    @asynccontextmanager
    async def postgres(self, folder: Path) -> AsyncIterator[PostgresServer]:
        """A cluster of its own."""
        cluster = EmbeddedPostgres(folder)
        await cluster.start()
        try:
            yield cluster
        finally:
            await cluster.stop()

    @asynccontextmanager
    async def kafka(self, folder: Path) -> AsyncIterator[str]:
        """The broker in memory."""
        broker = EmbeddedKafka(folder)
        await broker.start()
        try:
            yield broker.bootstrap
        finally:
            await broker.stop()

    @asynccontextmanager
    async def mosquitto(self, folder: Path) -> AsyncIterator[tuple[str, int]]:
        """Debian's broker."""
        broker = EmbeddedMosquitto(folder)
        await broker.start()
        try:
            yield LOOPBACK, broker.port
        finally:
            await broker.stop()


def in_containers() -> bool:
    """Whether services are in containers, as the environment says; they are embedded otherwise."""
    wanted = os.environ.get(VARIABLE, "embedded")
    assert wanted in ("embedded", "containers"), (
        f"{VARIABLE}: found {wanted!r}, expected embedded or containers"
    )
    return wanted == "containers"


def service_source() -> ServiceSource:
    """Return where services come from."""
    if not in_containers():
        return EmbeddedServices()
    # Only here: without containers nobody needs the library.
    from tests.support.services.container_services import ContainerServices  # noqa: PLC0415

    return ContainerServices()
