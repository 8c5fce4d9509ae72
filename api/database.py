"""The database as the api uses it: a small pool with short timeouts, which may be empty for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from api.http.problems import ProblemError
from api.live.live_view import ViewSeed
from runtime.kafka.topics import ALARMS, UPDATES
from storage.database import (
    DATABASE_UNAVAILABLE,
    KEEPALIVE_OPTIONS,
    SESSION_OPTIONS,
    Connection,
    connect,
    snapshot,
)
from storage.stores.alarms import read_last_incidents, read_newest_alarms, was_command_applied
from storage.stores.current_state import read_state_in_snapshot
from storage.stores.tokens import find_token_name, find_token_role
from twin.errors import ServiceError
from twin.model.role import Role

log = logging.getLogger(__name__)

# A request does not wait long for a database that is away; whoever asks can come back.
CONNECTION_WAIT_S = 2.0
CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 15_000
WAITING_MAX = 64
RETRY_AFTER_S = 5

# A database that hangs accepts and says nothing: only a clock tells. It is looked at this often, and taken
# for away when a look takes longer; requests are refused at once then instead of hanging with it.
PROBE_INTERVAL_S = 1.0
PROBE_WAIT_S = 1.0


class Database:
    """Lends connections to requests."""

    def __init__(self, dsn: str, connections_max: int) -> None:
        self._dsn = dsn
        self._answers: bool | None = None  # None until the first look
        self._looked = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
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
                **KEEPALIVE_OPTIONS,
                "options": f"{SESSION_OPTIONS} -c statement_timeout={STATEMENT_TIMEOUT_MS}",
            },
        )

    async def open(self) -> None:
        """Begin to lend; needs no database yet."""
        await self._pool.open(wait=False)
        self._probing = asyncio.create_task(self._probe(), name="database probe")

    async def close(self) -> None:
        """Close every connection."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; raise a problem (503) when the database is away or too busy."""
        if self._answers is False:
            raise _away()
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
        except (PoolTimeout, TooManyRequests, *DATABASE_UNAVAILABLE) as error:
            log.warning("the database did not answer a request: %s", error)
            raise _away() from error

    async def role_of_key(self, token_sha256: bytes) -> Role | None:
        """Return the role of a live API key, by its hash; raise a problem (503) when the database is away."""
        async with self.connection() as connection:
            return await find_token_role(connection, token_sha256)

    async def name_of_key(self, token_sha256: bytes) -> str | None:
        """Return the name of a live API key, by its hash; raise a problem (503) when the database is away."""
        async with self.connection() as connection:
            return await find_token_name(connection, token_sha256)

    async def is_command_stored(self, alarm: str, command: str) -> bool:
        """Return whether it is stored that a command changed an alarm; False while the database is away."""
        try:
            async with self.connection() as connection:
                return await was_command_applied(connection, alarm, command)
        except ProblemError:
            return False

    async def is_available(self) -> bool:
        """Return whether the database answered when it was last looked at."""
        await self._looked.wait()
        return self._answers is True

    async def _probe(self) -> None:
        """Look at the database for ever."""
        while True:
            look = asyncio.create_task(self._look())
            try:
                await asyncio.wait([look], timeout=PROBE_WAIT_S)
                self._told(answers=look.done() and look.result())
                # A look that hangs ends when the database goes on, or its connection breaks.
                self._told(answers=await look)
            finally:
                look.cancel()
            await asyncio.sleep(PROBE_INTERVAL_S)

    async def _look(self) -> bool:
        try:
            async with self._pool.connection(PROBE_WAIT_S):
                return True
        except (PoolTimeout, TooManyRequests, psycopg.Error):
            return False

    def _told(self, *, answers: bool) -> None:
        if answers != self._answers:
            level = logging.INFO if answers else logging.WARNING
            log.log(level, "the database %s", "answers" if answers else "is away")
        self._answers = answers
        self._looked.set()

    async def read_seed(self, log_id: str) -> ViewSeed:
        """Return the stored state and its positions in a log; raise ServiceError when that fails."""
        return await read_seed(self._dsn, log_id)


async def read_seed(dsn: str, log_id: str, *, role: str = "api") -> ViewSeed:
    """Return the stored state and its positions in a log; raise ServiceError when that fails."""
    try:
        # One moment: what the positions do not cover must not be in what is read.
        async with await connect(dsn, role=role) as connection, snapshot(connection):
            stored = await read_state_in_snapshot(connection, log_id)
            alarms = await read_newest_alarms(connection)
            incidents = await read_last_incidents(connection)
    except psycopg.Error as error:
        raise ServiceError(f"the stored state cannot be read: {error}") from error
    return ViewSeed(
        updates=tuple(stored.updates),
        datastreams=tuple(stored.datastreams),
        alarms=tuple(alarms),
        incidents=tuple(incidents),
        offsets={
            place: offset for place, offset in stored.positions.items() if place[0] in (UPDATES, ALARMS)
        },
    )


def _away() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer just now; live state goes on without it. Try again later.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
