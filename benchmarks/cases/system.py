"""The case `system`: messages through the whole system at one rate."""

from __future__ import annotations

import sys
from functools import partial

import click

from benchmarks.load.bench_city import PROPERTIES, BenchCity
from benchmarks.measure.end_to_end import RunOptions, measure_new_system
from benchmarks.report.results import write_results
from benchmarks.report.run_report import document, lines

RATE = 2_000
SECONDS = 60
QUICK_SECONDS = 5
CONNECTIONS = 4

# All sent and received readings are in memory for the check of completeness: about 200 bytes a reading.
READINGS_MAX = 20_000_000


@click.command()
@click.option(
    "--rate",
    type=click.IntRange(0, 100_000),
    default=RATE,
    show_default=True,
    help="Messages a second; 0: as fast as they are delivered and stored.",
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
@click.option(
    "--datastreams",
    type=click.IntRange(20, 100_000),
    default=2_000,
    show_default=True,
    help="Datastreams of the city.",
)
@click.option(
    "--each",
    type=click.IntRange(1, len(PROPERTIES)),
    default=4,
    show_default=True,
    help="Datastreams of an entity.",
)
@click.option("--packs", is_flag=True, help="One sensor an entity, which sends SenML packs of all readings.")
@click.option("--rules", type=click.IntRange(0, 1000), default=0, show_default=True, help="Active rules.")
@click.option("--profile", metavar="ROLE", help="Record this role with py-spy, if that is installed.")
@click.option("--keep", "keeps", is_flag=True, help="Leave the data and the logs where they are.")
def system(
    *,
    rate: int,
    seconds: int,
    quick: bool,
    connections: int,
    datastreams: int,
    each: int,
    packs: bool,
    rules: int,
    profile: str | None,
    keeps: bool,
) -> None:
    """Send messages to the whole system on this machine; print rate, loss and latency."""
    city = BenchCity(datastreams=datastreams, each=each, packs=packs, rules=rules)
    if datastreams % each or city.sensors % connections:
        raise click.UsageError(
            f"{datastreams} datastreams, {each} an entity, from {city.sensors} sensors over {connections} "
            "connections: expected numbers that divide"
        )
    options = RunOptions(
        rate=rate,
        seconds=QUICK_SECONDS if quick else seconds,
        connections=connections,
        city=city,
        profile=profile,
        keep=keeps,
    )
    if rate and options.messages * city.pack > READINGS_MAX:
        raise click.UsageError(
            f"{options.messages * city.pack} readings requested, at most {READINGS_MAX} are measured"
        )
    run = measure_new_system(options, partial(print, flush=True))
    for line in lines(run):
        print(line)
    write_results("system", document(run))
    if run.balance.faults:
        sys.exit(1)
