"""The database of the api and of outlets: a small pool with short timeouts that survives outages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from api.http.problems import ProblemError, unavailable
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
from storage.stores.tokens import TokenGrant, find_token
from twin.errors import ServiceError

log = logging.getLogger(__name__)

# A request waits only shortly for an unavailable database: the client can retry.
CONNECTION_WAIT_S = 2.0
CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 15_000
WAITING_MAX = 64
RETRY_AFTER_S = 5

# A database that hangs accepts connections and never answers: only a timeout shows it. It is probed this
# often and counts as unavailable when a probe takes longer; requests are then refused at once.
PROBE_INTERVAL_S = 1.0
PROBE_WAIT_S = 1.0


class Database:
    """Provides connections to requests."""

    def __init__(self, dsn: str, connections_max: int, *, role: str = "api") -> None:
        self._dsn = dsn
        self._role = role
        self._available: bool | None = None  # None until the first probe
        self._probed = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            dsn,
            min_size=0,
            max_size=connections_max,
            open=False,
            timeout=CONNECTION_WAIT_S,
            max_waiting=WAITING_MAX,
            reconnect_timeout=CONNECTION_WAIT_S,
            # After an outage the pool holds connections that are broken without an error so far.
            check=AsyncConnectionPool.check_connection,
            kwargs={
                "autocommit": True,
                "application_name": f"livetwin-{role}",
                "connect_timeout": CONNECT_TIMEOUT_S,
                **KEEPALIVE_OPTIONS,
                "options": f"{SESSION_OPTIONS} -c statement_timeout={STATEMENT_TIMEOUT_MS}",
            },
        )

    async def open(self, *, probing: bool = True) -> None:
        """Open the pool; works without a database. Without probing, a request finds out that it hangs."""
        await self._pool.open(wait=False)
        if probing:
            self._probing = asyncio.create_task(self._probe(), name="database probe")

    async def close(self) -> None:
        """Close every connection."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Provide a connection; raise a problem (503) when the database is unavailable or too busy."""
        if self._available is False:
            raise _unavailable()
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.QueryCanceled as error:
            raise unavailable(
                f"The query took longer than {STATEMENT_TIMEOUT_MS // 1000} s; ask for a shorter time or a "
                "longer interval.",
                RETRY_AFTER_S,
            ) from error
        except (PoolTimeout, TooManyRequests, *DATABASE_UNAVAILABLE) as error:
            log.warning(
                "the database did not answer a request: %s",
                error,
                extra={"event": "api.database_request_failed"},
            )
            raise _unavailable() from error

    async def grant_of_key(self, token_sha256: bytes) -> TokenGrant | None:
        """Return what a valid API key grants, by its hash; raise a problem (503) without a database."""
        async with self.connection() as connection:
            return await find_token(connection, token_sha256)

    async def is_command_stored(self, alarm: str, command: str) -> bool:
        """Return whether it is stored that a command changed an alarm; False without a database."""
        try:
            async with self.connection() as connection:
                return await was_command_applied(connection, alarm, command)
        except ProblemError:
            return False

    async def is_available(self) -> bool:
        """Return whether the database answered the last probe; wait for the first one."""
        await self._probed.wait()
        return self._available is True

    async def _probe(self) -> None:
        """Probe the database for ever."""
        while True:
            probe = asyncio.create_task(self._answers())
            try:
                await asyncio.wait([probe], timeout=PROBE_WAIT_S)
                self._set_available(available=probe.done() and probe.result())
                # A probe that hangs ends when the database continues, or its connection breaks.
                self._set_available(available=await probe)
            finally:
                probe.cancel()
            await asyncio.sleep(PROBE_INTERVAL_S)

    async def _answers(self) -> bool:
        try:
            async with self._pool.connection(PROBE_WAIT_S):
                return True
        except (PoolTimeout, TooManyRequests, psycopg.Error):
            return False

    def _set_available(self, *, available: bool) -> None:
        if available != self._available:
            level = logging.INFO if available else logging.WARNING
            word = "available" if available else "unavailable"
            log.log(level, "the database is %s", word, extra={"event": f"api.database_{word}"})
        self._available = available
        self._probed.set()

    async def read_seed(self, log_id: str) -> ViewSeed:
        """Return the stored state and its positions in a log; raise ServiceError when that fails."""
        try:
            # One database snapshot: the state must not include changes after the positions.
            async with await connect(self._dsn, role=self._role) as connection, snapshot(connection):
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
                partition: offset
                for partition, offset in stored.positions.items()
                if partition[0] in (UPDATES, ALARMS)
            },
        )


def _unavailable() -> ProblemError:
    return unavailable(
        "The database does not answer; live state is available without it. Try again later.", RETRY_AFTER_S
    )
