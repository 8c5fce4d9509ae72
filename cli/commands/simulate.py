"""`livetwin simulate`."""

from __future__ import annotations

from pathlib import Path

import click
import uvloop

from cities import default_city
from cities.folder import read_city
from cli.running import read_settings, run_role
from simulators.service import run
from simulators.settings import SimulatorSettings


@click.command("simulate")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
def command(folder: Path | None) -> None:
    """Publish to MQTT what the sensors of a city folder would; Alkmaar's by default. Settings: LIVETWIN_*."""
    plan = read_city(folder or default_city())
    settings = read_settings(SimulatorSettings)
    run_role("simulate", settings, lambda: run(settings, plan), uvloop.new_event_loop)
