"""`livetwin apply`."""

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
    """Bring the schema, then the city, up to date."""
    await migrate(dsn)
    connection = await connect(dsn, role="apply")
    async with connection:
        return await apply_plan(connection, plan)


@click.command("apply")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Bring a city folder into the database (LIVETWIN_DATABASE); running roles follow within 2 s."""
    plan = read_city(folder)
    settings = read_settings(RoleSettings)
    applied = asyncio.run(apply_city(settings.database.get_secret_value(), plan))
    if applied.changed:
        click.echo(
            f"{plan.city.name} is at version {applied.version}: {applied.created} created, "
            f"{applied.updated} updated, {applied.retired} retired"
        )
    else:
        click.echo(f"{plan.city.name} is at version {applied.version}: nothing to change")
