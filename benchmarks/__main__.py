"""`python -m benchmarks [CASE]`: measure, print and store the figures; without a case run all of them."""

from __future__ import annotations

import signal
import sys
import time

import click

from benchmarks.cases.backtest import backtest
from benchmarks.cases.bulk import bulk
from benchmarks.cases.duty import duty
from benchmarks.cases.generator import generator
from benchmarks.cases.history import history
from benchmarks.cases.ingest import ingest
from benchmarks.cases.max_rate import reach
from benchmarks.cases.order import order
from benchmarks.cases.page import page
from benchmarks.cases.resume import resume
from benchmarks.cases.rules import rules
from benchmarks.cases.sinks import sinks
from benchmarks.cases.soak import soak
from benchmarks.cases.system import system
from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.report.table import table

CASES = (reach, ingest, duty, rules, history, backtest, sinks)
"""The cases that run when none is named, in about a quarter of an hour."""

ON_REQUEST = (system, generator, soak, order, bulk, resume, page, table)
"""Single parts of `reach` for closer analysis, long runs, and the table of the last committed run."""


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Measure this machine and this checkout; exit code 1 when data were lost or a measurement failed."""
    # SIGTERM is handled like Ctrl-C, so that a case stops the processes that it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if context.invoked_subcommand is None:
        for case in CASES:
            print(f"\n== {case.name}", flush=True)
            began = time.monotonic()
            context.invoke(case)
            print(f"== {case.name} took {(time.monotonic() - began) / 60:.1f} minutes", flush=True)


for _case in (*CASES, *ON_REQUEST):
    main.add_command(_case)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        print(f"benchmark: error: {error}", file=sys.stderr)
        sys.exit(1)
