"""Hours with late observations or changed corrections are recomputed from raw observations."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from storage.database import Connection, connect
from storage.maintenance.recompute import process_recompute_requests, recompute_hours, recompute_observations
from storage.maintenance.repair import prepare_repairs, repair_hours, run_repairs
from storage.model.model_store import apply_plan, load_model
from storage.stores.log_positions import AGGREGATE_PROGRESS, move_positions, read_positions
from storage.stores.recomputes import read_recomputes
from tests.support.cities.canal_city import canal_plan
from tests.support.database.historian import until_true
from tests.support.database.history_rows import store_assessments, store_observations
from tests.support.database.role_accounts import as_owner, role_dsn, work_as
from tests.support.database.sent_repairs import SentRepairs
from twin.instant import DAY, HOUR, MINUTE, Instant, from_datetime, parse_instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_flags import QualityFlag
from twin.quality.quality_rules import QualityRules, SpikeRule, StuckRule

NOON = parse_instant("2026-06-01T12:00:00Z")
LEVEL = replace(
    BUILT_IN_PROPERTIES["water_level"],
    quality=QualityRules(
        spike=SpikeRule(deviation_min=20), stuck=StuckRule(count=8, duration_min=2 * HOUR), rate_max=1.0
    ),
)
PROPERTIES = {**BUILT_IN_PROPERTIES, "water_level": LEVEL}
STEP = 10 * MINUTE


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def water(connection: Connection) -> int:
    await apply_plan(connection, canal_plan())
    await work_as(connection, "historian")
    await prepare_repairs(connection)
    model = await load_model(connection, "alkmaar")
    return next(one.id for one in model.datastreams.values() if one.property == "water_level")


async def rows(connection: Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    async with connection.transaction():
        return await (await connection.execute(statement, parameters)).fetchall()


async def hours(connection: Connection) -> dict[Instant, tuple[int, int, float | None]]:
    found = await rows(connection, "SELECT start, count, suspect, mean FROM aggregate_hour")
    return {from_datetime(start): (count, suspect, mean) for start, count, suspect, mean in found}


async def stored_flags(connection: Connection) -> dict[Instant, int]:
    found = await rows(connection, "SELECT phenomenon_time, flags FROM assessment WHERE flags <> 0")
    return {from_datetime(time): flags for time, flags in found}


async def ask(connection: Connection, datastream: int, hour: Instant, offset: int, log: str = "log") -> None:
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO repair_request (datastream_id, start, log_id, partition, log_offset, requested_at) "
            "VALUES (%s, %s, %s, 2, %s, %s)",
            (datastream, to_datetime(hour), log, offset, to_datetime(NOON + DAY)),
        )


def measured(datastream: int, seed: int, count: int) -> list[Observation]:
    dice = random.Random(seed)
    value, found, time = 50.0, [], NOON
    for _ in range(count):
        value = dice.choice((*(value,) * 8, value + dice.uniform(-3, 3), dice.uniform(0, 200)))
        found.append(Observation(datastream, time, time + MINUTE, value))
        time += dice.choice((STEP, STEP, STEP, 3 * STEP))
    return found


@pytest.mark.parametrize("seed", range(5))
async def test_a_repaired_hour_equals_one_without_late_observations(
    connection: Connection, seed: int
) -> None:
    id = await water(connection)
    observations = measured(id, seed, 300)
    await store_observations(connection, observations)
    wanted = recompute_observations(observations, DatastreamPolicy.of(LEVEL, STEP))
    assert any(flags & QualityFlag.STUCK for flags in wanted.flags_by_time.values())
    assert any(flags & QualityFlag.SPIKE for flags in wanted.flags_by_time.values())
    by_hour = {start: content for size, start, content in wanted.windows if size == HOUR}
    for hour in random.Random(seed).sample(sorted(by_hour), 8):
        async with connection.transaction():
            await recompute_hours(connection, PROPERTIES, id, (hour, hour + HOUR), 1)
        content = by_hour[hour]
        count, suspect, mean = (await hours(connection))[hour]
        assert (count, suspect) == (content.count, content.suspect)
        assert mean == pytest.approx(content.mean("mean"))
    expected_flags = {time: flags for time, flags in wanted.flags_by_time.items() if flags}
    assert (await stored_flags(connection)).items() <= expected_flags.items()
    for hour in sorted(by_hour):
        async with connection.transaction():
            await recompute_hours(connection, PROPERTIES, id, (hour, hour + HOUR), 1)
    assert await stored_flags(connection) == expected_flags
    assert {start: one[:2] for start, one in (await hours(connection)).items()} == {
        start: (content.count, content.suspect) for start, content in by_hour.items()
    }


async def test_a_late_observation_changes_later_assessments_too(connection: Connection) -> None:
    id = await water(connection)
    # A step that looked like an outlier while the values before it were missing.
    calm = [Observation(id, NOON + n * STEP, NOON + n * STEP, float(n % 2)) for n in range(40)]
    step = [one._replace(value=100.0 + one.value) for one in calm[30:]]
    await store_observations(connection, calm[:29] + step)
    await store_assessments(connection, [(id, step[0].phenomenon_time, int(QualityFlag.SPIKE), 77)])
    await store_observations(connection, [calm[29]._replace(value=50.0)])
    await ask(connection, id, NOON + 4 * HOUR, 5)
    await write(connection, "log", 6)
    assert await repair_hours(connection, PROPERTIES) == 1
    assert await rows(connection, "SELECT * FROM repair_request") == []
    expected = recompute_observations(
        [*calm[:29], calm[29]._replace(value=50.0), *step], DatastreamPolicy.of(LEVEL, STEP)
    ).flags_by_time
    assert await stored_flags(connection) == {
        time: flags for time, flags in expected.items() if flags and time >= NOON + 4 * HOUR
    }
    revisions = await rows(connection, "SELECT DISTINCT revision FROM aggregate_hour")
    assert revisions == [(NOON + DAY,)]  # log time of the request


async def write(
    connection: Connection, log: str, offset: int, topic: str = "observations", partition: int = 2
) -> None:
    async with connection.transaction():
        before = await read_positions(connection, log)
        assert await move_positions(connection, log, before, {(topic, partition): offset})


async def test_a_repair_waits_until_its_observations_are_stored(connection: Connection) -> None:
    id = await water(connection)
    await write(connection, "log", 5)
    await ask(connection, id, NOON, 5)
    assert await repair_hours(connection, PROPERTIES) == 0
    await write(connection, "log", 6)
    assert await repair_hours(connection, PROPERTIES) == 1


async def test_a_repair_of_an_older_log_is_ready(connection: Connection) -> None:
    id = await water(connection)
    await write(connection, "log", 5)
    await ask(connection, id, NOON, 100, log="older")
    assert await repair_hours(connection, PROPERTIES) == 1


@pytest.mark.parametrize("partition", [2, 3])
async def test_a_repair_of_an_older_log_waits_for_the_observations_of_newer_windows(
    connection: Connection, partition: int
) -> None:
    """Else a window of the present log is replaced by one of fewer observations; partitions may be others."""
    id = await water(connection)
    await write(connection, "log", 5, AGGREGATE_PROGRESS, partition)
    await ask(connection, id, NOON, 100, log="older")
    assert await repair_hours(connection, PROPERTIES) == 0
    await write(connection, "log", 4, partition=partition)
    assert await repair_hours(connection, PROPERTIES) == 0
    await write(connection, "log", 5, partition=partition)
    assert await repair_hours(connection, PROPERTIES) == 1


async def test_revisions_only_rise(connection: Connection) -> None:
    id = await water(connection)
    await store_observations(connection, [Observation(id, NOON, NOON, 1.0)])
    for wanted in (7, 8, 9):
        async with connection.transaction():
            await recompute_hours(connection, PROPERTIES, id, (NOON, NOON + HOUR), 7)
        assert await rows(connection, "SELECT revision FROM aggregate_hour") == [(wanted,)]


async def test_a_partly_removed_hour_keeps_its_aggregate(connection: Connection) -> None:
    id = await water(connection)
    observations = measured(id, 1, 50)
    await store_observations(connection, observations)
    async with connection.transaction():
        await recompute_hours(connection, PROPERTIES, id, (NOON, NOON + HOUR), 1)
    before = await hours(connection)
    async with connection.transaction():
        await connection.execute(
            "DELETE FROM observation WHERE phenomenon_time < %s", (to_datetime(NOON + HOUR),)
        )
        await connection.execute(
            "INSERT INTO datastream_retention (datastream_id, raw_from) VALUES (%s, %s)",
            (id, to_datetime(NOON + HOUR)),
        )
    await store_observations(connection, [Observation(id, NOON + MINUTE, NOON + DAY, 1.0)])
    # An hour that the stream never received can be computed as well.
    await store_observations(connection, [Observation(id, NOON - DAY, NOON + DAY, 1.0)])
    for start in (NOON, NOON - DAY):
        async with connection.transaction():
            await recompute_hours(connection, PROPERTIES, id, (start, start + HOUR), 1)
    after = await hours(connection)
    assert after[NOON] == before[NOON]
    assert after[NOON - DAY] == (1, 0, 1.0)


async def test_a_changed_calibration_is_recomputed_in_parts(connection: Connection) -> None:
    id = await water(connection)
    observations = [
        Observation(id, NOON + day * 40 * DAY + n * STEP, NOON, 1.0 + n % 2 * 2)
        for day in (0, 1, 2)
        for n in range(6)
    ]
    await store_observations(connection, observations)
    async with as_owner(connection), connection.transaction():
        await connection.execute(
            'INSERT INTO calibration (sensor_id, property, start, gain, "offset", note) '
            "VALUES ('s1', 'water_level', %s, 3.0, 0.5, '')",
            (to_datetime(NOON + DAY),),
        )
        await connection.execute(
            "INSERT INTO recompute_request (sensor_id, property, start) VALUES ('s1', 'water_level', %s)",
            (to_datetime(NOON),),
        )
    model = replace(canal_plan().model(1), properties=PROPERTIES)
    for _ in range(10):
        if not await process_recompute_requests(connection, model, NOON + 200 * DAY):
            break
    assert await rows(connection, "SELECT 1 FROM recompute_request WHERE done_at IS NULL") == []
    assert {start: mean for start, (_, _, mean) in (await hours(connection)).items()} == {
        NOON: 2.0,
        NOON + 40 * DAY: 6.5,
        NOON + 80 * DAY: 6.5,
    }


async def test_values_during_maintenance_are_excluded(connection: Connection) -> None:
    id = await water(connection)
    await store_observations(connection, [Observation(id, NOON + n * STEP, NOON, float(n)) for n in range(6)])
    async with as_owner(connection), connection.transaction():
        await connection.execute(
            "INSERT INTO maintenance (sensor_id, start, \"end\", note) VALUES ('s1', %s, %s, '')",
            (to_datetime(NOON + STEP), to_datetime(NOON + 3 * STEP)),
        )
    async with connection.transaction():
        await recompute_hours(connection, PROPERTIES, id, (NOON, NOON + HOUR), 1)
    assert (await hours(connection))[NOON] == (4, 2, 3.0)
    assert set((await stored_flags(connection)).values()) == {int(QualityFlag.MAINTENANCE)}


async def test_the_task_processes_requests_that_arrive_while_it_runs(
    database: str, connection: Connection
) -> None:
    id = await water(connection)
    model: CityModel = await load_model(connection, "alkmaar")
    await connection.commit()
    await store_observations(connection, [Observation(id, NOON, NOON, 1.0)])
    task = asyncio.create_task(
        run_repairs(role_dsn(database, "historian"), lambda: model, SentRepairs(), lambda: NOON + DAY)
    )
    try:
        await write(connection, "log", 9)
        await ask(connection, id, NOON, 5)

        async def repaired() -> bool:
            return NOON in await hours(connection)

        await until_true(repaired)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_changed_quality_rules_judge_what_is_stored_and_show_their_progress(
    connection: Connection,
) -> None:
    id = await water(connection)
    times = [NOON + day * DAY + n * STEP for day in range(40) for n in range(6)]
    await store_observations(connection, [Observation(id, time, time, 1.5) for time in times])
    depth = canal_plan().properties[0]
    stricter = replace(LEVEL, quality=QualityRules(maximum=1.0))
    async with as_owner(connection):
        await apply_plan(connection, replace(canal_plan(), properties=(depth, stricter)))
    model = await load_model(connection, "alkmaar")
    await connection.commit()
    now = NOON + 40 * DAY
    assert await process_recompute_requests(connection, replace(model, version=1), now) == 0
    (waiting,) = await read_recomputes(connection, 10)
    assert (waiting.reason, waiting.property, waiting.sensors, waiting.share) == (
        "quality",
        "water_level",
        1,
        0.0,
    )
    await process_recompute_requests(connection, model, now)
    (half,) = await read_recomputes(connection, 10)
    assert 0.5 < half.share < 1.0, half
    while await process_recompute_requests(connection, model, now):
        pass
    (finished,) = await read_recomputes(connection, 10)
    assert (finished.share, finished.finished) == (1.0, 1)
    assert finished.finished_at is not None
    assert await stored_flags(connection) == dict.fromkeys(times, int(QualityFlag.OUT_OF_RANGE))
    assert {one[:2] for one in (await hours(connection)).values()} == {(0, 6)}


async def test_windows_of_a_run_follow_verdicts_that_are_stored_already(connection: Connection) -> None:
    id = await water(connection)
    run = [Observation(id, NOON + n * STEP, NOON + n * STEP, 5.0) for n in range(6 * 5)]
    await store_observations(connection, run)
    async with connection.transaction():
        await recompute_hours(connection, PROPERTIES, id, (NOON, NOON + HOUR), 1)
    expected = await hours(connection)
    assert {suspect for _, suspect, _ in expected.values()} == {6}
    # The stream, which did not have the end of the run yet, emitted its hours again.
    async with connection.transaction():
        await connection.execute(
            "UPDATE aggregate_hour SET count = 6, suspect = 0, flags = 0, mean = 5, revision = 9"
        )
    async with connection.transaction():
        await recompute_hours(connection, PROPERTIES, id, (NOON, NOON + HOUR), 1)
    assert await hours(connection) == expected
