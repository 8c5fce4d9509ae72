"""Reads the facts of a database for its backup; prepares an empty database for a restore, and finishes it."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from psycopg import sql

from storage.database import NOT_MIGRATED_MESSAGE, Connection
from storage.queries import query
from storage.schema.timescale_edition import read_edition
from twin.errors import TwinError


class RestoreError(TwinError):
    """A database cannot be backed up, or not be restored into."""


class DatabaseFacts(NamedTuple):
    """The versions of a database."""

    migration: str  #: the last applied migration
    timescale: str  #: version of the extension
    edition: str


async def read_database_facts(connection: Connection) -> DatabaseFacts:
    """Return the versions of a database. Raises RestoreError when it is not a LiveTwin database."""
    try:
        async with connection.transaction():
            applied = await (await connection.execute(query("schema/list_migrations"))).fetchall()
            row = await (await connection.execute(query("schema/read_timescale_version"))).fetchone()
    except psycopg.errors.UndefinedTable as error:
        raise RestoreError(NOT_MIGRATED_MESSAGE) from error
    if row is None or not applied:
        raise RestoreError(NOT_MIGRATED_MESSAGE)
    return DatabaseFacts(max(str(name) for name, _ in applied), str(row[0]), await read_edition(connection))


async def prepare_restore(connection: Connection, facts: DatabaseFacts) -> None:
    """Prepare an empty database for a restore; the connection must be in autocommit mode.

    Raises RestoreError when it is not empty, or when its server lacks what the dump needs.
    """
    tables = await (await connection.execute(query("schema/count_tables"))).fetchone()
    if tables is not None and tables[0]:
        raise RestoreError(f"the database has {tables[0]} tables, expected none: restore into a new database")
    offered = await (await connection.execute(query("schema/list_timescale_versions"))).fetchall()
    if (facts.timescale,) not in offered:
        versions = ", ".join(str(version) for (version,) in offered) or "none"
        raise RestoreError(
            f"the backup needs TimescaleDB {facts.timescale}, the server offers {versions}: install that"
        )
    statement = query("schema/create_timescale").decode()
    await connection.execute(sql.SQL(statement).format(version=sql.Literal(facts.timescale)))
    if facts.edition == "community" and await read_edition(connection) == "apache":
        raise RestoreError(
            "the backup is of the Community edition of TimescaleDB and may hold columnar chunks, the server "
            "runs the Apache edition: restore it on a server with timescaledb.license = timescale"
        )
    await connection.execute(query("schema/begin_restore"))


async def finish_restore(connection: Connection) -> None:
    """Return a restored database to normal operation."""
    await connection.execute(query("schema/end_restore"))
    await connection.execute(query("schema/analyze_database"))
