"""`livetwin stream`."""

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
    """Run the stream role: observations to state. Settings: LIVETWIN_*."""
    settings = read_settings(StreamSettings)
    with open_tracer("stream", settings.trace_ratio) as tracer:
        run_role(
            "stream",
            settings,
            lambda: run(settings, model_source(settings), tracer, _leave),
            uvloop.new_event_loop,
        )


def _leave(code: int) -> None:
    """End the process soon, however Faust stops; by then what matters is in the checkpoint, or is replayed.

    Stopped in the middle of a rebalance, Faust leaves tasks and threads that wait for each other for ever. It
    also joins a thread on the thread of the event loop, where no timeout is heard.
    """
    leaving = threading.Timer(EXIT_TIMEOUT_S, os._exit, (code,))
    leaving.daemon = True
    leaving.start()
