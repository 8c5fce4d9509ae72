"""A broker and a database of their own, with nothing of ours at work: what the raw limits are measured on."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.service import EmbeddedService
from storage.schema.migrate import migrate


@contextmanager
def bare_broker() -> Iterator[EmbeddedMosquitto]:
    """Run the embedded system's Mosquitto, without a subscriber."""
    with tempfile.TemporaryDirectory(prefix="livetwin-broker-") as folder, asyncio.Runner() as runner:
        Path(folder).chmod(0o755)
        broker = EmbeddedMosquitto(Path(folder))
        with _running(runner, broker):
            yield broker


@contextmanager
def bare_database() -> Iterator[EmbeddedPostgres]:
    """Run the embedded system's PostgreSQL with our tables, empty."""
    with tempfile.TemporaryDirectory(prefix="livetwin-database-") as folder, asyncio.Runner() as runner:
        Path(folder).chmod(0o755)
        cluster = EmbeddedPostgres(Path(folder))
        with _running(runner, cluster):
            runner.run(cluster.create_database())
            runner.run(migrate(cluster.dsn()))
            yield cluster


@contextmanager
def _running(runner: asyncio.Runner, service: EmbeddedService) -> Iterator[None]:
    runner.run(service.start())
    try:
        yield
    finally:
        runner.run(service.stop())
