"""Each role has the declared rights in the database and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import psycopg
import pytest

from storage.database import Connection, connect
from storage.schema.database_roles import RolesError, create_role, granted_rights
from storage.schema.migrate import migrate
from storage.schema.rights import RIGHTS, Right, declared_rights, unassigned_tables
from tests.support.database.role_accounts import role_dsn
from tests.support.services.service_source import PostgresServer

TABLES = (
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace "
    "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')"
)

# What a role is refused, and the table that the statement is about.
REFUSED = {
    "ingest": (
        "SELECT * FROM observation",
        "SELECT * FROM alarm_event",
        "INSERT INTO quarantine_usage VALUES ('all', 0)",
        "SELECT * FROM api_token",
        "UPDATE sensor SET feed = ''",
    ),
    "stream": (
        "SELECT * FROM message_batch",
        "INSERT INTO observation VALUES (now(), now(), 1, 1, 0)",
        "UPDATE alarm SET state = ''",
        "SELECT * FROM webhook",
    ),
    "historian": (
        "SELECT * FROM api_token",
        "SELECT * FROM webhook",
        "INSERT INTO rule SELECT * FROM rule",
        "UPDATE alarm_event SET text = ''",
        "UPDATE message_batch SET headers = NULL",
        "DELETE FROM quarantine_usage",
        "UPDATE sensor SET feed = ''",
        "DELETE FROM ledger",
    ),
    "alerting": (
        "SELECT * FROM observation",
        "UPDATE incident SET revision = 0",
        "SELECT * FROM webhook",
        "UPDATE duty_plan SET plan = '{}'",
    ),
    "outlets": (
        "SELECT * FROM message_batch",
        "SELECT payload FROM quarantine",
        "DELETE FROM observation",
        "UPDATE webhook SET url = 'https://example.org'",
        "UPDATE webhook SET secret = ''",
        "INSERT INTO webhook SELECT * FROM webhook",
        "SELECT * FROM api_token",
    ),
    "api": (
        "INSERT INTO alarm_event SELECT * FROM alarm_event",
        "UPDATE alarm_event SET text = ''",
        "DELETE FROM alarm_event",
        "UPDATE alarm SET state = ''",
        "DELETE FROM incident",
        "DELETE FROM notification",
        "INSERT INTO observation VALUES (now(), now(), 1, 1, 0)",
        "DELETE FROM observation",
        "UPDATE quarantine SET payload = ''",
        "DELETE FROM quarantine",
        "UPDATE rule SET content = '{}'",
        "UPDATE webhook SET url = 'https://example.org'",
        "INSERT INTO api_token (name, role, token_sha256) VALUES ('x', 'operator', '')",
        "UPDATE api_token SET role = 'operator'",
        "DELETE FROM dossier_issue",
        "UPDATE dossier_issue SET issued_to = ''",
        "DELETE FROM model_change",
    ),
}

REFUSED_TO_ALL = (
    "CREATE ROLE intruder SUPERUSER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE livetwin PASSWORD 'mine'",
    "SET ROLE livetwin",
    "CREATE DATABASE another",
    "CREATE TABLE public.mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE observation ADD COLUMN mine int",
    "DROP TABLE alarm",
    "TRUNCATE observation",
    "SELECT drop_chunks('observation', older_than => now())",
    "SELECT * FROM pg_authid",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY city TO PROGRAM 'true'",
    "SELECT * FROM schema_migration",
    "INSERT INTO schema_migration VALUES ('9999_x', '')",
)

OpenAs = Callable[[str], AbstractAsyncContextManager[Connection]]


@pytest.fixture
def open_as(database: str) -> OpenAs:
    @asynccontextmanager
    async def opened(role: str) -> AsyncIterator[Connection]:
        async with await connect(role_dsn(database, role), role=role) as connection:
            await connection.set_autocommit(True)
            yield connection

    return opened


async def may(connection: Connection, statement: str) -> bool:
    """Return whether the role may execute a statement; what it changes is undone."""
    try:
        if statement.startswith("CREATE DATABASE"):  # not within a transaction
            await connection.execute(statement.encode())
        else:
            async with connection.transaction(force_rollback=True):
                await connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


async def test_every_table_is_given_to_a_role_on_purpose(database: str) -> None:
    async with await connect(database, role="test") as connection:
        tables = [str(name) for (name,) in await (await connection.execute(TABLES)).fetchall()]
    assert not unassigned_tables(tables), "storage/schema/rights.py declares who reads and writes each table"
    assert {right.table for right in declared_rights()} <= set(tables)


async def test_the_database_grants_what_is_declared(database: str) -> None:
    async with await connect(database, role="test") as connection:
        assert await granted_rights(connection) == declared_rights()


@pytest.mark.parametrize("role", RIGHTS)
async def test_a_role_is_refused_what_is_not_its_work(open_as: OpenAs, role: str) -> None:
    async with open_as(role) as connection:
        allowed = [one for one in (*REFUSED[role], *REFUSED_TO_ALL) if await may(connection, one)]
    assert allowed == []


async def test_the_owner_may_do_what_roles_are_refused(database: str) -> None:
    """Otherwise a misspelt statement could be one that is refused."""
    async with await connect(database, role="test") as connection:
        await connection.set_autocommit(True)
        for statement in {one for statements in REFUSED.values() for one in statements}:
            assert await may(connection, f"EXPLAIN {statement}"), statement


async def test_a_right_too_many_is_taken_away_and_a_missing_one_given(postgres: PostgresServer) -> None:
    await postgres.create_database("other_rights")
    dsn = postgres.dsn("other_rights")
    await migrate(dsn)
    async with await connect(dsn, role="test") as connection:
        await connection.execute("GRANT DELETE ON alarm_event TO livetwin_api")
        await connection.execute("GRANT UPDATE ON webhook TO livetwin_outlets")
        await connection.execute("GRANT UPDATE (title) ON notification TO livetwin_stream")
        await connection.execute("REVOKE SELECT ON city FROM livetwin_ingest")
        await connection.commit()
        assert Right("api", "alarm_event", "DELETE") in await granted_rights(connection)
        await connection.commit()
        await migrate(dsn)
        assert await granted_rights(connection) == declared_rights()


async def test_only_the_historian_creates_temporary_tables(postgres: PostgresServer) -> None:
    await postgres.create_database("temporary_tables")
    dsn = postgres.dsn("temporary_tables")
    await migrate(dsn)
    able = []
    for role in RIGHTS:
        async with await connect(role_dsn(dsn, role), role=role) as connection:
            await connection.set_autocommit(True)
            if await may(connection, "CREATE TEMPORARY TABLE mine (a int)"):
                able.append(role)
    assert able == ["historian"]


async def test_rights_on_a_hypertable_hold_for_its_chunks_alike(database: str, open_as: OpenAs) -> None:
    async with open_as("historian") as connection:
        for day in (1, 9, 17):
            await connection.execute(
                "INSERT INTO observation VALUES (%(at)s::timestamptz, %(at)s::timestamptz, 1.5, 1, 0)",
                {"at": f"2026-03-{day:02}T00:00:00Z"},
            )
        chunks = [
            str(name)
            for (name,) in await (
                await connection.execute("SELECT show_chunks('observation')::text")
            ).fetchall()
        ]
    assert len(chunks) >= 2
    async with open_as("api") as connection:
        for chunk in chunks:
            assert not await may(connection, f"DELETE FROM {chunk}")
        assert await may(connection, "SELECT * FROM observation")
    async with open_as("ingest") as connection:
        for chunk in chunks:
            assert not await may(connection, f"SELECT * FROM {chunk}")


async def test_a_role_with_more_power_is_an_error(postgres: PostgresServer) -> None:
    await postgres.create_database("powerful_role")
    async with await postgres.connect_as_administrator() as administrator:
        await administrator.execute("CREATE ROLE parent_of_stream")
        await administrator.execute("GRANT parent_of_stream TO livetwin_stream")
        try:
            with pytest.raises(RolesError, match="livetwin_stream of the database is a member of parent_of"):
                await migrate(postgres.dsn("powerful_role"))
        finally:
            await administrator.execute("DROP ROLE parent_of_stream")


async def test_without_the_right_to_create_roles_an_administrator_is_told_what_to_run(
    database: str,
) -> None:
    async with await connect(database, role="test") as connection:
        await connection.execute("CREATE ROLE plain")
        try:
            await connection.execute("SET LOCAL ROLE plain")
            with pytest.raises(
                RolesError, match=r"let an administrator of the server create .*livetwin_ingest, "
            ):
                await create_role(connection, "livetwin_of_a_later_release")
        finally:
            await connection.rollback()
