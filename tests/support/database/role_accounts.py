"""Accounts of the roles in the database of tests, so that the code of a role runs with its rights alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from storage.database import Connection
from storage.schema.database_roles import let_roles_log_in
from storage.schema.rights import RIGHTS, ROLE_PREFIX, role_user

PASSWORD = "of-roles-in-tests"


async def let_test_roles_log_in(connection: Connection) -> None:
    """Give every role of the server the password of the tests."""
    await let_roles_log_in(connection, dict.fromkeys(RIGHTS, PASSWORD))


def role_dsn(dsn: str, role: str) -> str:
    """Return the connection string of a role to the database of another one."""
    return make_conninfo("", **{**conninfo_to_dict(dsn), "user": role_user(role), "password": PASSWORD})


@asynccontextmanager
async def as_owner(connection: Connection) -> AsyncIterator[None]:
    """Give an owner's connection all rights in a block, for what another process does."""
    row = await (await connection.execute("SELECT session_user")).fetchone()
    assert row is not None
    await connection.commit()
    async with connection.transaction():
        await connection.execute("RESET SESSION AUTHORIZATION")
    yield
    await work_as(connection, str(row[0]).removeprefix(ROLE_PREFIX))


async def work_as(connection: Connection, role: str) -> None:
    """Leave an owner's connection no more than the rights of a role."""
    statement = sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(role_user(role)))
    async with connection.transaction():
        await connection.execute(statement)
