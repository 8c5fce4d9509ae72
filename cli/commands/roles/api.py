"""`livetwin api`: run the role api."""

from __future__ import annotations

import os

import click
import uvloop

from api.service import run
from api.settings import ApiSettings
from cli.runner import model_source, read_settings, run_role
from runtime.secret_files import SecretEnvironment
from runtime.telemetry.tracing import open_tracer


@click.command("api")
def command() -> None:
    """Run the api role: the HTTP API and the web page. Settings: LIVETWIN_*."""
    settings = read_settings(ApiSettings)
    secrets = SecretEnvironment(dict(os.environ))
    with open_tracer("api", settings.trace_ratio) as tracer:
        run_role(
            "api",
            settings,
            lambda: run(settings, model_source(settings), tracer, secrets),
            uvloop.new_event_loop,
        )
