"""`livetwin historian`."""

from __future__ import annotations

import click
import uvloop

from cli.running import read_settings, run_role
from storage.historian import run
from storage.settings import HistorianSettings


@click.command("historian")
def command() -> None:
    """Run the historian role: the log to the database. Settings: LIVETWIN_*."""
    settings = read_settings(HistorianSettings)
    run_role("historian", settings, lambda: run(settings), uvloop.new_event_loop)
