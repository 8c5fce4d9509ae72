"""The case `duty`: from a sensor's message to the notification that the person on duty has, under load."""

from __future__ import annotations

import sys
from functools import partial

import click

from benchmarks.duty_report import document, lines
from benchmarks.duty_run import DutyOptions, measure_duty
from benchmarks.load.duty_city import RULES, SITES
from benchmarks.report.results import write_results

RATE = 500
SECONDS = 60
QUICK_SECONDS = 10
MESSAGES_MAX = 1_000_000


@click.command()
@click.option(
    "--rate", type=click.IntRange(1, 50_000), default=RATE, show_default=True, help="Messages a second."
)
@click.option(
    "--seconds", type=click.IntRange(1, 3600), default=SECONDS, show_default=True, help="How long to send."
)
@click.option("--quick", is_flag=True, help=f"Send for {QUICK_SECONDS} s only.")
@click.option("--keep", "keeps", is_flag=True, help="Leave the data and the logs where they are.")
def duty(*, rate: int, seconds: int, quick: bool, keeps: bool) -> None:
    """Have alarms raised under load, each an incident of its own, and told over a webhook; print how late."""
    options = DutyOptions(rate=rate, seconds=QUICK_SECONDS if quick else seconds, keep=keeps)
    if options.messages > MESSAGES_MAX:
        raise click.UsageError(f"{options.messages} messages asked for, at most {MESSAGES_MAX} are measured")
    print(f"{SITES} sites with a sensor each, {RULES} rules, one person on duty")
    run = measure_duty(options, partial(print, flush=True))
    for line in lines(run):
        print(line)
    write_results("duty", document(run))
    if run.balance.faults:
        sys.exit(1)
