"""`python -m benchmarks [CASE]`: measure, print, keep the numbers; without a case, all of them one by one."""

from __future__ import annotations

import signal
import sys
import time

import click

from benchmarks.cases.backtest import backtest
from benchmarks.cases.duty import duty
from benchmarks.cases.generator import generator
from benchmarks.cases.history import history
from benchmarks.cases.ingest import ingest
from benchmarks.cases.max_rate import reach
from benchmarks.cases.rules import rules
from benchmarks.cases.sinks import sinks
from benchmarks.cases.system import system
from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.report.table import table

CASES = (reach, ingest, duty, rules, history, backtest, sinks)
"""What runs when no case is asked for, in about a quarter of an hour."""

ASKED_FOR = (system, generator, table)
"""Parts of `reach` by themselves, to look closer; and the table of the last committed run."""


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Measure this machine and this checkout; exit code 1 when something was lost or cannot be measured."""
    # A polite end from outside is like Ctrl-C: what a case has started is ended, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if context.invoked_subcommand is None:
        for case in CASES:
            print(f"\n== {case.name}", flush=True)
            began = time.monotonic()
            context.invoke(case)
            print(f"== {case.name} took {(time.monotonic() - began) / 60:.1f} minutes", flush=True)


for _case in (*CASES, *ASKED_FOR):
    main.add_command(_case)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        print(f"benchmark: error: {error}", file=sys.stderr)
        sys.exit(1)
