"""`livetwin simulate`: run virtual devices that publish to MQTT."""

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
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), help="Scenario of the simulated city.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with faults of devices.",
)
@click.option("--fault-seed", type=int, help="Seed of random faults for about half of the devices.")
def command(folder: Path | None, **options: Any) -> None:
    """Simulate the sensors of a city folder (Alkmaar by default) over MQTT. Settings: LIVETWIN_*."""
    plan = read_city(folder or default_city())
    given = {name: value for name, value in options.items() if value is not None}
    settings = read_settings(SimulatorSettings).model_copy(update=given)
    run_role("simulate", settings, lambda: run(settings, plan), uvloop.new_event_loop)
