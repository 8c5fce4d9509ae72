"""`livetwin api`."""

from __future__ import annotations

import click
import uvloop

from api.service import run
from api.settings import ApiSettings
from cli.running import model_source, read_settings, run_role


@click.command("api")
def command() -> None:
    """Run the api role: HTTP and the page. Settings: LIVETWIN_*."""
    settings = read_settings(ApiSettings)
    run_role("api", settings, lambda: run(settings, model_source(settings)), uvloop.new_event_loop)
