"""`livetwin doctor`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

import click

from cities import default_city
from cli.examination import Finding, examine_city, examine_installation, examine_running, examine_settings
from cli.supervisor.options import DEFAULT_DATA_DIR


@click.command("doctor")
@click.option("--city", type=click.Path(path_type=Path), help="City folder to validate; Alkmaar by default.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=DEFAULT_DATA_DIR,
    show_default=True,
    help="Data dir of the `livetwin up` to examine.",
)
def command(*, city: Path | None, data_dir: Path) -> None:
    """Tell what is installed, reachable and healthy, and what to do about what is not.

    Examines the services that LIVETWIN_* names when one of these is set, else the embedded system.
    """
    # What a client library logs while it tries is told better below.
    logging.disable(logging.CRITICAL)
    findings = [*examine_installation(), *examine_city(city or default_city())]
    if any(name in os.environ for name in ("LIVETWIN_DATABASE", "LIVETWIN_KAFKA", "LIVETWIN_MQTT_HOST")):
        findings += asyncio.run(examine_settings())
    else:
        findings += asyncio.run(examine_running(data_dir))
    for finding in findings:
        click.echo(_line(finding))
    sys.exit(0 if all(finding.fine for finding in findings) else 1)


def _line(finding: Finding) -> str:
    mark = click.style("✓", fg="green") if finding.fine else click.style("✗", fg="red")
    return f"{mark} {finding.what}"
