"""Connections to the database, and the transactions and errors that all modules of storage share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import TupleRow

from runtime.tcp_keepalive import KEEPALIVE_PROBES_MAX, KEEPALIVE_S, USER_TIMEOUT_MS
from storage.queries import query
from twin.errors import ServiceError, TwinError

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

DATABASE_UNAVAILABLE = (psycopg.OperationalError, ServiceError)
"""The errors that are raised while the database is unavailable: lost, restarting, or not reachable."""

NOT_MIGRATED = (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege)
"""The errors of a statement until `livetwin migrate` is done: it makes tables, then the rights on them."""

NOT_MIGRATED_MESSAGE = "the database does not have our tables or rights on them yet; run `livetwin migrate`"

CONNECT_TIMEOUT_S = 5

# Plans are made for the actual values, so that a time range excludes chunks and an absent filter is removed;
# this is worth the planning time. Compiling a query (JIT) takes longer than ours run.
_PLANNING = "-c plan_cache_mode=force_custom_plan -c jit=off"

KEEPALIVE_OPTIONS: dict[str, int] = {
    "tcp_user_timeout": USER_TIMEOUT_MS,
    "keepalives_idle": KEEPALIVE_S,
    "keepalives_interval": KEEPALIVE_S,
    "keepalives_count": KEEPALIVE_PROBES_MAX,
}
"""The options by which a client closes a connection that no longer responds."""

# The server notices a lost client as soon, and ends a client that hangs while others wait for its locks.
IDLE_IN_TRANSACTION_S_MAX = 60

SESSION_OPTIONS = (
    f"-c timezone=UTC {_PLANNING} -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_S_MAX}s "
    f"-c tcp_keepalives_idle={KEEPALIVE_S} -c tcp_keepalives_interval={KEEPALIVE_S} "
    f"-c tcp_keepalives_count={KEEPALIVE_PROBES_MAX} -c tcp_user_timeout={USER_TIMEOUT_MS}"
)


class QueryError(TwinError):
    """A request cannot be answered as it was made."""


async def connect(dsn: str, *, role: str) -> Connection:
    """Return a new connection in UTC that opens a transaction with its first statement.

    Raises ServiceError when the database cannot be reached.
    """
    try:
        return await psycopg.AsyncConnection.connect(
            dsn,
            autocommit=False,
            application_name=f"livetwin-{role}",
            connect_timeout=CONNECT_TIMEOUT_S,
            options=SESSION_OPTIONS,
            **KEEPALIVE_OPTIONS,  # type: ignore[arg-type]  # options of libpq are not typed
        )
    except psycopg.Error as error:
        raise ServiceError(
            f"the database {_location(dsn)} cannot be reached: {_one_line(error)}; "
            "is it running, and does LIVETWIN_DATABASE name it?"
        ) from error


def not_migrated_error(error: psycopg.Error) -> ServiceError:
    """Return the error to raise for one of `NOT_MIGRATED`."""
    return ServiceError(f"{NOT_MIGRATED_MESSAGE} ({_one_line(error)})")


@asynccontextmanager
async def migrated_transaction(connection: Connection) -> AsyncIterator[None]:
    """Open a transaction; raise ServiceError when a table or a right on it is missing."""
    try:
        async with connection.transaction():
            yield
    except NOT_MIGRATED as error:
        raise not_migrated_error(error) from error


async def fetch_rows(
    connection: Connection, name: str, parameters: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, by the name of its file, read in a transaction of its own."""
    async with connection.transaction():
        return await (await connection.execute(query(name), parameters)).fetchall()


async def wait_for_lock(connection: Connection, name: str, pause_s: float) -> None:
    """Wait until no other session has the lock that a statement takes; this one keeps it until it ends.

    `name` is that of the statement's file.
    """
    while True:
        ((is_locked,),) = await fetch_rows(connection, name)
        if is_locked:
            return
        await asyncio.sleep(pause_s)


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """Read everything within as of one moment; no transaction may be open."""
    async with connection.transaction():
        await connection.execute(query("begin_snapshot"))
        yield


def _location(dsn: str) -> str:
    """Return the location of the database, without the password."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        return "(its connection URI cannot be read)"
    return f"{parts.get('dbname', '')} at {parts.get('host', 'its socket')}:{parts.get('port', 5432)}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
