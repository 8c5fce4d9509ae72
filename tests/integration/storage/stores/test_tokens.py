"""API keys in the database."""

from __future__ import annotations

from typing import Any

import pytest

from storage.database import connect
from storage.model.model_store import apply_plan
from storage.stores.tokens import (
    NAME_LENGTH_MAX,
    TOKEN_PREFIX,
    TokenError,
    create_token,
    find_token,
    read_tokens,
    revoke_token,
    token_digest,
)
from tests.support.cities.city_builder import CityBuilder, plan_of


async def test_a_key_is_found_by_its_hash_until_it_is_revoked(database: str) -> None:
    async with await connect(database, role="test") as connection:
        key = await create_token(connection, "dashboard", "viewer")
        assert key.startswith(TOKEN_PREFIX)
        assert await find_token(connection, token_digest(key)) == ("dashboard", "viewer", None)
        assert await find_token(connection, token_digest(key + "x")) is None
        await revoke_token(connection, "dashboard")
        assert await find_token(connection, token_digest(key)) is None


async def test_the_key_itself_is_not_in_the_database(database: str) -> None:
    async with await connect(database, role="test") as connection:
        key = await create_token(connection, "dashboard", "viewer")
        cursor = await connection.execute("SELECT api_token::text, token_sha256 FROM api_token")
        ((text, stored),) = await cursor.fetchall()
    assert key not in text
    assert key.removeprefix(TOKEN_PREFIX) not in text
    assert stored == token_digest(key)


async def test_a_name_has_one_valid_key_and_is_free_after_revocation(database: str) -> None:
    async with await connect(database, role="test") as connection:
        first = await create_token(connection, "dashboard", "viewer")
        with pytest.raises(TokenError, match="livetwin token revoke 'dashboard'"):
            await create_token(connection, "dashboard", "admin")
        await revoke_token(connection, "dashboard")
        second = await create_token(connection, "dashboard", "duty")
        assert first != second
        listed = await read_tokens(connection)
    assert [(one.grant.name, one.grant.role, one.revoked is None) for one in listed] == [
        ("dashboard", "viewer", False),
        ("dashboard", "duty", True),
    ]


async def test_a_name_without_a_valid_key_cannot_be_revoked(database: str) -> None:
    async with await connect(database, role="test") as connection:
        with pytest.raises(TokenError, match="no live key named 'nobody'"):
            await revoke_token(connection, "nobody")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("", "viewer"),
        ("  ", "viewer"),
        ("a\nb", "viewer"),
        ("x" * (NAME_LENGTH_MAX + 1), "viewer"),
        ("guest", "anonymous"),
        ("guest", "root"),
    ],
)
async def test_an_invalid_name_or_role_is_refused(database: str, name: str, role: Any) -> None:
    async with await connect(database, role="test") as connection:
        with pytest.raises(TokenError, match="expected"):
            await create_token(connection, name, role)
        assert await read_tokens(connection) == []


async def test_a_key_is_limited_to_areas_that_exist(database: str) -> None:
    builder = CityBuilder("city", "City")
    builder.entity("city", "Municipality")
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan_of(builder.model()))
        with pytest.raises(TokenError, match=r"unknown: city\.nowhere"):
            await create_token(connection, "east", "operator", ["city", "city.nowhere"])
        with pytest.raises(TokenError, match="found none"):
            await create_token(connection, "east", "operator", [])
        key = await create_token(connection, "east", "operator", ["city", "city"])
        assert await find_token(connection, token_digest(key)) == ("east", "operator", ("city",))
        assert [one.grant.areas for one in await read_tokens(connection)] == [("city",)]
