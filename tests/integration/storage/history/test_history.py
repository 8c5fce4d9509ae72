"""History: pages of observations in order, and buckets by elapsed time and by calendar."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from storage.database import Connection, QueryError, connect
from storage.history import buckets
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AGGREGATE_NAMES, AggregateName, HistoryBucket
from storage.history.observations import (
    ObservationCursor,
    read_datastream_ids,
    read_observations,
)
from storage.model.model_store import apply_plan, load_model
from tests.support.cities.canal_city import canal_plan
from tests.support.database.history_rows import store_observations
from twin.instant import DAY, HOUR, MINUTE, Instant, from_datetime, parse_instant
from twin.model.observation import Observation

AMSTERDAM = "Europe/Amsterdam"
SPRING = parse_instant("2026-03-29T00:00:00+01:00")
AUTUMN = parse_instant("2026-10-25T00:00:00+02:00")


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


def each(
    step: int, start: Instant, end: Instant, datastream: int = 1, value: float = 1.0
) -> list[Observation]:
    return [Observation(datastream, time, time + 1, value) for time in range(start, end, step)]


async def ask(
    connection: Connection,
    interval: str,
    start: Instant,
    end: Instant,
    *aggregates: AggregateName,
    ids: Iterable[int] = (1,),
    timezone: str = AMSTERDAM,
    **options: str,
) -> list[HistoryBucket]:
    return await buckets.read_history_buckets(
        connection,
        list(ids),
        start,
        end,
        BucketInterval.parse(interval),
        aggregates,
        timezone,
        **options,  # type: ignore[arg-type]
    )


def local(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> Instant:
    return from_datetime(datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(AMSTERDAM)))


async def test_pages_follow_each_other_without_loss_or_repetition(connection: Connection) -> None:
    stored = [one for id in (3, 1, 2) for one in each(MINUTE, AUTUMN, AUTUMN + 10 * MINUTE, id, id / 2)]
    await store_observations(connection, stored)
    found: list[Observation] = []
    after = None
    while page := await read_observations(connection, [1, 3], AUTUMN + MINUTE, AUTUMN + 9 * MINUTE, 5, after):
        assert len(page) <= 5
        found += page
        after = ObservationCursor(page[-1].phenomenon_time, page[-1].datastream)
    wanted = [one for one in stored if one.datastream != 2 and MINUTE <= one[1] - AUTUMN < 9 * MINUTE]
    assert [tuple(one) for one in found] == sorted(wanted, key=lambda one: (one[1], one[0]))


@pytest.mark.parametrize(("midnight", "hours"), [(SPRING, 23), (AUTUMN, 25)])
async def test_the_day_of_a_clock_change_has_its_own_number_of_hours(
    connection: Connection, midnight: Instant, hours: int
) -> None:
    end = midnight + hours * HOUR
    await store_observations(connection, each(10 * MINUTE, midnight - DAY, end + DAY))
    (day,) = await ask(connection, "P1D", midnight, end, "count")
    assert (day.start, day.end, day.count) == (midnight, end, 6 * hours)
    hourly = await ask(connection, "PT1H", midnight, end, "count", "mean")
    assert [one.start for one in hourly] == list(range(midnight, end, HOUR))
    assert {(one.end - one.start, one.count) for one in hourly} == {(HOUR, 6)}


async def test_24_hours_are_elapsed_time_and_a_day_is_not(connection: Connection) -> None:
    await store_observations(connection, each(HOUR, AUTUMN - DAY, AUTUMN + 3 * DAY))
    elapsed = await ask(connection, "PT24H", AUTUMN, AUTUMN + 2 * DAY, "count")
    assert {one.end - one.start for one in elapsed} == {DAY}
    days = await ask(connection, "P1D", AUTUMN, AUTUMN + 2 * DAY, "count")
    assert [one.end - one.start for one in days] == [25 * HOUR, DAY]


@pytest.mark.parametrize(
    ("interval", "start", "edges"),
    [
        ("P1W", (2026, 10, 28), [(2026, 10, 26), (2026, 11, 2)]),
        ("P1M", (2026, 10, 28), [(2026, 10, 1), (2026, 11, 1)]),
        ("P3M", (2026, 10, 28), [(2026, 10, 1), (2027, 1, 1)]),
        ("P1Y", (2026, 10, 28), [(2026, 1, 1), (2027, 1, 1)]),
    ],
)
async def test_weeks_months_and_years_begin_on_calendar_dates(
    connection: Connection, interval: str, start: tuple[int, ...], edges: list[tuple[int, ...]]
) -> None:
    begin = local(*start)
    await store_observations(connection, each(HOUR, begin, begin + DAY))
    (bucket,) = await ask(connection, interval, begin, begin + DAY, "count")
    assert [bucket.start, bucket.end] == [local(*edge) for edge in edges]
    assert bucket.values == {"count": 24.0}


async def test_every_aggregate_has_its_defined_value(connection: Connection) -> None:
    values = [3.0, 1.0, 2.0, 10.0, 4.0]
    await store_observations(
        connection,
        [Observation(1, AUTUMN + n * MINUTE, AUTUMN + DAY - n, value, n) for n, value in enumerate(values)],
    )
    (bucket,) = await ask(connection, "PT1H", AUTUMN, AUTUMN + HOUR, *AGGREGATE_NAMES)
    assert bucket.values == {
        "mean": 4.0,
        "min": 1.0,
        "max": 10.0,
        "sum": 20.0,
        "count": 5.0,
        "first": 3.0,
        "last": 4.0,
        "p50": 3.0,
        "p95": pytest.approx(8.8),
    }
    assert bucket.flags == 0 | 1 | 2 | 3 | 4


async def test_summed_datastreams_are_added_and_others_are_pooled(connection: Connection) -> None:
    await store_observations(connection, each(10 * MINUTE, AUTUMN, AUTUMN + HOUR, 1, 5.0))
    await store_observations(connection, each(30 * MINUTE, AUTUMN, AUTUMN + HOUR, 2, 1.0))
    wanted: tuple[AggregateName, ...] = ("mean", "max", "sum", "count")
    (added,) = await ask(connection, "PT1H", AUTUMN, AUTUMN + HOUR, *wanted, ids=[1, 2], combination="sum")
    assert added.values == {"mean": 6.0, "max": 6.0, "sum": 32.0, "count": 8.0}
    (pooled,) = await ask(connection, "PT1H", AUTUMN, AUTUMN + HOUR, *wanted, ids=[1, 2])
    assert pooled.values == {"mean": 4.0, "max": 5.0, "sum": 32.0, "count": 8.0}


async def test_the_mean_of_directions_is_a_direction(connection: Connection) -> None:
    await store_observations(
        connection, [Observation(1, AUTUMN + n, AUTUMN, value) for n, value in enumerate((350.0, 20.0))]
    )
    await store_observations(
        connection, [Observation(1, AUTUMN + HOUR + n, AUTUMN, 350.0 - n) for n in range(2)]
    )
    first, second = await ask(
        connection, "PT1H", AUTUMN, AUTUMN + 2 * HOUR, "mean", combination="circular_mean"
    )
    assert math.isclose(first.values["mean"] or 0, 5.0)
    assert math.isclose(second.values["mean"] or 0, 349.5)


async def test_empty_buckets_are_listed_on_request(connection: Connection) -> None:
    await store_observations(
        connection, each(HOUR, AUTUMN, AUTUMN + HOUR) + each(HOUR, AUTUMN + 3 * HOUR, AUTUMN + 4 * HOUR)
    )
    assert len(await ask(connection, "PT1H", AUTUMN, AUTUMN + 4 * HOUR, "mean")) == 2
    filled = await ask(connection, "PT1H", AUTUMN, AUTUMN + 4 * HOUR, "mean", fill="null")
    assert [one.values["mean"] for one in filled] == [1.0, None, None, 1.0]
    assert [one.count for one in filled] == [1, 0, 0, 1]


async def test_coverage_is_the_share_of_expected_observations(connection: Connection) -> None:
    await apply_plan(connection, canal_plan())
    model = await load_model(connection, "alkmaar")
    # An observation is expected every 10 minutes; the datastream existed from the start.
    water = next(one.id for one in model.datastreams.values() if one.property == "water_level")
    async with connection.transaction():
        await connection.execute("UPDATE datastream SET created_at = '2026-01-01Z'")
    await store_observations(connection, each(10 * MINUTE, AUTUMN, AUTUMN + HOUR, water))
    await store_observations(connection, each(20 * MINUTE, AUTUMN + HOUR, AUTUMN + 2 * HOUR, water))
    await store_observations(connection, each(MINUTE, AUTUMN + 3 * HOUR, AUTUMN + 4 * HOUR, water))
    hours = await ask(connection, "PT1H", AUTUMN, AUTUMN + 4 * HOUR, "mean", ids=[water], fill="null")
    assert [one.coverage for one in hours] == [1.0, 0.5, 0.0, 1.0]
    # Only the requested part of a bucket counts.
    (part,) = await ask(connection, "PT1H", AUTUMN, AUTUMN + 30 * MINUTE, "count", ids=[water])
    assert (part.count, part.coverage) == (3, 1.0)


async def test_a_datastream_is_expected_only_while_it_existed(connection: Connection) -> None:
    await apply_plan(connection, canal_plan())
    await apply_plan(connection, canal_plan(sensor_at="street"))
    await apply_plan(connection, canal_plan(sensor_at="canal"))
    ids = await read_datastream_ids(connection, "street", "water_level")
    assert len(ids) == 1
    async with connection.transaction():
        await connection.execute(
            "UPDATE datastream SET created_at = %s::timestamptz, retired_at = %s::timestamptz WHERE id = %s",
            ("2026-10-24T23:00Z", "2026-10-25T00:00Z", ids[0]),
        )
    start = parse_instant("2026-10-24T22:00:00Z")
    await store_observations(connection, each(10 * MINUTE, start + HOUR, start + 2 * HOUR, ids[0]))
    hours = await ask(connection, "PT1H", start, start + 3 * HOUR, "count", ids=ids, fill="null")
    assert [one.coverage for one in hours] == [None, 1.0, None]


async def test_an_unbounded_request_is_refused(connection: Connection) -> None:
    with pytest.raises(QueryError, match="buckets: expected at most"):
        await ask(connection, "PT1S", AUTUMN, AUTUMN + DAY, "mean")
    with pytest.raises(QueryError, match="IANA name"):
        await ask(connection, "P1D", AUTUMN, AUTUMN + DAY, "mean", timezone="Mars/Olympus")
    with pytest.raises(QueryError, match="datastreams: expected at most"):
        await read_observations(connection, range(2_000), AUTUMN, AUTUMN + DAY, 10)
    assert await ask(connection, "P1D", AUTUMN, AUTUMN, "mean") == []
