"""Migrations are applied once, can run twice, and refuse a schema that does not match."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from storage.database import connect
from storage.queries import query
from storage.schema.migrate import MigrationError, known_migrations, migrate
from storage.stores.ledger import read_balance
from tests.support.services.service_source import PostgresServer
from twin.errors import ServiceError


async def test_a_second_migrate_applies_nothing(database: str) -> None:
    assert await migrate(database) == []


async def test_several_processes_may_migrate_at_once(database: str) -> None:
    assert await asyncio.gather(*(migrate(database) for _ in range(3))) == [[], [], []]


async def test_every_migration_runs_twice(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        for migration in known_migrations():
            await connection.execute(migration.statements)


async def test_observations_older_than_the_ledger_are_in_the_balance(
    postgres: PostgresServer,
) -> None:
    await postgres.create_database("without_ledger")
    database = postgres.dsn("without_ledger")
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute(query("schema/create_migration_table"))
        for migration in known_migrations()[:5]:
            await connection.execute(migration.statements)
            await connection.execute(query("schema/record_migration"), (migration.name, migration.checksum))
        await connection.execute("INSERT INTO observation VALUES (now(), now(), 1.5, 1, 0)")
    assert len(await migrate(database)) == len(known_migrations()) - 5
    async with await connect(database, role="test") as connection:
        found = await read_balance(connection)
    assert (found.counts.new, found.stored) == (1, 1)
    assert found.balances


async def test_a_changed_applied_file_is_an_error(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute("UPDATE schema_migration SET checksum = 'another' WHERE name LIKE '0003%'")
    with pytest.raises(MigrationError, match=r"0003_create_observation\.sql has changed"):
        await migrate(database)


async def test_a_database_from_a_newer_program_is_an_error(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute("INSERT INTO schema_migration VALUES ('9999_add_future.sql', 'x')")
    with pytest.raises(MigrationError, match="upgrade the program"):
        await migrate(database)


async def test_a_gap_in_the_applied_migrations_is_an_error(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute("DELETE FROM schema_migration WHERE name LIKE '0003%'")
    with pytest.raises(MigrationError, match="only go forward"):
        await migrate(database)


async def test_an_unreachable_database_is_reported_without_its_password(free_port: int) -> None:
    with pytest.raises(ServiceError, match=f"q at 127.0.0.1:{free_port} cannot be reached") as raised:
        await migrate(f"postgresql://user:secret@127.0.0.1:{free_port}/q")
    assert "secret" not in str(raised.value)
