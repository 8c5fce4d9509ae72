"""`livetwin token`: create, revoke and list API keys."""

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
    """Create, revoke and list API keys in the database (LIVETWIN_DATABASE)."""


@command.command("create")
@click.option("--role", required=True, type=click.Choice(GRANTABLE_ROLES), help="Access rights of the key.")
@click.option("--name", required=True, help="Person or program that uses the key.")
@click.option(
    "--area",
    "areas",
    multiple=True,
    metavar="ENTITY",
    help="Limit the role to this entity and what lies in it; repeat for several. Default: the whole city.",
)
def create(*, role: Role, name: str, areas: tuple[str, ...]) -> None:
    """Create a key and print it, only this time, since only its hash is stored."""
    click.echo(_with_database(lambda connection: create_token(connection, name, role, areas or None)))


@command.command("revoke")
@click.argument("names", metavar="NAME", nargs=-1)
@click.option("--name", "named", multiple=True, help="Same as NAME.")
def revoke(*, names: tuple[str, ...], named: tuple[str, ...]) -> None:
    """Revoke a key by name; the API refuses it within 2 s."""
    given = [*names, *named]
    if len(given) != 1:
        raise click.UsageError("expected one NAME; `livetwin token list` lists the names")
    _with_database(lambda connection: revoke_token(connection, given[0]))
    click.echo(f"revoked {given[0]}")


@command.command("list")
def list_all() -> None:
    """List all keys by name, live and revoked, oldest first; the keys themselves are not stored."""
    for token in _with_database(read_tokens):
        state = "live" if token.revoked is None else f"revoked {format_instant(token.revoked)}"
        name, role, areas = token.grant
        where = f" in {', '.join(areas)}" if areas is not None else ""
        click.echo(f"{name}\t{role}{where}\tcreated {format_instant(token.created)}\t{state}")


def _with_database(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        settings = read_settings(RoleSettings)
        async with await connect(settings.database.get_secret_value(), role="token") as connection:
            return await work(connection)

    return asyncio.run(run())
