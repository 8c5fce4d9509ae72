"""The case `history`: the response time of history queries over a hundred thousand observations.

Queries are sent over HTTP, one after the other, to a system without other load. The observations and their
aggregates are written to the database as the historian stores them, computed by the code of the stream from
seeded values.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import click

from benchmarks.measure.bench_system import HOST, BenchSystem
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.processes import UsageMeter
from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.report.results import write_results
from cities.folder_writer import write_city
from runtime.clock import system_clock
from storage.database import Connection, connect
from storage.historian.writers.aggregate_writer import create_aggregate_staging, write_aggregates
from storage.maintenance.recompute import recompute_observations
from tests.support.cities.city_builder import CityBuilder
from twin.instant import DAY, HOUR, MINUTE, Duration, Instant, format_instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.state.window import aggregate_of

SCHEMA = 1

ROUNDS = 40
QUICK_ROUNDS = 8
WARM_UP = 2
TIMEOUT_S = 60.0

INTERVALS = ("P1M", "P1W", "P1D", "PT1H", "PT30M", "PT15M")
SPANS = ((1, "PT15M"), (7, "PT1H"), (70, "P1D"))
AGGREGATES = ("mean", "p50,p95")


class HistoryQuery(NamedTuple):
    """A query for the history of one site."""

    site: HistorySite
    start: Instant
    end: Instant
    interval: str
    aggregate: str

    @property
    def path(self) -> str:
        """Path and query of the request."""
        parameters = {
            "property": PROPERTY,
            "start": format_instant(self.start),
            "end": format_instant(self.end),
            "interval": self.interval,
            "aggregate": self.aggregate,
        }
        return f"/v1/entities/{self.site.entity}/history?{urlencode(parameters)}"


class HistoryTimings(NamedTuple):
    """The response times of one query."""

    query: HistoryQuery
    observations: int  #: in all buckets
    buckets: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    cpu_ms: float  #: processor time of api and database for a response; valid also on a busy machine


def all_queries(end: Instant) -> Iterator[HistoryQuery]:
    """Yield all queries: the whole history of each site, in longer and shorter buckets."""
    for site in SITES:
        start = end - site.days * DAY + 7 * MINUTE
        for interval in INTERVALS:
            for aggregate in AGGREGATES:
                yield HistoryQuery(site, start, end, interval, aggregate)


def queries_by_span(end: Instant) -> Iterator[HistoryQuery]:
    """Yield queries for the last day, week and more of one datastream, in the buckets of a chart."""
    for days, interval in SPANS:
        start = end - days * DAY
        for aggregate in AGGREGATES:
            yield HistoryQuery(SITES[0], start, end, interval, aggregate)


def time_query(system: BenchSystem, query: HistoryQuery, rounds: int) -> HistoryTimings:
    """Send a query repeatedly. Raises BenchmarkError when a response is no success."""
    connection = HTTPConnection(HOST, system.ports["http"], timeout=TIMEOUT_S)
    meter = UsageMeter({name: system.pids[name] for name in ("api", "postgres")})
    durations: list[float] = []
    try:
        for number in range(WARM_UP + rounds):
            if number == WARM_UP:
                meter.start()
            began = time.perf_counter()
            connection.request("GET", query.path)
            response = connection.getresponse()
            body = response.read()
            durations.append(time.perf_counter() - began)
            if response.status != 200:
                raise BenchmarkError(f"{query.path} returned status {response.status}: {body[:300]!r}")
    finally:
        connection.close()
    usage, _ = meter.stop()
    buckets = json.loads(body)["buckets"]
    ordered = sorted(one * 1000 for one in durations[WARM_UP:])
    return HistoryTimings(
        query,
        sum(one["count"] + one["suspect"] for one in buckets),
        len(buckets),
        round(_percentile(ordered, 0.5), 1),
        round(_percentile(ordered, 0.95), 1),
        round(ordered[-1], 1),
        round(sum(one.cpu_s for one in usage.values()) * 1000 / rounds, 1),
    )


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[math.ceil(share * len(ordered)) - 1]


def lines(found: Sequence[HistoryTimings]) -> Iterator[str]:
    """Yield the report, line by line."""
    yield (
        f"{'milliseconds':<34}{'aggregate':<10}{'observations':>13}{'buckets':>9}"
        f"{'p50':>8}{'p95':>8}{'max':>8}{'CPU':>8}"
    )
    for times in found:
        site, query = times.query.site, times.query
        span = f"{site.sensors} × {site.days} days of {site.interval // MINUTE} min, {query.interval}"
        yield (
            f"{span:<34}{query.aggregate:<10}{times.observations:>13}{times.buckets:>9}"
            f"{times.p50_ms:>8}{times.p95_ms:>8}{times.max_ms:>8}{times.cpu_ms:>8}"
        )


def document(found: Sequence[HistoryTimings], machine: dict[str, Any]) -> dict[str, Any]:
    """Return the response times as a JSON value."""
    return {
        "schema": SCHEMA,
        "machine": machine,
        "history": [
            {
                "datastreams": result.query.site.sensors,
                "intervalS": result.query.site.interval // 1_000_000,
                "days": result.query.site.days,
                "bucket": result.query.interval,
                "aggregate": result.query.aggregate,
                "observations": result.observations,
                "buckets": result.buckets,
                "p50Ms": result.p50_ms,
                "p95Ms": result.p95_ms,
                "maxMs": result.max_ms,
                "cpuMs": result.cpu_ms,
            }
            for result in found
        ],
    }


async def _fill(dsn: str, end: Instant) -> None:
    async with await connect(dsn, role="benchmark") as connection:
        await write_history(connection, end)


def measure_history(
    rounds: int, *, keeps: bool, queries: Callable[[Instant], Iterator[HistoryQuery]] = all_queries
) -> tuple[list[HistoryTimings], dict[str, Any]]:
    """Start a system, fill its history, send queries. Raises BenchmarkError when a measurement fails."""
    with tempfile.TemporaryDirectory(prefix="livetwin-past-") as folder:
        Path(folder).chmod(0o755)
        write_city(history_city(), Path(folder) / "city")
        with BenchSystem(keep=keeps, options=[f"--city={folder}/city", "--no-simulate"]) as system:
            machine = describe_machine(system.data_dir)
            end = system_clock() // HOUR * HOUR
            asyncio.run(_fill(str(system.ports["database"]), end))
            return [time_query(system, one, rounds) for one in queries(end)], machine


@click.command()
@click.option("--quick", is_flag=True, help=f"Send each query {QUICK_ROUNDS} times only.")
@click.option("--keep", "keeps", is_flag=True, help="Leave the data and the logs where they are.")
def history(*, quick: bool, keeps: bool) -> None:
    """Query aggregates of a hundred thousand observations; print the response times."""
    found, machine = measure_history(QUICK_ROUNDS if quick else ROUNDS, keeps=keeps)
    for line in lines(found):
        print(line)
    write_results("history", document(found, machine))


CITY = "past"
PROPERTY = "air_temperature"
LAG = 2_000_000
"""Microseconds from measurement to reception."""


@dataclass(frozen=True, slots=True)
class HistorySite:
    """A site whose sensors all observe the same property, with its history."""

    entity: str
    sensors: int
    interval: Duration
    days: int

    @property
    def observations(self) -> int:
        """The number of observations in its history."""
        return self.sensors * (self.days * DAY // self.interval)


SITES = (
    HistorySite(f"{CITY}.one", 1, MINUTE, 70),
    HistorySite(f"{CITY}.ten", 10, MINUTE, 7),
    HistorySite(f"{CITY}.slow", 10, 10 * MINUTE, 70),
)


def history_city() -> CityModel:
    """Return the city model; applying it replaces the ids of datastreams."""
    builder = CityBuilder(CITY, "Past").entity(CITY, "Municipality", "Past")
    for site in SITES:
        builder.entity(site.entity, "MonitoringSite", parent=CITY)
        for number in range(site.sensors):
            builder.sensor(f"{site.entity}-{number}", site.entity, PROPERTY, interval=site.interval)
    return builder.model(version=0)


async def write_history(connection: Connection, end: Instant) -> None:
    """Write all observations of a `history_city` before `end`, a whole hour, to the database."""
    async with connection.transaction():
        await create_aggregate_staging(connection)
    for site in SITES:
        rows = await connection.execute("SELECT id FROM datastream WHERE entity_id = %s", (site.entity,))
        for (id,) in await rows.fetchall():
            start = end - site.days * DAY
            observations = _observations(random.Random(id), id, (start, end), site.interval)
            await _write(connection, observations, site.interval)
            async with connection.transaction():
                await connection.execute(
                    "UPDATE datastream SET created_at = %s WHERE id = %s", (to_datetime(start), id)
                )
                await connection.execute(
                    "INSERT INTO datastream_retention (datastream_id, complete_to) VALUES (%(id)s, %(end)s) "
                    "ON CONFLICT (datastream_id) DO UPDATE SET complete_to = %(end)s",
                    {"id": id, "end": to_datetime(end - 2 * HOUR)},
                )
    await connection.commit()
    await connection.set_autocommit(True)
    await connection.execute("VACUUM (ANALYZE)")


def _observations(
    dice: random.Random, id: int, span: tuple[Instant, Instant], interval: Duration
) -> list[Observation]:
    """Return a random walk of temperatures around ten degrees, in tenths."""
    found = []
    value = 10.0
    for instant in range(*span, interval):
        value += dice.gauss(0, 0.3) + (10 - value) / 500
        measured = instant + dice.randrange(interval // 2)
        found.append(Observation(id, measured, measured + LAG, round(value, 1), 0))
    return found


async def _write(connection: Connection, observations: list[Observation], interval: Duration) -> None:
    property = BUILT_IN_PROPERTIES[PROPERTY]
    made = recompute_observations(observations, DatastreamPolicy.of(property, interval))
    id = observations[0].datastream
    async with connection.transaction(), connection.cursor() as cursor:
        columns = "(datastream_id, phenomenon_time, received_time, value, flags)"
        async with cursor.copy(f"COPY observation {columns} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(("int4", "timestamptz", "timestamptz", "float8", "int2"))
            for observation in observations:
                times = to_datetime(observation.phenomenon_time), to_datetime(observation.received_time)
                await copy.write_row((observation.datastream, *times, observation.value, observation.flags))
        await cursor.executemany(
            "INSERT INTO assessment (datastream_id, phenomenon_time, flags, revision) VALUES (%s, %s, %s, 1)",
            [(id, to_datetime(time), flags) for time, flags in made.flags_by_time.items()],
        )
    aggregates = [
        aggregate_of(
            content,
            datastream=id,
            size=size,
            start=start,
            revision=1,
            interval=interval,
            kind=property.aggregation,
        )
        for size, start, content in made.windows
    ]
    async with connection.transaction():
        await write_aggregates(connection, aggregates)
