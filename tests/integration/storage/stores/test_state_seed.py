"""A new log begins with what storage knows of the observations before those that it reads.

A restart does not make a stuck sensor healthy, and a bad value no last good one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from runtime.kafka import topics
from storage.database import Connection, connect
from storage.model.model_store import apply_plan, load_model
from storage.stores.state_seed import read_state_seed
from stream.engine.stage_seed import stage_seed_of
from tests.support.cities.canal_city import canal_plan
from tests.support.cities.city_builder import CityBuilder
from tests.support.database.history_rows import store_assessments, store_observations
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.instant import DAY, HOUR, MINUTE, parse_instant
from twin.model.calibration import Calibration
from twin.model.city_model import CityModel
from twin.model.observation import LastGoodValue, Observation
from twin.quality.quality_flags import STUCK_FOUND_LATER, QualityFlag, is_usable
from twin.state.datastream_history import assess_history
from twin.state.datastream_state import SEED_MAX
from twin.wire.messages import AGGREGATES, UPDATES

NOON = parse_instant("2026-06-01T12:00:00Z")
STEP = 10 * MINUTE


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


def four_days(datastream: int) -> list[Observation]:
    """Return a day of changing levels and four days of one level."""
    changing = [
        Observation(datastream, NOON - n * STEP, NOON - n * STEP, -0.5 + n % 5 / 100) for n in range(1, 145)
    ]
    times = range(NOON, NOON + 4 * DAY, STEP)
    return [*reversed(changing), *(Observation(datastream, time, time, -0.4) for time in times)]


async def store(connection: Connection, calibrations: tuple[Calibration, ...] = ()) -> tuple[CityModel, int]:
    """Store the days, and what the stream found in them; return the model and the datastream."""
    await apply_plan(connection, canal_plan(calibrations=calibrations))
    model = await load_model(connection, "alkmaar")
    (datastream,) = model.datastreams_of("canal", "water_level")
    observations = four_days(datastream.id)
    await store_observations(connection, observations)
    found = assess_history(observations, model.policy_of(datastream))
    await store_assessments(connection, [(one[0], one[1], one.flags, 1) for one in found if one.flags])
    await connection.commit()
    return model, datastream.id


async def restarted(connection: Connection, model: CityModel) -> StagePipeline:
    seed = stage_seed_of(await read_state_seed(connection, "log-2", SEED_MAX, model))
    return StagePipeline(model, partitions=1, knowledge=seed, log="log-2")


def corrected(level: float) -> tuple[Calibration, ...]:
    """Return a calibration that begins inside the run."""
    return (Calibration(sensor="s1", property="water_level", start=NOON + 4 * DAY - 2 * HOUR, offset=level),)


@pytest.mark.parametrize("calibrations", [(), corrected(0.1)])
async def test_a_stuck_sensor_stays_suspect_over_a_restart(
    connection: Connection, calibrations: tuple[Calibration, ...]
) -> None:
    model, id = await store(connection, calibrations)
    pipeline = await restarted(connection, model)
    (first,) = [
        update
        for record in pipeline.records[topics.UPDATES, 0]
        for update in UPDATES.decode(record).updates
        if id in update.datastreams
    ]
    assert first.flags & QualityFlag.STUCK
    assert first.last_good == LastGoodValue(-0.49, NOON - STEP)
    end = NOON + 4 * DAY
    for number in range(60):
        time = end + number * STEP
        pipeline.observe(Observation(id, time, time, -0.4))
    pipeline.advance(end + 61 * STEP, MINUTE)
    windows = [
        one
        for record in pipeline.records[topics.AGGREGATES, 0]
        for one in AGGREGATES.decode(record).aggregates
        if one.start >= end
    ]
    assert windows
    assert {one.count for one in windows} == {0}


async def test_a_run_that_becomes_stuck_after_a_restart_is_repaired_from_its_beginning(
    connection: Connection,
) -> None:
    await apply_plan(connection, canal_plan())
    model = await load_model(connection, "alkmaar")
    (datastream,) = model.datastreams_of("canal", "water_level")
    begin = NOON + 20 * HOUR
    await store_observations(connection, [one for one in four_days(datastream.id) if one[1] < begin])
    await connection.commit()
    pipeline = await restarted(connection, model)
    for number in range(60):
        time = begin + number * STEP
        pipeline.observe(Observation(datastream.id, time, time, -0.4))
    batches = [AGGREGATES.decode(record) for record in pipeline.records[topics.AGGREGATES, 0]]
    repairs = {one.phenomenon_time for batch in batches for one in batch.repairs}
    assert NOON in repairs
    later = [
        one
        for batch in batches
        for one in batch.assessments
        if one.flags & STUCK_FOUND_LATER == STUCK_FOUND_LATER
    ]
    assert later


async def test_the_last_good_value_stays_when_the_first_values_of_a_new_log_lack_their_context(
    connection: Connection,
) -> None:
    """A sensor jumps to and fro for hours: each value is a spike beside those before it."""
    plan = CityBuilder().entity("town", "Municipality").sensor("s1", "town", "relative_humidity")
    await apply_plan(connection, plan.plan())
    model = await load_model(connection, "town")
    (datastream,) = model.datastreams_of("town", "relative_humidity")
    policy = model.policy_of(datastream)
    observations = [
        Observation(datastream.id, NOON + n * STEP, NOON + n * STEP, 90.0 if n > 80 and n % 2 else 40 + n % 5)
        for n in range(81 + 2 * SEED_MAX)
    ]
    found = assess_history(observations, policy)
    newest = found[-SEED_MAX:]
    assert not any(is_usable(one.flags) for one in newest)
    assert any(is_usable(one.flags) for one in assess_history(observations[-SEED_MAX:], policy))
    await store_observations(connection, observations)
    await store_assessments(connection, [(one[0], one[1], one.flags, 1) for one in found if one.flags])
    await connection.commit()
    pipeline = await restarted(connection, model)
    (first,) = [
        update for record in pipeline.records[topics.UPDATES, 0] for update in UPDATES.decode(record).updates
    ]
    good = next(one for one in reversed(found) if is_usable(one.flags))
    assert first.last_good == LastGoodValue(good.value, good.phenomenon_time)
