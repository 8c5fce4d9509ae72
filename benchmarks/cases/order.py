"""The case `order`: a year of hourly values, played in several orders, must be stored as the same history.

Each order is played through a whole system of its own: as fast as the broker takes it (`max`), with its
halves swapped (`halves`), with each fifth day as one backlog (`backlogs`), with restarts at random moments
(`restarts`), and at 900 times the speed of the year (`paced`). When all repairs are done, everything that is
stored is compared row by row with `max`.

A year at that speed takes ten hours, so `paced` does not wait: the records of ingest are written with the
times of reception and of the log at which they would have come (`benchmarks.load.timed_ingest`), and with a
tick of each second between them. Stream, historian and repairs are those of the running system.

A delay of a rule that the last values have begun ends live when as much time has passed since they came. So
the clock of the log is advanced by a day at the end of each order, and then the episodes of alarms must equal
the firings of the back-test, too.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import click

from benchmarks.load.arrival_orders import ORDERS, Parts, in_order, interrupted
from benchmarks.load.sequence_publisher import SequencePublisher
from benchmarks.load.timed_ingest import TimedIngest
from benchmarks.load.year_city import CITY, StationMessage, YearCity
from benchmarks.measure.bench_system import HOST, BenchSystem
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.settled import wait_settled, wait_stored
from benchmarks.measure.stored_history import differences, read_history
from benchmarks.report.results import OUT, write_results
from benchmarks.report.stored_plays import Play, StoredPlays
from runtime.clock import system_clock
from storage.database import connect
from storage.model.model_store import load_model
from twin.instant import DAY, HOUR, Instant

NAMES = ("max", "halves", "backlogs", "restarts", "paced")
RESTARTS = 10
SPEED = 900
SETTLE_TIMEOUT_S = 7_200.0
DIFFERENCES_SHOWN_MAX = 5

# So that every value is late in every order, also in the one that is played last.
_AGO = 6 * HOUR

_CLOCK_ADVANCE = DAY
"""More than the delays of rules, and what `paced` is ahead of the clock, together."""


@click.command()
@click.option("--stations", type=click.IntRange(2, 900), default=50, show_default=True)
@click.option("--days", type=click.IntRange(2, 365), default=365, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--restarts", type=click.IntRange(1, 100), default=RESTARTS, show_default=True)
@click.option(
    "--only", type=click.Choice(NAMES), multiple=True, default=NAMES, help="Play these orders only."
)
@click.option("--keep", "keeps", is_flag=True, help="Leave the data and the logs where they are.")
@click.option(
    "--plays",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Store what each order ended in; an order stored here for the same year is not played again.",
)
def order(
    *,
    stations: int,
    days: int,
    seed: int,
    restarts: int,
    only: tuple[str, ...],
    keeps: bool,
    folder: Path | None,
) -> None:
    """Play a year in several orders; compare everything that is stored."""
    # The stream commits with its checkpoints: the default would be noticed up to 15 s later.
    os.environ.setdefault("LIVETWIN_CHECKPOINT_INTERVAL_S", "5")
    start = (system_clock() - _AGO) // HOUR * HOUR - days * DAY
    city = YearCity(start=start, days=days, stations=stations, seed=seed)
    plays = StoredPlays(folder, city) if folder is not None else None
    if plays is not None:
        city = plays.city
    found: dict[str, Any] = {}
    truth: Play | None = None
    differing = 0
    for name in sorted(only, key=NAMES.index):
        play = plays.read(name) if plays is not None else None
        if play is None:
            parts = interrupted(restarts) if name == "restarts" else ORDERS.get(name, in_order)
            play = _play(name, city, parts(city.messages(), Random(seed)), keeps=keeps)
            if plays is not None:
                plays.write(play)
        _print(play)
        found[name] = play.document()
        differing += _report_back_test(play, found)
        if truth is None:
            truth = play
        else:
            differing += _report(play, truth, found)
    machine = describe_machine(OUT.parent)
    write_results("order", {"machine": machine, "stations": stations, "days": days, "orders": found})
    if differing:
        sys.exit(1)


def _play(name: str, city: YearCity, parts: Parts, *, keeps: bool) -> Play:
    """Play one order through a system of its own; between two parts the system restarts in `restarts`."""
    with BenchSystem(keep=keeps, city=city.model()) as system:
        begun, sending = time.monotonic(), 0.0
        for number, part in enumerate(parts):
            if number and name == "restarts":
                system.restart()
            since = time.monotonic()
            if name == "paced":
                asyncio.run(_publish_paced(system.ports, city, part))
            else:
                publish_part((HOST, int(system.ports["mqtt"])), city, city.copies[0], part)
            sending += time.monotonic() - since
        address, dsn = f"{HOST}:{system.ports['kafka']}", str(system.ports["database"])
        asyncio.run(wait_stored(address, dsn, SETTLE_TIMEOUT_S))
        stored = time.monotonic() - begun
        asyncio.run(wait_settled(address, dsn, SETTLE_TIMEOUT_S))
        settled = time.monotonic() - begun
        asyncio.run(_advance_clock(address, dsn))
        asyncio.run(wait_settled(address, dsn, SETTLE_TIMEOUT_S))
        history = asyncio.run(read_history(dsn, CITY, whole_span(city)))
    count = sum(map(len, parts))
    return Play(
        name=name,
        messages=count,
        sending_s=sending,
        stored_s=stored,
        settled_s=settled,
        history=history,
    )


def _print(play: Play) -> None:
    print(
        f"{play.name:<10}{play.messages:>9} messages, sent in {play.sending_s:.1f} s, "
        f"stored after {play.stored_s:.1f} s ({play.rate:.0f} a second), "
        f"repaired after {play.settled_s:.1f} s: "
        + ", ".join(f"{len(rows)} {table}" for table, rows in play.history.items()),
        flush=True,
    )


def whole_span(city: YearCity) -> tuple[Instant, Instant]:
    """Return the time range of a back-test over all values of a city; one back-test takes a year."""
    return city.start, city.start + city.days * DAY + DAY


def publish_part(broker: tuple[str, int], city: YearCity, copy: str, part: list[StationMessage]) -> None:
    """Publish messages in their order for a copy of the city."""
    with SequencePublisher(*broker, "benchmark-order") as publisher:
        publisher.publish((city.topic(copy, one.station), one.payload) for one in part)


async def _publish_paced(ports: Mapping[str, Any], city: YearCity, part: list[StationMessage]) -> None:
    """Write the records of messages that come at `SPEED` times the speed of the year, from now on."""
    async with await connect(str(ports["database"]), role="benchmark") as connection:
        model = await load_model(connection, CITY)
    hours = groupby(part, key=lambda one: one.hour)
    groups = (
        (hour * HOUR // SPEED, [(city.topic(city.copies[0], one.station), one.payload) for one in ones])
        for hour, ones in hours
    )
    await TimedIngest(model, system_clock()).publish(f"{HOST}:{ports['kafka']}", groups)


async def _advance_clock(kafka: str, dsn: str) -> None:
    """Write ticks of a minute a day ahead: what waits for a time ends."""
    async with await connect(dsn, role="benchmark") as connection:
        model = await load_model(connection, CITY)
    await TimedIngest(model, system_clock() + _CLOCK_ADVANCE).publish(kafka, [])


def _report(play: Play, truth: Play, found: dict[str, Any]) -> int:
    """Print how a play differs from the truth; return the number of differing rows."""
    different = differences(play.history, truth.history)
    for table, lines in different.items():
        _print_lines(
            f"{table}: {len(lines)} of {len(truth.history[table])} rows differ from {truth.name}", lines
        )
    count = sum(map(len, different.values()))
    found[play.name]["differingRows"] = {table: len(lines) for table, lines in different.items()}
    print(f"  {play.name}: {count} rows differ from {truth.name}", flush=True)
    return count


def _report_back_test(play: Play, found: dict[str, Any]) -> int:
    """Print how the episodes of alarms differ from the back-test of a play; return the number of them."""
    expected = {"alarm episodes": play.history["back-test"]}
    lines = differences(play.history, expected)["alarm episodes"]
    _print_lines(f"alarm episodes: {len(lines)} differ from the back-test of {play.name}", lines)
    found[play.name]["episodesUnlikeBackTest"] = len(lines)
    return len(lines)


def _print_lines(heading: str, lines: list[str]) -> None:
    if lines:
        print(f"  {heading}:")
        for line in lines[:DIFFERENCES_SHOWN_MAX]:
            print(f"    {line}")
