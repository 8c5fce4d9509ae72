"""`livetwin api`: run the role api."""

from __future__ import annotations

import click
import uvloop

from api.service import run
from api.settings import ApiSettings
from cli.runner import model_source, read_settings, run_role
from runtime.telemetry.tracing import open_tracer


@click.command("api")
def command() -> None:
    """Run the api role: the HTTP API and the web page. Settings: LIVETWIN_*."""
    settings = read_settings(ApiSettings)
    with open_tracer("api", settings.trace_ratio) as tracer:
        run_role(
            "api", settings, lambda: run(settings, model_source(settings), tracer), uvloop.new_event_loop
        )
