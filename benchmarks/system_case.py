"""The case `system`: single-reading messages through the whole of it."""

from __future__ import annotations

import sys
from functools import partial

import click

from benchmarks.report import document, lines
from benchmarks.results import keep
from benchmarks.run import RunOptions, measure

RATE = 2_000
SECONDS = 60
QUICK_SECONDS = 5
CONNECTIONS = 4

# All that was published and seen is held in memory until the balance is struck: about 1 kB a message.
MESSAGES_MAX = 2_000_000


@click.command()
@click.option(
    "--rate", type=click.IntRange(1, 50_000), default=RATE, show_default=True, help="Messages a second."
)
@click.option(
    "--seconds", type=click.IntRange(1, 3600), default=SECONDS, show_default=True, help="How long to send."
)
@click.option("--quick", is_flag=True, help=f"Send for {QUICK_SECONDS} s only.")
@click.option(
    "--connections",
    type=click.IntRange(1, 100),
    default=CONNECTIONS,
    show_default=True,
    help="MQTT connections.",
)
@click.option("--keep", "keeps", is_flag=True, help="Leave the data and the logs where they are.")
def system(*, rate: int, seconds: int, quick: bool, connections: int, keeps: bool) -> None:
    """Put single-reading messages on the whole system, all on this machine; print rate, loss and latency."""
    options = RunOptions(
        rate=rate, seconds=QUICK_SECONDS if quick else seconds, connections=connections, keep=keeps
    )
    if options.messages > MESSAGES_MAX:
        raise click.UsageError(f"{options.messages} messages asked for, at most {MESSAGES_MAX} are measured")
    run = measure(options, partial(print, flush=True))
    for line in lines(run):
        print(line)
    keep("system", document(run))
    if run.balance.faults:
        sys.exit(1)
