"""`livetwin historian`: run the role historian."""

from __future__ import annotations

import asyncio

import click
import uvloop

from cli.runner import model_source, read_settings, run_role
from runtime.clock import system_clock
from runtime.telemetry.tracing import Tracer, open_tracer
from storage.historian.service import run_historian
from storage.maintenance.service import run_maintenance
from storage.settings import HistorianSettings


@click.command("historian")
def command() -> None:
    """Run the historian role: store the log in the database, and maintain it. Settings: LIVETWIN_*."""
    settings = read_settings(HistorianSettings)
    with open_tracer("historian", settings.trace_ratio) as tracer:
        run_role("historian", settings, lambda: _run(settings, tracer), uvloop.new_event_loop)


async def _run(settings: HistorianSettings, tracer: Tracer | None) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_historian(settings, tracer), name="historian")
        tasks.create_task(run_maintenance(settings, model_source(settings), system_clock), name="maintenance")
