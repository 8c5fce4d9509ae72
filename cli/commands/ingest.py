"""`livetwin ingest`."""

from __future__ import annotations

import click
import uvloop

from cli.running import model_source, read_settings, run_role
from ingest.service import run
from ingest.settings import IngestSettings
from runtime.tracing import tracing


@click.command("ingest")
def command() -> None:
    """Run the ingest role: MQTT to the log. Settings: LIVETWIN_*."""
    settings = read_settings(IngestSettings)
    with tracing("ingest", settings.trace_ratio) as tracer:
        run_role(
            "ingest", settings, lambda: run(settings, model_source(settings), tracer), uvloop.new_event_loop
        )
