"""`livetwin token`: API keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from cli.runner import read_settings
from runtime.settings import RoleSettings
from storage.database import Connection, connect
from storage.stores.tokens import create_token, read_tokens, revoke_token
from twin.instant import format_instant
from twin.model.role import GRANTABLE_ROLES, Role

T = TypeVar("T")


@click.group("token")
def command() -> None:
    """Make, revoke and list API keys, in the database (LIVETWIN_DATABASE)."""


@command.command("create")
@click.option("--role", required=True, type=click.Choice(GRANTABLE_ROLES), help="What the key may do.")
@click.option("--name", required=True, help="Who or what asks with it.")
def create(*, role: Role, name: str) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    click.echo(_with_database(lambda connection: create_token(connection, name, role)))


@command.command("revoke")
@click.argument("names", metavar="NAME", nargs=-1)
@click.option("--name", "named", multiple=True, help="The same as NAME.")
def revoke(*, names: tuple[str, ...], named: tuple[str, ...]) -> None:
    """Revoke the key of a name; within 2 s the api refuses it."""
    asked = [*names, *named]
    if len(asked) != 1:
        raise click.UsageError("expected one NAME; `livetwin token list` shows them")
    _with_database(lambda connection: revoke_token(connection, asked[0]))
    click.echo(f"revoked {asked[0]}")


@command.command("list")
def list_all() -> None:
    """List all keys, live and revoked, oldest first; never the keys themselves."""
    for one in _with_database(read_tokens):
        state = "live" if one.revoked is None else f"revoked {format_instant(one.revoked)}"
        click.echo(f"{one.name}\t{one.role}\tcreated {format_instant(one.created)}\t{state}")


def _with_database(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        settings = read_settings(RoleSettings)
        async with await connect(settings.database.get_secret_value(), role="token") as connection:
            return await work(connection)

    return asyncio.run(run())
