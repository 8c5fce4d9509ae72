"""What repairs read of the observations of a datastream is the same in the database and in memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from storage.database import Connection, connect
from storage.maintenance.recompute import NEAR, StoredHistoryReader
from tests.support.database.history_rows import store_observations
from tests.support.database.memory_history import MemoryHistory
from twin.instant import DAY, HOUR, MINUTE, Instant, parse_instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_rules import QualityRules, SpikeRule, StuckRule
from twin.quality.stuck_runs import long_run

BEGIN = parse_instant("2026-06-01T12:00:00Z")
RULES = QualityRules(spike=SpikeRule(deviation_min=20), stuck=StuckRule(count=30, duration_min=4 * DAY))
POLICY = DatastreamPolicy.of(replace(BUILT_IN_PROPERTIES["water_level"], quality=RULES), HOUR)


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


def hourly(dice: random.Random, count: int) -> list[Observation]:
    """Return values of each hour with runs of hours to days, and gaps of hours to two weeks."""
    found: list[Observation] = []
    time, value = BEGIN, 50.0
    while len(found) < count:
        value += dice.uniform(0.1, 3)
        for _ in range(dice.choice((1, 1, 1, 5, 20, 29, 31, 60, 120))):
            found.append(Observation(1, time, time + MINUTE, value))
            time += dice.choice((*(HOUR,) * 30, 3 * HOUR, NEAR + HOUR, 14 * DAY))
    return found


def times_to_ask(dice: random.Random, stored: list[Observation]) -> list[Instant]:
    """Return times at, between, before and after observations."""
    known = [one.phenomenon_time + dice.choice((0, 1)) for one in dice.sample(stored, 40)]
    return [BEGIN - DAY, BEGIN, *known, stored[-1].phenomenon_time + 30 * DAY]


@pytest.mark.parametrize("seed", range(3))
async def test_the_database_reads_what_memory_reads(connection: Connection, seed: int) -> None:
    dice = random.Random(seed)
    observations = hourly(dice, 700)
    await store_observations(connection, observations)
    stored, memory = StoredHistoryReader(connection, 1, POLICY), MemoryHistory(observations, POLICY)
    long = long_run(RULES)
    assert long is not None
    async with connection.transaction():
        for time in times_to_ask(dice, observations):
            count = dice.choice((1, 5, 62, 200))
            assert await stored.before(time, count) == await memory.before(time, count)
            assert await stored.following(time, count) == await memory.following(time, count)
            found, whole = await stored.run_before(time, RULES), await memory.run_before(time, RULES)
            if found is None or whole is None:
                assert found is whole
                continue
            assert found.value == whole.value
            if (found.count, found.start) != (whole.count, whole.start):
                last = (await memory.before(time, 1))[0].phenomenon_time
                assert long.reached_by(found, last), "of a longer run only so much is read as matters"
                assert whole.start < found.start
