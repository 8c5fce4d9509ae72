"""`livetwin doctor`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

import click

from cities import default_city
from cli.examination import (
    DoctorFinding,
    check_city,
    check_configured_services,
    check_embedded_system,
    check_installation,
)
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
    findings = [*check_installation(), *check_city(city or default_city())]
    if any(name in os.environ for name in ("LIVETWIN_DATABASE", "LIVETWIN_KAFKA", "LIVETWIN_MQTT_HOST")):
        findings += asyncio.run(check_configured_services())
    else:
        findings += asyncio.run(check_embedded_system(data_dir))
    for finding in findings:
        click.echo(_line(finding))
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


def _line(finding: DoctorFinding) -> str:
    mark = click.style("✓", fg="green") if finding.ok else click.style("✗", fg="red")
    return f"{mark} {finding.message}"
