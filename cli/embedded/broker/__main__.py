"""`python -m cli.embedded.broker`: run the broker on loopback until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal

import click
import uvloop

from cli.embedded.broker.request_handlers import RequestHandlers
from cli.embedded.broker.server import serve
from cli.embedded.ports import LOOPBACK
from runtime.gc_tuning import tune_gc


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), required=True)
@click.option("--cluster-id", required=True)
@click.option("--advertised", required=True, help="HOST:PORT that clients must use.")
def main(port: int, cluster_id: str, advertised: str) -> None:
    """Run the embedded broker."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    tune_gc()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(port, RequestHandlers(cluster_id, advertised)))


async def _run(port: int, handlers: RequestHandlers) -> None:
    stopped = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
    server = await serve(handlers, LOOPBACK, port)
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    main()
