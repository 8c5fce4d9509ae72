"""`livetwin export`: write the city in the database as a city folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import click

from cities.folder_writer import write_city
from cli.runner import read_settings
from runtime.settings import RoleSettings
from storage.database import connect
from storage.model.model_store import load_model, read_city_files
from twin.model.city_model import CityModel


async def _load(settings: RoleSettings) -> tuple[CityModel, Mapping[str, bytes]]:
    connection = await connect(settings.database.get_secret_value(), role="export")
    async with connection:
        model = await load_model(connection, settings.city)
        return model, await read_city_files(connection, model.city)


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Write the city in the database (LIVETWIN_DATABASE, LIVETWIN_CITY) as a city folder."""
    model, files = asyncio.run(_load(read_settings(RoleSettings)))
    for path in write_city(model, folder, files):
        click.echo(f"wrote {path}")
