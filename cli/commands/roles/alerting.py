"""`livetwin alerting`: run the role alerting."""

from __future__ import annotations

import os

import click

from alerting.service import run
from alerting.settings import AlertingSettings
from cli.runner import model_source, read_settings, run_role
from runtime.secret_files import SecretEnvironment


@click.command("alerting")
def command() -> None:
    """Run the alerting role: notify people on duty of alarms. Settings: LIVETWIN_*."""
    settings = read_settings(AlertingSettings)
    secrets = SecretEnvironment(dict(os.environ))
    run_role("alerting", settings, lambda: run(settings, model_source(settings), secrets))
