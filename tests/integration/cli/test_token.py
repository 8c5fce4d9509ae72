"""`livetwin token`, called as a program."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from storage.database import connect
from storage.stores.tokens import TOKEN_PREFIX, find_token, token_digest
from tests.support.processes.cli_call import Ended, call_cli

Token = Callable[..., Awaitable[Ended]]


@pytest.fixture
def token(database: str) -> Token:
    async def call(*arguments: str) -> Ended:
        return await call_cli("token", *arguments, database=database)

    return call


async def test_create_prints_the_key_and_nothing_else(token: Token, database: str) -> None:
    made = await token("create", "--role", "duty", "--name", "pager")
    assert (made.code, made.err) == (0, "")
    key = made.out.removesuffix("\n")
    assert key.startswith(TOKEN_PREFIX)
    assert len(key.split()) == 1
    async with await connect(database, role="test") as connection:
        assert await find_token(connection, token_digest(key)) == ("pager", "duty", None)


async def test_revoke_ends_a_key_and_list_shows_both_states(token: Token) -> None:
    for name in ("pager", "page"):
        assert (await token("create", "--role", "viewer", "--name", name)).code == 0
    assert await token("revoke", "pager") == (0, "revoked pager\n", "")
    assert (await token("revoke", "--name", "pager")).code == 1
    first, second = (await token("list")).out.splitlines()
    assert first.startswith("pager\tviewer\tcreated 20")
    assert "\trevoked 20" in first
    assert second.endswith("\tlive")
    assert TOKEN_PREFIX not in first + second


async def test_a_taken_name_is_an_error_of_one_line(token: Token) -> None:
    await token("create", "--role", "viewer", "--name", "pager")
    again = await token("create", "--role", "admin", "--name", "pager", "--debug")
    assert again.code == 1
    assert again.out == ""
    assert again.err.splitlines()[-1].startswith("error: there is a live key named 'pager'")
    again = await token("create", "--role", "admin", "--name", "pager")
    assert len(again.err.splitlines()) == 1


async def test_wrong_usage_ends_with_exit_code_2(token: Token) -> None:
    for arguments in (
        ("create", "--role", "root", "--name", "x"),
        ("create", "--role", "viewer"),
        ("revoke",),
    ):
        ended = await token(*arguments)
        assert ended.code == 2, arguments
        assert ended.out == ""
