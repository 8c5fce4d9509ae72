"""`livetwin outlets`: run the role outlets."""

from __future__ import annotations

import click
import uvloop

from cli.runner import model_source, read_settings, run_role
from outlets.service import run
from outlets.settings import OutletSettings


@click.command("outlets")
def command() -> None:
    """Run the outlets role: publish to MQTT and to webhooks. Settings: LIVETWIN_*."""
    settings = read_settings(OutletSettings)
    run_role("outlets", settings, lambda: run(settings, model_source(settings)), uvloop.new_event_loop)
