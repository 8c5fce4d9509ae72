"""Migrations: the numbered SQL files that create the schema, each applied once, in order."""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import NamedTuple

import psycopg

from storage.database import Connection, connect
from storage.queries import query
from storage.schema.database_roles import apply_roles
from storage.schema.timescale_edition import add_edition_features
from twin.errors import TwinError

MIGRATION_NAME = re.compile(r"\d{4}_[a-z]+(_[a-z0-9]+)+\.sql")


class MigrationError(TwinError):
    """The schema of the database does not match the migrations of this program, or a migration failed."""


class Migration(NamedTuple):
    """One migration file."""

    name: str
    statements: bytes

    @property
    def checksum(self) -> str:
        """The SHA-256 of the file, hex."""
        return hashlib.sha256(self.statements).hexdigest()


def known_migrations() -> list[Migration]:
    """Return the migrations of this program, in the order of their numbers."""
    files = resources.files("storage").joinpath("migrations").iterdir()
    return sorted(Migration(one.name, one.read_bytes()) for one in files if one.name.endswith(".sql"))


async def migrate(dsn: str) -> list[str]:
    """Bring the schema up to date; return the names of the applied migrations.

    Each migration is one transaction; an advisory lock lets one process migrate at a time. What only the
    edition of TimescaleDB supports follows, see `storage.schema.timescale_edition`, then the roles and their
    rights, see `storage.schema.database_roles`. Raises ServiceError when the database cannot be reached.
    Raises MigrationError when an applied file has changed, when the database is newer than this program, or
    when a migration fails. Raises RolesError when a role cannot be created, or is too powerful.
    """
    connection = await connect(dsn, role="migrate")
    async with connection:
        # A lock of the session, since it spans several transactions; it ends with the connection.
        await connection.execute(query("schema/lock_migrations"))
        await connection.execute(query("schema/create_migration_table"))
        await connection.commit()
        pending = await _pending(connection)
        for migration in pending:
            await _apply(connection, migration)
        await add_edition_features(connection)
        await apply_roles(connection)
    return [migration.name for migration in pending]


async def _pending(connection: Connection) -> list[Migration]:
    known = known_migrations()
    rows = await (await connection.execute(query("schema/list_migrations"))).fetchall()
    await connection.commit()
    applied: dict[str, str] = {str(name): str(checksum) for name, checksum in rows}
    unknown = sorted(applied.keys() - {migration.name for migration in known})
    if unknown:
        raise MigrationError(
            f"the database has migration {unknown[0]}, which this program does not know; upgrade the program"
        )
    last = max(applied, default="")
    for migration in known:
        found = applied.get(migration.name)
        if found is None and migration.name < last:
            raise MigrationError(
                f"migration {migration.name} was not applied but the later {last} was; "
                "migrations only go forward: give it the next free number"
            )
        if found is not None and found != migration.checksum:
            raise MigrationError(
                f"migration {migration.name} has changed since it was applied (checksum "
                f"{migration.checksum[:12]}, applied {found[:12]}); restore the file "
                "and put the change into a new migration"
            )
    return [migration for migration in known if migration.name not in applied]


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.statements)
            await connection.execute(query("schema/record_migration"), (migration.name, migration.checksum))
    except psycopg.Error as error:
        raise MigrationError(
            f"migration {migration.name} failed and was rolled back: {' '.join(str(error).split())}"
        ) from error
