"""The case `sinks`: the cost of a message in historian and api at a high rate, by stage, without MQTT."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from benchmarks.cases import sinks_api, sinks_historian
from benchmarks.cases.sinks_historian import HistorianCost
from benchmarks.load.log_records import LogLoad
from benchmarks.measure.machine import describe_machine
from benchmarks.report.results import write_results

SCHEMA = 1

SUBSCRIBERS = ((0, 0), (1, 0), (100, 0), (1, 1_000))
"""Subscribers of everything, and idle ones."""

RECORDS = 1_200
QUICK_RECORDS = 120

T = TypeVar("T")


@click.command()
@click.option("--quick", is_flag=True, help=f"{QUICK_RECORDS} records instead of {RECORDS}.")
@click.option("--datastreams", default=10_000, show_default=True, help="Each has a message in turn.")
@click.option("--rate", default=25_000, show_default=True, help="Messages a second, of the log's time.")
@click.option("--record", default=250, show_default=True, help="Messages in a record of the log.")
@click.option("--transaction", default=20, show_default=True, help="Records in a transaction.")
@click.option("--part", type=click.Choice(["historian", "api"]), help="One of the two only.")
def sinks(
    *, quick: bool, datastreams: int, rate: int, record: int, transaction: int, part: str | None
) -> None:
    """Process messages of one reading in historian and api; print microseconds of a core for each."""
    load = LogLoad(datastreams, rate, record)
    count = QUICK_RECORDS if quick else RECORDS
    machine = describe_machine(Path(tempfile.gettempdir()))
    document: dict[str, Any] = {"schema": SCHEMA, "machine": machine, "load": load._asdict()}
    if part != "api":
        cost = _run(sinks_historian.measure_historian(load, count, transaction))
        document["historian"] = cost._asdict()
        for line in historian_lines(cost):
            print(line)
    if part != "historian":
        document["api"] = {}
        for subscribers, idle in SUBSCRIBERS:
            stages = _run(sinks_api.measure_api(load, count, subscribers, idle))
            name = f"{subscribers} subscribers" + (f" and {idle} idle ones" if idle else "")
            document["api"][name] = stages
            costs = "".join(f"{stage} {value:.2f}  " for stage, value in stages.items())
            print(f"api, {name}, µs an event: {costs.rstrip()}")
    write_results("sinks", document)


def historian_lines(cost: HistorianCost) -> Iterator[str]:
    """Yield the report, line by line."""
    yield f"{'historian, µs a message':<32}{'own':>8}{'server':>8}"
    for name, (own, server) in cost.stages.items():
        yield f"  {name:<30}{own:>8.2f}{server:>8.2f}"
    yield f"  {cost.rate:.0f} a second; WAL {cost.wal_bytes:.0f} bytes each, stored {cost.stored_bytes:.0f}"


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
