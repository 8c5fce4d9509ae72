"""`livetwin migrate`: apply pending migrations of the database, and let the roles log in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cli.database_accounts import role_passwords
from cli.runner import read_settings
from runtime.settings import RoleSettings
from storage.database import connect
from storage.schema.database_roles import let_roles_log_in
from storage.schema.migrate import migrate
from storage.schema.rights import RIGHTS


@click.command("migrate")
@click.option(
    "--accounts",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with a file for each role, named like the role: its connection URI, for "
    "LIVETWIN_DATABASE_FILE. Creates missing files; the password of each role becomes the one in its file.",
)
@click.option(
    "--rotate",
    "rotated",
    multiple=True,
    type=click.Choice(list(RIGHTS)),
    help="Give this role a new password, in its file of --accounts; restart the role afterwards.",
)
def command(*, accounts: Path | None, rotated: tuple[str, ...]) -> None:
    """Apply pending migrations to the database (LIVETWIN_DATABASE), as its owner.

    Then each role has exactly the rights in the database that its work needs.
    """
    if rotated and accounts is None:
        raise click.UsageError("--rotate needs --accounts, the folder with the file of the role")
    settings = read_settings(RoleSettings)
    dsn = settings.database.get_secret_value()
    applied = asyncio.run(migrate(dsn))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("the schema is up to date")
    if accounts is not None:
        passwords = role_passwords(accounts, dsn, rotated)
        asyncio.run(_let_roles_log_in(dsn, passwords))
        click.echo(f"each role has the password in its file in {accounts}")
    for role in rotated:
        click.echo(f"{role} has a new password: restart it")


async def _let_roles_log_in(dsn: str, passwords: dict[str, str]) -> None:
    async with await connect(dsn, role="migrate") as connection:
        await let_roles_log_in(connection, passwords)
