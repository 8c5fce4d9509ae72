"""`livetwin simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import uvloop

from cities import default_city
from cities.folder_reader import read_city
from cli.runner import read_settings, run_role
from simulators.scenarios import SCENARIOS
from simulators.service import run
from simulators.settings import SimulatorSettings

_SCENARIOS = "\n".join(f"  {name:<16} {entry.summary}" for name, entry in SCENARIOS.items())


@click.command("simulate", epilog=f"\b\nScenarios:\n{_SCENARIOS}")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), help="What happens in the city.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the faults of devices.",
)
@click.option("--fault-seed", type=int, help="Seed of faults for about half of the devices.")
def command(folder: Path | None, **options: Any) -> None:
    """Publish to MQTT what the sensors of a city folder would; Alkmaar's by default. Settings: LIVETWIN_*."""
    plan = read_city(folder or default_city())
    told = {name: value for name, value in options.items() if value is not None}
    settings = read_settings(SimulatorSettings).model_copy(update=told)
    run_role("simulate", settings, lambda: run(settings, plan), uvloop.new_event_loop)
