"""A broker and a database of their own, without any role of LiveTwin."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.service import EmbeddedService
from storage.schema.migrate import migrate

S = TypeVar("S", bound=EmbeddedService)


@asynccontextmanager
async def bare_broker() -> AsyncIterator[EmbeddedMosquitto]:
    """Run the Mosquitto of the embedded system, without a subscriber."""
    with _service_folder() as folder:
        broker = EmbeddedMosquitto(Path(folder))
        async with _running(broker):
            yield broker


@asynccontextmanager
async def bare_database() -> AsyncIterator[EmbeddedPostgres]:
    """Run the PostgreSQL of the embedded system with our tables, all empty."""
    with _service_folder() as folder:
        cluster = EmbeddedPostgres(Path(folder))
        async with _running(cluster):
            await cluster.create_database()
            await migrate(cluster.dsn())
            yield cluster


def _service_folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="livetwin-bench-", ignore_cleanup_errors=True)
    # A service that root starts has an account of its own, which must reach its files.
    Path(folder.name).chmod(0o755)
    return folder


@asynccontextmanager
async def _running(service: EmbeddedService) -> AsyncIterator[None]:
    await service.start()
    try:
        yield
    finally:
        await service.stop()


@contextmanager
def in_own_loop(service: AbstractAsyncContextManager[S]) -> Iterator[S]:
    """Run a service for code without an event loop of its own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        running = runner.run(stack.enter_async_context(service))
        try:
            yield running
        finally:
            runner.run(stack.aclose())
