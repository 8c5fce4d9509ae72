"""The case `generator`: what the load generator itself can do, against a broker that nobody listens to."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.city import BenchCity
from benchmarks.companion import Companion
from benchmarks.load import FLAT_OUT, PUBACK_TIMEOUT_S, LoadOptions, LoadResult, generate
from benchmarks.machine import describe_machine
from benchmarks.results import keep
from benchmarks.system import HOST
from cli.embedded.mosquitto import EmbeddedMosquitto

MESSAGES = 500_000
CONNECTIONS = 4
READY_TIMEOUT_S = 60.0
SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What the generator did, flat out."""

    rate: float  #: messages a second that were acknowledged
    cpu_us: float  #: the generator's processor time for a message


@contextmanager
def bare_broker() -> Iterator[int]:
    """Run a Mosquitto without subscribers; yield its port."""
    with tempfile.TemporaryDirectory(prefix="livetwin-broker-") as folder:
        Path(folder).chmod(0o755)
        broker = EmbeddedMosquitto(Path(folder))
        with asyncio.Runner() as runner:
            runner.run(broker.start())
            try:
                yield broker.port
            finally:
                runner.run(broker.stop())


def ceiling(city: BenchCity, *, messages: int = MESSAGES, rate: float = FLAT_OUT) -> Ceiling:
    """Send messages to a bare broker. Raises BenchmarkError when it cannot."""
    with bare_broker() as port:
        options = LoadOptions(
            traffic=city.traffic,
            host=HOST,
            port=port,
            rate=rate,
            messages=messages,
            connections=CONNECTIONS,
            seconds_max=SECONDS_MAX,
        )
        load = Companion("load generator", generate, options)
        try:
            load.answer(READY_TIMEOUT_S)
            load.tell("go")
            sent: LoadResult = load.answer(SECONDS_MAX + PUBACK_TIMEOUT_S)
        finally:
            load.end()
    count = int(sent.acknowledged.sum())
    return Ceiling(
        rate=round(count / sent.acknowledging_s, 1), cpu_us=round(sent.cpu_s * 1e6 / max(count, 1), 2)
    )


@click.command()
@click.option(
    "--messages", type=click.IntRange(1, 10_000_000), default=MESSAGES, show_default=True, help="How many."
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
    """Send to a broker that nobody listens to; print what the load generator can do, and what it costs."""
    city = BenchCity(datastreams=datastreams, each=10 if packs else 4, packs=packs)
    machine = describe_machine(Path(tempfile.gettempdir()))
    found = ceiling(city, messages=messages, rate=rate)
    print(
        f"{found.rate:.0f} messages/s acknowledged, {found.cpu_us} µs of the generator's processor time each"
    )
    keep("generator", {"machine": machine, "rate": found.rate, "cpuUs": found.cpu_us})
