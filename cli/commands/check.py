"""`livetwin check`: validate a city folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from alerting.policy.roster import duty_shifts
from cities.folder_reader import read_city
from runtime.clock import system_clock
from twin.instant import DAY, Duration, Instant, format_instant
from twin.model.duty import DutyPlan

ROSTER_HORIZON: Duration = 28 * DAY
"""The period from now in which a roster should have no gap."""


@click.command("check")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Validate a city folder: list all faults with file and line, and gaps in rosters."""
    plan = read_city(folder)
    for warning in roster_warnings(plan.duty, system_clock()):
        click.echo(f"{folder}: warning: {warning}", err=True)
    click.echo(
        f"{folder}: {plan.city.name} is valid: {len(plan.entities)} entities, {len(plan.sensors)} sensors, "
        f"{len(plan.datastreams)} datastreams"
    )


def roster_warnings(plan: DutyPlan, now: Instant) -> Iterator[str]:
    """Yield a warning for each gap of a roster in the next four weeks."""
    for team in plan.teams:
        for shift in duty_shifts(plan, team.id, now, now + ROSTER_HORIZON):
            if shift.contact is None:
                yield (
                    f"nobody of team {team.id} is on call from {format_instant(shift.start)} until "
                    f"{format_instant(shift.end)}"
                )
