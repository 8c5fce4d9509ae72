"""`livetwin historian`."""

from __future__ import annotations

import asyncio

import click
import uvloop

from cli.running import model_source, read_settings, run_role
from runtime.clock import system_clock
from storage.historian import run
from storage.settings import HistorianSettings
from storage.upkeep import run_upkeep


@click.command("historian")
def command() -> None:
    """Run the historian role: the log to the database, and its upkeep. Settings: LIVETWIN_*."""
    settings = read_settings(HistorianSettings)
    run_role("historian", settings, lambda: _run(settings), uvloop.new_event_loop)


async def _run(settings: HistorianSettings) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(settings), name="historian")
        tasks.create_task(run_upkeep(settings, model_source(settings), system_clock), name="upkeep")
