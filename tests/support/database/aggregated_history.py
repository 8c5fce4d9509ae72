"""Three weeks of stored observations with their aggregates, and queries about them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from storage.database import Connection
from storage.history import buckets
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AGGREGATE_NAMES, AggregateName, HistoryBucket
from storage.history.observations import read_observations
from storage.maintenance.recompute import recompute_observations
from storage.model.model_store import apply_plan, load_model
from storage.queries import query
from tests.support.cities.canal_city import canal_plan
from tests.support.database.history_rows import store_aggregates, store_assessments, store_observations
from twin.instant import DAY, HOUR, MINUTE, Instant, parse_instant, to_datetime
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty
from twin.quality.quality_flags import is_usable
from twin.quality.quality_rules import QualityRules, SpikeRule, StuckRule
from twin.state.sketch import RELATIVE_ACCURACY
from twin.state.window import aggregate_of

AMSTERDAM = "Europe/Amsterdam"
BEGIN = parse_instant("2026-10-10T03:17:00Z")
DAYS = 20  # including the night in which clocks go back

LEVEL = replace(
    BUILT_IN_PROPERTIES["water_level"],
    quality=QualityRules(
        minimum=1.0,
        spike=SpikeRule(deviation_min=50),
        stuck=StuckRule(count=5, duration_min=MINUTE),
        late_after=MINUTE,
    ),
)
REGISTER = replace(LEVEL, aggregation="counter", combination="sum", wraps_at=1_000.0, quality=QualityRules())
STEP = 2 * MINUTE

ALL_AGGREGATES: tuple[AggregateName, ...] = AGGREGATE_NAMES


async def store_datastreams(connection: Connection) -> list[int]:
    await apply_plan(connection, canal_plan())
    model = await load_model(connection, "alkmaar")
    ids = sorted(one.id for one in model.datastreams.values() if one.sensor == "s1")
    async with connection.transaction():
        await connection.execute(
            "UPDATE datastream SET created_at = '2026-01-01Z', interval = '2 minutes' WHERE id = ANY(%s)",
            (ids,),
        )
    return ids


def random_observations(dice: random.Random, datastream: int, *, register: bool) -> list[Observation]:
    """Return values with repetitions, outliers, gaps and jitter; or a register that is sometimes reset."""
    found = []
    value = 100.0
    time = BEGIN
    while time < BEGIN + DAYS * DAY:
        if register:
            value = dice.choice((value + dice.randrange(20),) * 30 + (0.0,)) % 1_000
        else:
            value = dice.choice((value, dice.uniform(2, 200), dice.uniform(2, 200), -5.0))
        lag = dice.choice((1, 1, 10 * MINUTE))
        found.append(Observation(datastream, time, time + lag, value))
        time += dice.choice((STEP,) * 200 + (7 * MINUTE, 5 * HOUR, 26 * HOUR))
    return found


async def store_derived(
    connection: Connection, observations: Sequence[Observation], property: ObservedProperty
) -> None:
    terms = DatastreamPolicy.of(property, STEP)
    made = recompute_observations(observations, terms)
    id = observations[0].datastream
    await store_assessments(connection, [(id, time, flags, 1) for time, flags in made.flags_by_time.items()])
    await store_aggregates(
        connection,
        [
            aggregate_of(
                content,
                datastream=id,
                size=size,
                start=start,
                revision=1,
                interval=STEP,
                kind=property.aggregation,
            )
            for size, start, content in made.windows
        ],
    )


async def store_history(connection: Connection, dice: random.Random, property: ObservedProperty) -> list[int]:
    """Store observations of two datastreams with their aggregates; return the ids."""
    ids = await store_datastreams(connection)
    for id in ids:
        observations = random_observations(dice, id, register=property.aggregation == "counter")
        await store_observations(connection, observations)
        await store_derived(connection, observations, property)
    return ids


async def set_retention(connection: Connection, ids: list[int], **times: Instant | None) -> None:
    """Set the retention of datastreams; delete the observations that it removes."""
    async with connection.transaction():
        for id in ids:
            await connection.execute("DELETE FROM datastream_retention WHERE datastream_id = %s", (id,))
            for name, time in times.items():
                await connection.execute(
                    "INSERT INTO datastream_retention (datastream_id) VALUES (%s) ON CONFLICT DO NOTHING",
                    (id,),
                )
                assert name in {"complete_to", "raw_from", "minute_from"}
                await connection.execute(
                    f"UPDATE datastream_retention SET {name} = %s WHERE datastream_id = %s",
                    (to_datetime(time) if time is not None else None, id),
                )
        if times.get("raw_from") is not None:
            await connection.execute(
                "DELETE FROM observation WHERE phenomenon_time < %s", (to_datetime(times["raw_from"] or 0),)
            )


async def history_buckets(
    connection: Connection,
    ids: list[int],
    interval: str,
    span: tuple[Instant, Instant],
    rules: ObservedProperty,
) -> list[HistoryBucket]:
    return await buckets.read_history_buckets(
        connection,
        ids,
        *span,
        BucketInterval.parse(interval),
        ALL_AGGREGATES,
        AMSTERDAM,
        combination=rules.combination,
        fill="null",
        observed_property=rules,
    )


def assert_equal(found: list[HistoryBucket], wanted: list[HistoryBucket]) -> None:
    assert [(one.start, one.end, one.count, one.suspect, one.flags) for one in found] == [
        (one.start, one.end, one.count, one.suspect, one.flags) for one in wanted
    ]
    for bucket, exact in zip(found, wanted, strict=True):
        assert bucket.coverage == pytest.approx(exact.coverage)
        for name in ALL_AGGREGATES:
            if not name.startswith("p"):
                assert bucket.values[name] == pytest.approx(exact.values[name]), name


async def assert_percentiles(
    connection: Connection, found: list[HistoryBucket], ids: list[int], span: tuple[Instant, Instant]
) -> None:
    """Assert that each percentile is within the sketch's accuracy of its two neighbouring values."""
    for bucket in found:
        page: list[float] = []
        if bucket.count:
            raw = await read_observations(
                connection,
                ids,
                max(bucket.start, span[0]),
                min(bucket.end, span[1]),
                10_000,
                quality_rules=LEVEL.quality,
            )
            page = sorted(each.value for each in raw if is_usable(each.flags))
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            value = bucket.values[name]  # type: ignore[index]
            if not page:
                assert value is None
                continue
            place = share * (len(page) - 1)
            low, high = page[math.floor(place)], page[math.ceil(place)]
            assert value is not None
            assert low * (1 - RELATIVE_ACCURACY) <= value <= high * (1 + RELATIVE_ACCURACY)


class QueryCounter:
    """Returns SQL statements and records their names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str, **parts: str) -> bytes:
        self.names.append(name)
        return query(name, **parts)
