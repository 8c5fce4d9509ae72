"""Creates the roles of the database, gives them the declared rights and no others, and lets them log in.

A role has no right but those of `storage.schema.rights`. It cannot log in before it has a password, or an
administrator has made users that are members of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import psycopg
from psycopg import sql

from storage.database import Connection
from storage.queries import query
from storage.schema.rights import (
    FUNCTION_RIGHTS,
    RIGHTS,
    ROLE_PREFIX,
    TEMPORARY_TABLES,
    Right,
    declared_rights,
    role_user,
)
from twin.errors import TwinError

log = logging.getLogger(__name__)

USERS = [role_user(role) for role in RIGHTS]


class RolesError(TwinError):
    """The roles of the database cannot be created, or have powers that they must not have."""


async def apply_roles(connection: Connection) -> int:
    """Create missing roles, and give each role exactly the declared rights; return how many were changed.

    To be called after the migrations, by one process at a time; may be repeated. Raises RolesError.
    """
    for user in USERS:
        await create_role(connection, user)
    await _check_powers(connection)
    declared = declared_rights()
    async with connection.transaction():
        found = await granted_rights(connection)
        for right in sorted(found - declared):
            await _change_right(connection, "schema/roles/revoke_right", right)
        # Revoking a right on a table has revoked it on the columns, too.
        for right in sorted(declared - await granted_rights(connection)):
            await _change_right(connection, "schema/roles/grant_right", right)
        await connection.execute(query("schema/roles/revoke_from_everybody"))
        for role, functions in FUNCTION_RIGHTS.items():
            for function in functions:
                await _execute(
                    connection,
                    "schema/roles/grant_function",
                    function=sql.SQL(function),
                    role=sql.Identifier(role_user(role)),
                )
        database = sql.Identifier(connection.info.dbname)
        await _execute(connection, "schema/roles/revoke_temporary_tables", database=database)
        for role in TEMPORARY_TABLES:
            grantee = sql.Identifier(role_user(role))
            await _execute(connection, "schema/roles/grant_temporary_tables", database=database, role=grantee)
    changed = len(found ^ declared)
    if changed:
        log.info(
            "%d rights of the roles of the database were changed",
            changed,
            extra={"event": "schema.rights_changed", "count": changed},
        )
    return changed


async def granted_rights(connection: Connection) -> frozenset[Right]:
    """Return the rights that the roles have on tables, in the open transaction."""
    rows = await (await connection.execute(query("schema/roles/list_rights"), {"roles": USERS})).fetchall()
    return frozenset(
        Right(str(user).removeprefix(ROLE_PREFIX), str(table), str(privilege), str(column))
        for user, table, privilege, column in rows
    )


async def let_roles_log_in(connection: Connection, passwords: Mapping[str, str]) -> None:
    """Give roles a password, and with it the right to log in.

    The server, and so its log, gets only the verifier of SCRAM.
    """
    async with connection.transaction():
        for role, password in passwords.items():
            user = role_user(role)
            verifier = connection.pgconn.encrypt_password(
                password.encode(), user.encode(), b"scram-sha-256"
            ).decode()
            await _execute(
                connection,
                "schema/roles/set_role_password",
                role=sql.Identifier(user),
                verifier=sql.Literal(verifier),
            )


async def create_role(connection: Connection, user: str) -> None:
    """Create a role that may do nothing, unless the server has it. Raises RolesError."""
    async with connection.transaction():
        row = await (await connection.execute(query("schema/roles/find_role"), (user,))).fetchone()
    if row is not None:
        return
    try:
        async with connection.transaction():
            await _execute(connection, "schema/roles/create_role", role=sql.Identifier(user))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        # Roles belong to the server: another database of it is migrated at the same time.
        return
    except psycopg.errors.InsufficientPrivilege as error:
        raise RolesError(
            f"the database has no role {user}, and the user {connection.info.user} may not create it: "
            f"let an administrator of the server create (CREATE ROLE NAME) {', '.join(USERS)}"
        ) from error


async def _check_powers(connection: Connection) -> None:
    """Raise RolesError when a role has powers beyond rights on tables: one that existed before may."""
    async with connection.transaction():
        rows = await (
            await connection.execute(query("schema/roles/list_powerful_roles"), {"roles": USERS})
        ).fetchall()
    if rows:
        user, power = rows[0]
        raise RolesError(
            f"the role {user} of the database is {power}, expected a role without such powers: "
            "take them away with ALTER ROLE or REVOKE, or rename that role"
        )


async def _change_right(connection: Connection, name: str, right: Right) -> None:
    columns = sql.SQL(" ({})").format(sql.Identifier(right.column)) if right.column else sql.SQL("")
    await _execute(
        connection,
        name,
        privilege=sql.SQL(right.privilege),
        columns=columns,
        table=sql.Identifier(right.table),
        role=sql.Identifier(role_user(right.role)),
    )


async def _execute(connection: Connection, name: str, **parts: sql.Composable) -> None:
    """Execute a statement by the name of its file, with identifiers in it."""
    await connection.execute(sql.SQL(query(name).decode()).format(**parts))
