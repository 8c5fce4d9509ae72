"""`livetwin check`."""

from __future__ import annotations

from pathlib import Path

import click

from cities.folder import read_city


@click.command("check")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Validate a city folder; tell every fault with its file and line."""
    plan = read_city(folder)
    click.echo(
        f"{folder}: {plan.city.name} is fine: {len(plan.entities)} entities, {len(plan.sensors)} sensors, "
        f"{len(plan.datastreams)} datastreams"
    )
