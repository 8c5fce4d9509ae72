"""`livetwin migrate`: apply pending migrations of the database."""

from __future__ import annotations

import asyncio

import click

from cli.runner import read_settings
from runtime.settings import RoleSettings
from storage.schema.migrate import migrate


@click.command("migrate")
def command() -> None:
    """Apply pending migrations to the database (LIVETWIN_DATABASE)."""
    settings = read_settings(RoleSettings)
    applied = asyncio.run(migrate(settings.database.get_secret_value()))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("the schema is up to date")
