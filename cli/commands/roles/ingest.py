"""`livetwin ingest`: run the role ingest."""

from __future__ import annotations

import click
import uvloop

from cli.runner import model_source, read_settings, run_role
from ingest.service import run
from ingest.settings import IngestSettings
from runtime.telemetry.tracing import open_tracer


@click.command("ingest")
@click.option(
    "--retire",
    is_flag=True,
    help="Process the messages that the broker has queued for this LIVETWIN_MQTT_CLIENT_ID, end the session, "
    "and exit: for a replica that is removed for good.",
)
def command(*, retire: bool) -> None:
    """Run the ingest role: write MQTT messages to the log. Settings: LIVETWIN_*."""
    settings = read_settings(IngestSettings)
    with open_tracer("ingest", settings.trace_ratio) as tracer:
        run_role(
            "ingest",
            settings,
            lambda: run(
                settings,
                model_source(settings),
                tracer,
                drain=retire,
                session_file=settings.session_file(),
            ),
            uvloop.new_event_loop,
        )
