"""A past that is long enough to ask about: a hundred thousand observations and more, with their aggregates.

It is put into the database as the historian stores it, made by the code of the stream from seeded values.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from storage.database import Connection
from storage.historian.writers.aggregate_writer import create_aggregate_staging, write_aggregates
from storage.maintenance.recompute import recompute_observations
from twin.instant import DAY, HOUR, MINUTE, Duration, Instant, to_datetime
from twin.model.city_model import City, CityModel
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.entity import Entity
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.sensor import Datastream, Sensor
from twin.state.window import aggregate_of

CITY = "past"
PROPERTY = "air_temperature"
LAG = 2_000_000
"""Microseconds from measuring to receiving."""


@dataclass(frozen=True, slots=True)
class HistorySite:
    """A place with sensors that all observe the same for so long."""

    entity: str
    sensors: int
    interval: Duration
    days: int

    @property
    def observations(self) -> int:
        """How many observations its past holds."""
        return self.sensors * (self.days * DAY // self.interval)


SITES = (
    HistorySite(f"{CITY}.one", 1, MINUTE, 70),
    HistorySite(f"{CITY}.ten", 10, MINUTE, 7),
    HistorySite(f"{CITY}.slow", 10, 10 * MINUTE, 70),
)


def history_city() -> CityModel:
    """Return the model; the ids of its datastreams are replaced when it is applied."""
    pairs = [(site, f"{site.entity}-{number}") for site in SITES for number in range(site.sensors)]
    root = Entity(id=CITY, type="Municipality", name="Past")
    sites = [Entity(id=one.entity, type="MonitoringSite", name=one.entity, parent=CITY) for one in SITES]
    return CityModel(
        version=0,
        city=City(id=CITY, name="Past", timezone="Europe/Amsterdam"),
        entities={one.id: one for one in (root, *sites)},
        sensors={
            name: Sensor(id=name, feed="native", device=name, entity=site.entity, interval=site.interval)
            for site, name in pairs
        },
        datastreams={
            id: Datastream(
                id=id,
                sensor=name,
                entity=site.entity,
                property=PROPERTY,
                field=PROPERTY,
                unit="Cel",
                scale=1.0,
                offset=0.0,
                interval=site.interval,
            )
            for id, (site, name) in enumerate(pairs, 1)
        },
    )


async def write_history(connection: Connection, end: Instant) -> None:
    """Fill the database of a `history_city` with all observations before `end`, a whole hour."""
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
    """A temperature that wanders, to a tenth of a degree, and is never far from ten."""
    found = []
    value = 10.0
    for time in range(*span, interval):
        value += dice.gauss(0, 0.3) + (10 - value) / 500
        measured = time + dice.randrange(interval // 2)
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
            for one in observations:
                times = to_datetime(one.phenomenon_time), to_datetime(one.received_time)
                await copy.write_row((one.datastream, *times, one.value, one.flags))
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
