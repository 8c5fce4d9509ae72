"""`livetwin stream`."""

from __future__ import annotations

import os
import threading
from collections.abc import Coroutine
from typing import Any

import click
import uvloop

from cli.running import model_source, read_settings, run_role
from runtime.tracing import tracing
from stream.service import run
from stream.settings import StreamSettings

LEAVE_S_MAX = 2.0


@click.command("stream")
def command() -> None:
    """Run the stream role: observations to state. Settings: LIVETWIN_*."""
    settings = read_settings(StreamSettings)
    with tracing("stream", settings.trace_ratio) as tracer:
        run_role(
            "stream",
            settings,
            lambda: _and_leave(run(settings, model_source(settings), tracer)),
            uvloop.new_event_loop,
        )


async def _and_leave(work: Coroutine[Any, Any, None]) -> None:
    """Do the work, then see to it that the process ends.

    Stopped in the middle of a rebalance, Faust leaves tasks and threads that wait for each other for ever. By
    then the checkpoint is written, or the records that it lacks are replayed.
    """
    code = 1
    try:
        await work
    except BaseException as error:
        code = 0 if not isinstance(error, Exception) else 1
        raise
    finally:
        leaving = threading.Timer(LEAVE_S_MAX, os._exit, (code,))
        leaving.daemon = True
        leaving.start()
