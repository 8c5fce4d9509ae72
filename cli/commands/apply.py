"""`livetwin apply`: write a city folder to the database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cities.folder_reader import read_city
from cli.runner import read_settings
from runtime.settings import RoleSettings
from storage.database import connect
from storage.model.model_store import ModelApplyResult, apply_plan
from storage.schema.migrate import migrate
from twin.model.city_model import CityPlan


async def apply_city(dsn: str, plan: CityPlan) -> ModelApplyResult:
    """Migrate the schema, then apply the city."""
    await migrate(dsn)
    connection = await connect(dsn, role="apply")
    async with connection:
        return await apply_plan(connection, plan)


@click.command("apply")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Write a city folder to the database (LIVETWIN_DATABASE); running roles use it within 2 s."""
    plan = read_city(folder)
    settings = read_settings(RoleSettings)
    applied = asyncio.run(apply_city(settings.database.get_secret_value(), plan))
    if applied.changed:
        click.echo(
            f"{plan.city.name} has version {applied.version}: {applied.created} created, "
            f"{applied.updated} updated, {applied.retired} retired"
        )
    else:
        click.echo(f"{plan.city.name} has version {applied.version}: no changes")
