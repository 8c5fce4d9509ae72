"""Creates, revokes, lists and finds API keys in the database, which stores only the hash of a key."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import NamedTuple

from storage.database import Connection, migrated_transaction
from storage.queries import query
from twin.errors import TwinError
from twin.instant import Instant, from_datetime
from twin.model.role import GRANTABLE_ROLES, Role

# Identifies a key that appears in a log or a repository by mistake.
TOKEN_PREFIX = "livetwin_"  # noqa: S105
TOKEN_BYTES = 32
NAME_LENGTH_MAX = 100


class TokenError(TwinError):
    """An API key cannot be created or revoked as requested."""


class ApiToken(NamedTuple):
    """An API key, without the key itself."""

    name: str
    role: Role
    created: Instant
    revoked: Instant | None  #: None while it is valid


def token_digest(token: str) -> bytes:
    """Return the hash that identifies a key, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


async def create_token(connection: Connection, name: str, role: Role) -> str:
    """Create a key and return it; it cannot be read again later.

    Raises TokenError when the name is taken or invalid, or when the role cannot be granted.
    """
    if not name.isprintable() or not name.strip() or len(name) > NAME_LENGTH_MAX:
        raise TokenError(f"the name {name[:NAME_LENGTH_MAX]!r}: expected 1 to {NAME_LENGTH_MAX} characters")
    if role not in GRANTABLE_ROLES:
        raise TokenError(f"the role {role!r} cannot be given; expected one of {', '.join(GRANTABLE_ROLES)}")
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    async with migrated_transaction(connection):
        cursor = await connection.execute(
            query("stores/tokens/insert_token"),
            {"name": name, "role": role, "token_sha256": token_digest(token)},
        )
        if await cursor.fetchone() is None:
            raise TokenError(
                f"there is a live key named {name!r}; choose another name, or revoke that one first: "
                f"livetwin token revoke {name!r}"
            )
    return token


async def revoke_token(connection: Connection, name: str) -> None:
    """Revoke the valid key of a name; raise TokenError when there is none."""
    async with migrated_transaction(connection):
        cursor = await connection.execute(query("stores/tokens/revoke_token"), {"name": name})
        if await cursor.fetchone() is None:
            raise TokenError(f"there is no live key named {name!r}; `livetwin token list` shows them")


async def read_tokens(connection: Connection) -> list[ApiToken]:
    """Return all keys, also revoked ones, oldest first."""
    async with migrated_transaction(connection):
        cursor = await connection.execute(query("stores/tokens/list_tokens"))
        return [_token(*row) for row in await cursor.fetchall()]


async def find_token_role(connection: Connection, token_sha256: bytes) -> Role | None:
    """Return the role of the valid key with a hash, or None."""
    async with migrated_transaction(connection):
        cursor = await connection.execute(query("stores/tokens/find_token"), {"token_sha256": token_sha256})
        row = await cursor.fetchone()
    if row is None:
        return None
    role: Role = row[0]
    return role


async def find_token_name(connection: Connection, token_sha256: bytes) -> str | None:
    """Return the name of the valid key with a hash, or None."""
    async with migrated_transaction(connection):
        cursor = await connection.execute(
            query("stores/tokens/find_token_name"), {"token_sha256": token_sha256}
        )
        row = await cursor.fetchone()
    return str(row[0]) if row is not None else None


def _token(name: str, role: Role, created: datetime, revoked: datetime | None) -> ApiToken:
    return ApiToken(
        name, role, from_datetime(created), from_datetime(revoked) if revoked is not None else None
    )
