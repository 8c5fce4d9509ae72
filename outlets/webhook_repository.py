"""Webhooks in the database: read, and their progress and dead letters stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg

from storage.database import Connection, connect
from storage.stores import webhooks as webhook_store
from storage.stores.webhooks import DeadLetter, Webhook, WebhookProgress
from twin.errors import ServiceError

# A hanging database accepts a connection and does not answer.
DATABASE_TIMEOUT_S = 10.0


class WebhookRepository:
    """Reads and stores webhooks over one connection, opened again after an outage.

    Every method raises ServiceError while the database is unavailable.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None

    async def webhooks(self) -> list[Webhook]:
        """Return all webhooks."""
        async with self._connected() as connection:
            return await webhook_store.read_webhooks(connection)

    async def store_progress(self, progress: Sequence[tuple[str, int, WebhookProgress]]) -> None:
        """Store the progress of webhooks, given with their ids and editions."""
        async with self._connected() as connection:
            await webhook_store.update_webhook_progress(connection, progress)

    async def add_dead_letter(self, id: str, dead_letter: DeadLetter) -> None:
        """Store a message that could not be delivered."""
        async with self._connected() as connection:
            await webhook_store.insert_dead_letter(connection, id, dead_letter)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        async with self._lock:
            if self._connection is None:
                self._connection = await connect(self._dsn, role="outlets")
                await self._connection.set_autocommit(True)
            try:
                async with asyncio.timeout(DATABASE_TIMEOUT_S):
                    yield self._connection
            except (psycopg.OperationalError, TimeoutError) as error:
                broken, self._connection = self._connection, None
                await broken.close()
                raise ServiceError(f"the database does not answer: {error!r}") from error
