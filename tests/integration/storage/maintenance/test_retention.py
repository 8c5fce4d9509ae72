"""Retention removes old rows by property, after coarser ones exist; the ledger still balances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from storage.database import Connection, QueryError, connect
from storage.history import buckets
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import HistoryBucket
from storage.history.observations import read_observations
from storage.maintenance.repair import prepare_repairs
from storage.maintenance.retention import RemovedRows, apply_retention, retention_cutoffs, run_retention
from storage.model.model_store import apply_plan, load_model
from storage.queries import query
from storage.settings import HistorianSettings
from tests.support.cities.canal_city import canal_plan
from tests.support.database.historian import until_true
from tests.support.database.history_rows import store_assessments, store_observations
from tests.support.database.role_accounts import role_dsn, work_as
from twin.instant import DAY, HOUR, MINUTE, Instant, from_datetime, parse_instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES, Retention
from twin.quality.quality_rules import TIME_RULES_ONLY

AMSTERDAM = "Europe/Amsterdam"
NOW = parse_instant("2026-11-05T10:20:30Z")
BEGIN = parse_instant("2026-09-25T22:00:00Z")
SETTINGS = HistorianSettings()
STEP = 30 * MINUTE


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def city(connection: Connection, **kept: Retention) -> tuple[CityModel, dict[str, int]]:
    """Apply the canal city with other retentions, without rules; return it and its datastreams."""
    await apply_plan(connection, canal_plan())
    await work_as(connection, "historian")
    await prepare_repairs(connection)
    model = await load_model(connection, "alkmaar")
    await connection.commit()
    properties = {
        name: replace(property, retention=kept[name], quality=TIME_RULES_ONLY) if name in kept else property
        for name, property in model.properties.items()
    }
    model = replace(model, properties=properties)
    return model, {one.property: one.id for one in model.datastreams.values()}


async def value(connection: Connection, statement: str, *parameters: object) -> Any:
    async with connection.transaction():
        row = await (await connection.execute(statement, parameters)).fetchone()
    return row[0] if row is not None else None


def each(id: int, start: Instant = BEGIN, end: Instant = NOW) -> list[Observation]:
    return [Observation(id, time, time + 1, float(time // HOUR % 7)) for time in range(start, end, STEP)]


async def oldest(connection: Connection, id: int) -> Instant:
    found = await value(
        connection, "SELECT min(phenomenon_time) FROM observation WHERE datastream_id = %s", id
    )
    return from_datetime(found)


async def test_removed_single_values_are_refused_and_not_shown_as_absent(
    connection: Connection,
) -> None:
    model, ids = await city(connection, water_level=Retention(raw=10 * DAY))
    await store_observations(connection, each(ids["water_level"]))
    assert await apply_retention(connection, model, SETTINGS, NOW) is not None
    kept_from = NOW - NOW % HOUR - 10 * DAY
    with pytest.raises(QueryError, match=r"before 2026-10-26T10:00:00Z were removed"):
        await read_observations(connection, [ids["water_level"]], kept_from - DAY, NOW, 10)
    assert len(await read_observations(connection, [ids["water_level"]], kept_from, NOW, 10)) == 10


async def test_each_property_is_kept_as_long_as_configured(connection: Connection) -> None:
    model, ids = await city(connection, water_level=Retention(raw=10 * DAY), depth=Retention(raw=30 * DAY))
    level, depth, power = ids["water_level"], ids["depth"], ids["power_import"]
    for id in (level, depth, power):
        await store_observations(connection, each(id))
    await store_assessments(connection, [(level, BEGIN, 16, 1)])
    before = await value(connection, "SELECT count(*) FROM observation")
    removed = await apply_retention(connection, model, SETTINGS, NOW)
    assert removed is not None
    hour = NOW - NOW % HOUR
    assert await oldest(connection, level) == hour - 10 * DAY
    assert await oldest(connection, depth) == hour - 30 * DAY
    assert await oldest(connection, power) == hour - 7 * DAY  # of a household
    after = await value(connection, "SELECT count(*) FROM observation")
    assert removed.observations == before - after
    assert await value(connection, "SELECT observations FROM ledger_removed") == before - after
    assert await value(connection, "SELECT count(*) FROM assessment") == 0
    assert await apply_retention(connection, model, SETTINGS, NOW) == RemovedRows()


async def test_chunks_older_than_all_limits_are_dropped_and_counted(connection: Connection) -> None:
    model, ids = await city(connection, water_level=Retention(raw=10 * DAY), depth=Retention(raw=10 * DAY))
    for id in ids.values():
        await store_observations(connection, each(id))
    before = await value(connection, "SELECT count(*) FROM observation")
    await apply_retention(connection, model, SETTINGS, NOW)
    chunks = (
        "SELECT min(range_start) FROM timescaledb_information.chunks WHERE hypertable_name = 'observation'"
    )
    assert await value(connection, chunks) == to_datetime(NOW - 10 * DAY).replace(hour=0, minute=0, second=0)
    after = await value(connection, "SELECT count(*) FROM observation")
    assert await value(connection, "SELECT observations FROM ledger_removed") == before - after > 0


async def test_history_is_the_same_before_and_after_retention(connection: Connection) -> None:
    model, ids = await city(connection, water_level=Retention(raw=10 * DAY))
    level = ids["water_level"]
    await store_observations(connection, each(level))

    async def hourly(interval: str = "PT1H") -> list[HistoryBucket]:
        return await buckets.read_history_buckets(
            connection,
            [level],
            BEGIN,
            NOW,
            BucketInterval.parse(interval),
            ["mean", "min", "max", "sum", "first", "last"],
            AMSTERDAM,
            observed_property=model.properties["water_level"],
            day_zone=AMSTERDAM,
        )

    hours, days = await hourly(), await hourly("P1D")
    await apply_retention(connection, model, SETTINGS, NOW)
    assert [(one.start, one.count) for one in await hourly()] == [(one.start, one.count) for one in hours]
    for found, wanted in zip(await hourly("P1D"), days, strict=True):
        assert (found.start, found.end, found.count) == (wanted.start, wanted.end, wanted.count)
        assert found.values == pytest.approx(wanted.values)


async def test_days_are_computed_from_hours_between_midnights_of_the_city(connection: Connection) -> None:
    kept = Retention(raw=DAY, minute=DAY, hour=2 * DAY)
    model, ids = await city(connection, water_level=kept)
    level = ids["water_level"]
    await store_observations(connection, each(level))

    async def days() -> list[HistoryBucket]:
        return await buckets.read_history_buckets(
            connection,
            [level],
            BEGIN,
            NOW,
            BucketInterval.parse("P1D"),
            ["mean", "min", "max", "sum", "first", "last"],
            AMSTERDAM,
            observed_property=model.properties["water_level"],
            day_zone=AMSTERDAM,
        )

    wanted = await days()
    assert 25 * HOUR in {one.end - one.start for one in wanted}
    await apply_retention(connection, model, SETTINGS, NOW)
    assert await value(connection, "SELECT count(*) FROM aggregate_day") == 38
    assert await value(connection, "SELECT min(start) FROM aggregate_hour") == to_datetime(
        parse_instant("2026-11-03T00:00:00+01:00")
    )
    for found, exact in zip(await days(), wanted, strict=True):
        assert (found.start, found.end, found.count) == (exact.start, exact.end, exact.count)
        assert found.values == pytest.approx(exact.values)
    with pytest.raises(QueryError, match="only days are kept"):
        await buckets.read_history_buckets(
            connection,
            [level],
            BEGIN,
            NOW,
            BucketInterval.parse("PT1H"),
            ["mean"],
            AMSTERDAM,
            day_zone=AMSTERDAM,
        )
    await apply_retention(connection, model, SETTINGS, NOW)
    assert await value(connection, "SELECT count(*) FROM aggregate_day") == 38


async def test_rows_that_wait_for_a_repair_stay(connection: Connection) -> None:
    model, ids = await city(connection, water_level=Retention(raw=10 * DAY))
    level = ids["water_level"]
    await store_observations(connection, each(level))
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO repair_request VALUES (%s, %s, 'log', 0, 7, now())",
            (level, to_datetime(BEGIN + DAY)),
        )
    await apply_retention(connection, model, SETTINGS, NOW)
    assert await oldest(connection, level) == BEGIN + DAY


async def test_payloads_are_removed_before_headers_and_quarantine_without_open_requests(
    connection: Connection,
) -> None:
    model, _ = await city(connection)
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO message_batch VALUES (%s, %s, %s, 0, 'log', '', '', 'payloads')",
            [(to_datetime(NOW - age * DAY), to_datetime(NOW - age * DAY), age) for age in (1, 6, 8, 80)],
        )
        await cursor.executemany(
            "INSERT INTO quarantine (id, feed, topic, received_time, reason, detail, payload, payload_bytes, "
            "payload_sha256, replay_requested_at) VALUES (%s, '', '', %s, '', '', '', 0, '', %s)",
            [
                ("new", to_datetime(NOW - 29 * DAY), None),
                ("old", to_datetime(NOW - 31 * DAY), None),
                ("asked", to_datetime(NOW - 31 * DAY), to_datetime(NOW)),
            ],
        )
    removed = await apply_retention(connection, model, SETTINGS, NOW)
    assert removed == RemovedRows(payloads=2, messages=1)
    left = "SELECT array_agg(log_offset ORDER BY log_offset) FROM message_batch"
    assert await value(connection, left) == [1, 6, 8, 80]
    assert await value(connection, left + " WHERE payloads IS NOT NULL") == [1, 6]
    assert await value(connection, "SELECT array_agg(id ORDER BY id) FROM quarantine") == ["asked", "new"]


async def test_one_process_at_a_time_applies_retention(connection: Connection, database: str) -> None:
    model, _ = await city(connection)
    async with await connect(database, role="other") as other:
        await other.execute(query("maintenance/retention/lock_retention"))
        await other.commit()
        assert await apply_retention(connection, model, SETTINGS, NOW) is None
    removed: list[RemovedRows | None] = []

    async def alone() -> bool:
        removed.append(await apply_retention(connection, model, SETTINGS, NOW))
        return removed[-1] is not None

    # The server releases the lock after it has noticed the lost connection.
    await until_true(alone)
    assert removed[-1] == RemovedRows()


async def test_minutes_are_removed_after_their_time_and_those_of_households_after_seven_days(
    connection: Connection,
) -> None:
    model, ids = await city(connection, water_level=Retention(raw=DAY, minute=20 * DAY))
    async with connection.transaction():
        for table, step in (("aggregate_minute", "1 hour"), ("aggregate_ten_minutes", "1 day")):
            await connection.execute(
                f"INSERT INTO {table} SELECT time, 1, 1, 1, 1, 1, 1, 1, 1, id, 1, 0, 0, '' "
                f"FROM generate_series(%s::timestamptz, %s, interval '{step}') AS time, "
                "unnest(%s::integer[]) AS id",
                (to_datetime(BEGIN), to_datetime(NOW), [ids["water_level"], ids["power_import"]]),
            )
    removed = await apply_retention(connection, model, SETTINGS, NOW)
    assert removed is not None
    assert removed.aggregates > 0
    first = "SELECT min(start) FROM aggregate_minute WHERE datastream_id = %s"
    assert from_datetime(await value(connection, first, ids["water_level"])) >= NOW - NOW % HOUR - 20 * DAY
    assert from_datetime(await value(connection, first, ids["power_import"])) == NOW - NOW % HOUR - 7 * DAY
    since = "SELECT minute_from FROM datastream_retention WHERE datastream_id = %s"
    assert from_datetime(await value(connection, since, ids["power_import"])) == NOW - NOW % HOUR - 7 * DAY


async def test_the_task_applies_retention_when_it_starts(connection: Connection, database: str) -> None:
    model, ids = await city(connection, water_level=Retention(raw=10 * DAY))
    await store_observations(connection, each(ids["water_level"]))
    settings = HistorianSettings(database=SecretStr(role_dsn(database, "historian")))
    task = asyncio.create_task(run_retention(settings, lambda: model, lambda: NOW))

    async def removed() -> bool:
        return await oldest(connection, ids["water_level"]) == NOW - NOW % HOUR - 10 * DAY

    try:
        await until_true(removed)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_coarser_aggregates_are_kept_longer_and_household_values_shorter() -> None:
    long = replace(
        BUILT_IN_PROPERTIES["water_level"], retention=Retention(raw=100 * DAY, minute=DAY, hour=DAY)
    )
    settled = NOW - NOW % HOUR
    asked: dict[str, Any] = {"now": NOW, "complete_to": settled, "zone": AMSTERDAM}
    cuts = retention_cutoffs(1, long, personal_max=None, **asked)
    hour = to_datetime(NOW - 100 * DAY).replace(minute=0, second=0)
    assert cuts.raw == cuts.minute == from_datetime(hour)
    assert from_datetime(hour - timedelta(days=1)) < cuts.hour <= cuts.raw
    personal = retention_cutoffs(1, long, personal_max=7 * DAY, **asked)
    assert personal.raw == personal.minute == settled - 7 * DAY
    unsure = retention_cutoffs(1, long, personal_max=None, **{**asked, "complete_to": NOW - 200 * DAY})
    assert unsure.raw == NOW - 200 * DAY
