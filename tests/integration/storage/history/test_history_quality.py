"""History is calibrated and checked, also as known earlier, with counters and published values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest
import pytest_asyncio

from storage.database import Connection, connect
from storage.history import buckets
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AGGREGATE_NAMES, AggregateName, HistoryBucket
from storage.history.observations import ObservationCursor, read_observations
from storage.model.model_store import apply_plan, load_model
from tests.support.cities.canal_city import canal_plan
from tests.support.database.history_rows import store_assessments, store_observations
from twin.instant import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant, to_datetime
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_flags import QualityFlag
from twin.quality.quality_rules import TIME_RULES_ONLY

AMSTERDAM = "Europe/Amsterdam"
AUTUMN = parse_instant("2026-10-25T00:00:00+02:00")


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


def each(step: int, start: Instant, end: Instant, datastream: int, value: float) -> list[Observation]:
    return [Observation(datastream, time, time + 1, value) for time in range(start, end, step)]


async def ask(
    connection: Connection,
    interval: str,
    start: Instant,
    end: Instant,
    *aggregates: AggregateName,
    ids: Iterable[int],
) -> list[HistoryBucket]:
    return await buckets.read_history_buckets(
        connection, list(ids), start, end, BucketInterval.parse(interval), aggregates, AMSTERDAM
    )


# --- quality and calibration ---

SPIKE, STUCK = int(QualityFlag.SPIKE), int(QualityFlag.STUCK)


async def water(connection: Connection) -> int:
    """Apply the canal city, whose water level exists from the start of 2026; return its datastream."""
    await apply_plan(connection, canal_plan())
    model = await load_model(connection, "alkmaar")
    async with connection.transaction():
        await connection.execute("UPDATE datastream SET created_at = '2026-01-01Z'")
    return next(one.id for one in model.datastreams.values() if one.property == "water_level")


async def calibrate(
    connection: Connection, start: Instant, gain: float, offset: float, **known: Instant
) -> None:
    async with connection.transaction():
        await connection.execute(
            'INSERT INTO calibration (sensor_id, property, start, gain, "offset", note, created_at, '
            "retired_at) VALUES ('s1', 'water_level', %s, %s, %s, '', %s, %s)",
            (
                to_datetime(start),
                gain,
                offset,
                to_datetime(known.get("created", AUTUMN - DAY)),
                to_datetime(known["retired"]) if "retired" in known else None,
            ),
        )


async def test_values_are_calibrated_by_the_calibration_of_their_time(connection: Connection) -> None:
    id = await water(connection)
    await store_observations(connection, each(10 * MINUTE, AUTUMN, AUTUMN + HOUR, id, 2.0))
    await calibrate(connection, AUTUMN - DAY, 1.0, 0.5)
    await calibrate(connection, AUTUMN + 30 * MINUTE, 2.0, 0.0)
    page = await read_observations(connection, [id], AUTUMN, AUTUMN + HOUR, 10)
    assert [one.value for one in page] == [2.5, 2.5, 2.5, 4.0, 4.0, 4.0]
    (bucket,) = await ask(connection, "PT1H", AUTUMN, AUTUMN + HOUR, "mean", "first", "last", ids=[id])
    assert bucket.values == {"mean": 3.25, "first": 2.5, "last": 4.0}


async def test_suspect_values_are_only_counted_separately(connection: Connection) -> None:
    id = await water(connection)
    stored = each(10 * MINUTE, AUTUMN, AUTUMN + 2 * HOUR, id, 2.0)
    stored[1] = stored[1]._replace(value=99.0)  # found by judgement
    stored[2] = stored[2]._replace(value=88.0, flags=int(QualityFlag.MAINTENANCE))  # reported by the device
    await store_observations(connection, stored)
    await store_assessments(connection, [(id, stored[1].phenomenon_time, SPIKE, 1)])
    await store_assessments(connection, [(id, one.phenomenon_time, STUCK, 1) for one in stored[6:]])
    wanted: tuple[AggregateName, ...] = ("mean", "max", "sum", "count", "last", "p95")
    first, second = await ask(connection, "PT1H", AUTUMN, AUTUMN + 2 * HOUR, *wanted, ids=[id])
    assert first.values == {"mean": 2.0, "max": 2.0, "sum": 8.0, "count": 4.0, "last": 2.0, "p95": 2.0}
    assert (first.count, first.suspect, first.flags) == (4, 2, SPIKE | QualityFlag.MAINTENANCE)
    assert first.coverage == pytest.approx(4 / 6)
    assert (second.count, second.suspect, second.coverage) == (0, 6, 0.0)
    assert second.values == dict.fromkeys(wanted) | {"count": 0.0}
    page = await read_observations(connection, [id], AUTUMN, AUTUMN + HOUR, 10)
    assert [one.flags for one in page[:4]] == [0, SPIKE, int(QualityFlag.MAINTENANCE), 0]


async def test_late_and_clock_skew_follow_from_the_two_times(connection: Connection) -> None:
    id = await water(connection)  # every 10 minutes
    rules = replace(TIME_RULES_ONLY, late_after=HOUR, skew_after=30 * SECOND)
    lags = [0, 70 * MINUTE, 70 * MINUTE + 1, -30 * SECOND, -30 * SECOND - 1]
    times = [AUTUMN + n * 10 * MINUTE for n in range(len(lags))]
    await store_observations(
        connection, [Observation(id, time, time + lag, 1.0) for time, lag in zip(times, lags, strict=True)]
    )
    page = await read_observations(connection, [id], AUTUMN, AUTUMN + HOUR, 10, quality_rules=rules)
    late, ahead = int(QualityFlag.LATE), int(QualityFlag.CLOCK_SKEW)
    assert [one.flags for one in page] == [0, 0, late, 0, ahead]
    level = replace(BUILT_IN_PROPERTIES["water_level"], quality=rules)
    (bucket,) = await buckets.read_history_buckets(
        connection,
        [id],
        AUTUMN,
        AUTUMN + HOUR,
        BucketInterval.parse("PT1H"),
        ["count"],
        "UTC",
        observed_property=level,
    )
    assert (bucket.count, bucket.flags) == (5, late | ahead)


# --- as it was known ---


async def test_history_can_be_read_as_it_was_known(connection: Connection) -> None:
    id = await water(connection)
    first, second, third = AUTUMN + HOUR, AUTUMN + 2 * HOUR, AUTUMN + 3 * HOUR
    other = AUTUMN + 10 * MINUTE
    await store_observations(
        connection, [Observation(id, AUTUMN, second, 5.0), Observation(id, other, first, 1.0)]
    )
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO superseded_observation (datastream_id, phenomenon_time, received_time, "
            "superseded_time, value, flags) VALUES (%s, %s, %s, %s, 3.0, 0), (%s, %s, %s, %s, 4.0, 0)",
            (
                id,
                *map(to_datetime, (AUTUMN, first, second)),
                id,
                *map(to_datetime, (AUTUMN, first + 1, second)),
            ),
        )
    await store_assessments(connection, [(id, other, SPIKE, second)])
    await calibrate(connection, AUTUMN - DAY, 1.0, 100.0, created=third)
    asked: list[tuple[Instant | None, list[float], float | None]] = [
        (first - 1, [], None),
        (first, [3.0, 1.0], 2.0),
        (first + 1, [4.0, 1.0], 2.5),
        (second, [5.0, 1.0], 5.0),  # the correction is in, and the other one was judged
        (third, [105.0, 101.0], 105.0),
        (None, [105.0, 101.0], 105.0),
    ]
    for known_at, values, mean in asked:
        page = await read_observations(connection, [id], AUTUMN, AUTUMN + HOUR, 10, known_at=known_at)
        assert [one.value for one in page] == values
        found = await buckets.read_history_buckets(
            connection,
            [id],
            AUTUMN,
            AUTUMN + HOUR,
            BucketInterval.parse("PT1H"),
            ["mean"],
            "UTC",
            fill="null",
            known_at=known_at,
        )
        assert [one.values["mean"] for one in found] == [mean]
    page = await read_observations(
        connection, [id], AUTUMN, AUTUMN + HOUR, 10, ObservationCursor(AUTUMN, id), known_at=first
    )
    assert [one.value for one in page] == [1.0]


async def test_a_retired_calibration_was_known_until_its_retirement(connection: Connection) -> None:
    id = await water(connection)
    await store_observations(connection, [Observation(id, AUTUMN, AUTUMN, 1.0)])
    await calibrate(connection, AUTUMN - DAY, 1.0, 10.0, created=AUTUMN, retired=AUTUMN + DAY)
    for known_at, value in ((AUTUMN, 11.0), (AUTUMN + DAY - 1, 11.0), (AUTUMN + DAY, 1.0), (None, 1.0)):
        (one,) = await read_observations(connection, [id], AUTUMN, AUTUMN + HOUR, 10, known_at=known_at)
        assert one.value == value


# --- counters ---


async def test_the_sum_of_a_counter_is_its_increase_over_resets_and_wraps(connection: Connection) -> None:
    readings = [
        (-10, 990.0),
        (10, 995.0),
        (30, 4.0),
        (50, 9.0),
        (70, 12.0),
        (75, 500.0),
        (80, 13.0),
        (130, 1.0),
    ]
    await store_observations(
        connection,
        [Observation(1, AUTUMN + at * MINUTE, AUTUMN + at * MINUTE, value) for at, value in readings],
    )
    await store_assessments(connection, [(1, AUTUMN + 75 * MINUTE, SPIKE, 1)])
    register = replace(BUILT_IN_PROPERTIES["energy_import"], name="revolutions", wraps_at=1000.0)
    found = await buckets.read_history_buckets(
        connection,
        [1],
        AUTUMN,
        AUTUMN + 3 * HOUR,
        BucketInterval.parse("PT1H"),
        ["sum", "mean", "first", "last", "p50"],
        "UTC",
        combination="sum",
        observed_property=register,
    )
    # 990 → 995 → wrap to 4 → 9; 12, then a spike that is ignored, 13; then a reset.
    assert [one.values["sum"] for one in found] == [5.0 + 9.0 + 5.0, 3.0 + 1.0, 1.0]
    assert [(one.values["first"], one.values["last"]) for one in found] == [
        (995.0, 9.0),
        (12.0, 13.0),
        (1.0, 1.0),
    ]
    assert {one.values["mean"] for one in found} == {one.values["p50"] for one in found} == {None}


# --- published values ---


async def test_published_values_have_their_own_history(connection: Connection) -> None:
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO entity_value (entity_id, name, phenomenon_time, value, flags, count, revision) "
            "VALUES ('overdie', %s, %s, %s, %s, 12, 1)",
            [("power_import", to_datetime(AUTUMN + (n + 1) * 10 * MINUTE), float(n), 0) for n in range(4)]
            + [("power_import", to_datetime(AUTUMN + 50 * MINUTE), 1e6, SPIKE)]
            + [("lki", to_datetime(AUTUMN), 3.0, 0)],
        )
    (bucket,) = await buckets.read_published_buckets(
        connection,
        "overdie",
        "power_import",
        AUTUMN,
        AUTUMN + HOUR,
        BucketInterval.parse("PT1H"),
        AGGREGATE_NAMES,
        AMSTERDAM,
        expected=10 * MINUTE,
        at_end=True,
    )
    assert (bucket.count, bucket.suspect) == (4, 1)
    assert bucket.coverage == pytest.approx(4 / 6)
    assert bucket.values["mean"] == 1.5
    assert bucket.values["sum"] == 6.0
    assert bucket.values["p50"] == 1.5
