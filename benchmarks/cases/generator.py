"""The case `generator`: the limit of the load generator, against a broker without subscribers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.load.bench_city import BenchCity
from benchmarks.load.load_generator import FLAT_OUT
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.raw_limits import generator_limit
from benchmarks.report.results import write_results

MESSAGES = 500_000


@click.command()
@click.option(
    "--messages",
    type=click.IntRange(1, 10_000_000),
    default=MESSAGES,
    show_default=True,
    help="Number of messages.",
)
@click.option(
    "--rate",
    type=click.IntRange(0, 1_000_000),
    default=FLAT_OUT,
    show_default=True,
    help="Messages a second; 0: as fast as they are acknowledged.",
)
@click.option("--datastreams", type=click.IntRange(20, 100_000), default=2_000, show_default=True)
@click.option("--packs", is_flag=True, help="SenML packs of ten readings.")
def generator(*, messages: int, rate: int, datastreams: int, packs: bool) -> None:
    """Send to a broker without subscribers; print the rate of the load generator and its cost."""
    city = BenchCity(datastreams=datastreams, each=10 if packs else 4, packs=packs)
    machine = describe_machine(Path(tempfile.gettempdir()))
    found = generator_limit(city, messages, rate)
    costs = ", ".join(f"{name} {1000 * cpu_s:.2f} µs" for name, cpu_s in found.cpu_s.items())
    print(f"{found.rate:.0f} messages/s acknowledged; processor time for a message: {costs}")
    write_results("generator", {"machine": machine, "rate": found.rate, "cpuSPer1000": found.cpu_s})
