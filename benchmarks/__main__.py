"""`python -m benchmarks`: measure, print, keep the numbers; exit code 1 when anything was lost."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path

import click

from benchmarks.companion import BenchmarkError
from benchmarks.machine import describe_code
from benchmarks.report import lines, save
from benchmarks.run import RunOptions, measure
from runtime.clock import system_clock

CHECKOUT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "out"

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
@click.option("--keep", is_flag=True, help="Leave the data and the logs of the system where they are.")
def main(*, rate: int, seconds: int, quick: bool, connections: int, keep: bool) -> None:
    """Put single-reading messages on the whole system, all on this machine; print rate, loss and latency."""
    options = RunOptions(
        rate=rate, seconds=QUICK_SECONDS if quick else seconds, connections=connections, keep=keep
    )
    if options.messages > MESSAGES_MAX:
        raise click.UsageError(f"{options.messages} messages asked for, at most {MESSAGES_MAX} are measured")
    # A polite end from outside is like Ctrl-C: the system is ended, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run = measure(options, partial(print, flush=True))
    except BenchmarkError as error:
        print(f"benchmark: error: {error}", file=sys.stderr)
        sys.exit(1)
    for line in lines(run):
        print(line)
    print(f"numbers are in {save(run, OUT, system_clock(), describe_code(CHECKOUT)).relative_to(CHECKOUT)}")
    sys.exit(1 if run.balance.faults else 0)


if __name__ == "__main__":
    main()
