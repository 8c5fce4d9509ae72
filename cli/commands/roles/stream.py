"""`livetwin stream`: run the role stream."""

from __future__ import annotations

import os
import threading

import click
import uvloop

from cli.runner import model_source, read_settings, run_role
from runtime.telemetry.tracing import open_tracer
from stream.service import run
from stream.settings import StreamSettings

EXIT_TIMEOUT_S = 5.0


@click.command("stream")
def command() -> None:
    """Run the stream role: compute state from observations. Settings: LIVETWIN_*."""
    settings = read_settings(StreamSettings)
    with open_tracer("stream", settings.trace_ratio) as tracer:
        run_role(
            "stream",
            settings,
            lambda: run(settings, model_source(settings), tracer, _exit_soon),
            uvloop.new_event_loop,
        )


def _exit_soon(code: int) -> None:
    """End the process after `EXIT_TIMEOUT_S` even if Faust hangs: the rest is in the checkpoint or replayed.

    Faust may deadlock when it stops during a rebalance. It also joins a thread on the event loop's thread,
    where asyncio's timeouts have no effect.
    """
    timer = threading.Timer(EXIT_TIMEOUT_S, os._exit, (code,))
    timer.daemon = True
    timer.start()
