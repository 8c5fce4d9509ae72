"""The database as outlets use it: one connection, made anew after an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg

from storage.database import Connection, connect
from storage.stores import webhooks as webhook_store
from storage.stores.webhooks import DeadLetter, Webhook, WebhookProgress
from twin.errors import ServiceError

# A database that hangs accepts and says nothing.
DATABASE_TIMEOUT_S = 10.0


class WebhookRepository:
    """What is written about webhooks. Every method raises ServiceError while the database is away."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None

    async def webhooks(self) -> list[Webhook]:
        """Return all webhooks."""
        async with self._connected() as connection:
            return await webhook_store.read_webhooks(connection)

    async def store_progress(self, moved: Sequence[tuple[str, int, WebhookProgress]]) -> None:
        """Store how far webhooks are, by id and edition."""
        async with self._connected() as connection:
            await webhook_store.update_webhook_progress(connection, moved)

    async def add_dead_letter(self, id: str, letter: DeadLetter) -> None:
        """Keep what could not be delivered."""
        async with self._connected() as connection:
            await webhook_store.insert_dead_letter(connection, id, letter)

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
