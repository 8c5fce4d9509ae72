"""The database as the api uses it: a small pool with short timeouts, which may be empty for a while."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from api.problems import ProblemError
from api.view import Seed
from runtime import topics
from storage.database import UNAVAILABLE, Connection, connect
from storage.state_store import read_state
from twin.errors import ServiceError

log = logging.getLogger(__name__)

# A request does not wait long for a database that is away; whoever asks can come back.
CONNECTION_WAIT_S = 2.0
CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 15_000
WAITING_MAX = 64
RETRY_AFTER_S = 5
PROBE_WAIT_S = 0.5


class Database:
    """Lends connections to requests."""

    def __init__(self, dsn: str, connections_max: int) -> None:
        self._dsn = dsn
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            dsn,
            min_size=0,
            max_size=connections_max,
            open=False,
            timeout=CONNECTION_WAIT_S,
            max_waiting=WAITING_MAX,
            reconnect_timeout=CONNECTION_WAIT_S,
            # After an outage the pool holds connections that are dead and do not know it.
            check=AsyncConnectionPool.check_connection,
            kwargs={
                "autocommit": True,
                "application_name": "livetwin-api",
                "connect_timeout": CONNECT_TIMEOUT_S,
                "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS}",
            },
        )

    async def open(self) -> None:
        """Begin to lend; needs no database yet."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; raise a problem (503) when the database is away or too busy."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.QueryCanceled as error:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"The question took longer than {STATEMENT_TIMEOUT_MS // 1000} s; ask for a shorter "
                "time or a longer interval.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            ) from error
        except (PoolTimeout, TooManyRequests, *UNAVAILABLE) as error:
            log.warning("the database did not answer a request: %s", error)
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The database does not answer just now; live state goes on without it. Try again later.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            ) from error

    async def answers(self) -> bool:
        """Whether the database answers now."""
        try:
            async with self._pool.connection(PROBE_WAIT_S):
                pass
        except (PoolTimeout, TooManyRequests, psycopg.Error):
            return False
        return True

    async def seed(self, log_id: str) -> Seed:
        """Return the stored state and its positions in a log; raise ServiceError when that fails."""
        try:
            async with await connect(self._dsn, role="api") as connection:
                stored = await read_state(connection, log_id)
        except psycopg.Error as error:
            raise ServiceError(f"the stored state cannot be read: {error}") from error
        return Seed(
            updates=tuple(stored.updates),
            datastreams=tuple(stored.datastreams),
            revisions=stored.revisions,
            offsets={
                partition: offset
                for (topic, partition), offset in stored.positions.items()
                if topic == topics.UPDATES
            },
        )
