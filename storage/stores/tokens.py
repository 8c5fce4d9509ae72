"""Creates, revokes, lists and finds API keys in the database, which stores only the hash of a key."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
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


class TokenGrant(NamedTuple):
    """What a valid API key grants."""

    name: str
    role: Role
    areas: tuple[str, ...] | None  #: ids of entities in which the role holds; None: the whole city


class ApiToken(NamedTuple):
    """An API key, without the key itself."""

    grant: TokenGrant
    created: Instant
    revoked: Instant | None  #: None while it is valid


def token_digest(token: str) -> bytes:
    """Return the hash that identifies a key, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


async def create_token(
    connection: Connection, name: str, role: Role, areas: Sequence[str] | None = None
) -> str:
    """Create a key and return it; it cannot be read again later.

    With `areas` (ids of entities) it is limited to these and what lies in them. Raises TokenError when the
    name is taken or invalid, when the role cannot be granted, or when an area is unknown.
    """
    if not name.isprintable() or not name.strip() or len(name) > NAME_LENGTH_MAX:
        raise TokenError(f"the name {name[:NAME_LENGTH_MAX]!r}: expected 1 to {NAME_LENGTH_MAX} characters")
    if role not in GRANTABLE_ROLES:
        raise TokenError(f"the role {role!r} cannot be given; expected one of {', '.join(GRANTABLE_ROLES)}")
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    async with migrated_transaction(connection):
        if areas is not None:
            await _check_areas(connection, areas)
        cursor = await connection.execute(
            query("stores/tokens/insert_token"),
            {
                "name": name,
                "role": role,
                "areas": sorted(set(areas)) if areas is not None else None,
                "token_sha256": token_digest(token),
            },
        )
        if await cursor.fetchone() is None:
            raise TokenError(
                f"there is a live key named {name!r}; choose another name, or revoke that one first: "
                f"livetwin token revoke {name!r}"
            )
    return token


async def _check_areas(connection: Connection, areas: Sequence[str]) -> None:
    cursor = await connection.execute(query("stores/tokens/find_entities"), {"ids": list(areas)})
    known = {str(row[0]) for row in await cursor.fetchall()}
    unknown = sorted(set(areas) - known)
    if unknown or not areas:
        found = f"unknown: {', '.join(unknown)}" if unknown else "found none"
        raise TokenError(f"the areas of a key are ids of entities of the city; {found}")


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


async def find_token(connection: Connection, token_sha256: bytes) -> TokenGrant | None:
    """Return what the valid key with a hash grants, or None."""
    async with migrated_transaction(connection):
        cursor = await connection.execute(query("stores/tokens/find_token"), {"token_sha256": token_sha256})
        row = await cursor.fetchone()
    return _grant(*row) if row is not None else None


def _grant(name: str, role: Role, areas: list[str] | None) -> TokenGrant:
    return TokenGrant(name, role, tuple(areas) if areas is not None else None)


def _token(
    name: str, role: Role, areas: list[str] | None, created: datetime, revoked: datetime | None
) -> ApiToken:
    return ApiToken(
        _grant(name, role, areas),
        from_datetime(created),
        from_datetime(revoked) if revoked is not None else None,
    )
