"""Observations newer than the stored ones are recognised without a lookup each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest_asyncio

from storage.database import Connection, connect
from storage.historian.writers import newest_times
from storage.historian.writers.newest_times import NewestTimes
from tests.support.database.historian import START
from tests.support.database.history_rows import store_observations
from twin.instant import DAY
from twin.model.observation import Observation


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def newer(times: NewestTimes, connection: Connection, *keys: tuple[int, int]) -> list[bool]:
    datastreams, measured = (np.array(one, np.int64) for one in zip(*keys, strict=True))
    await times.load_unknown(connection, datastreams, measured)
    newer: list[bool] = times.are_newer(datastreams, measured).tolist()
    return newer


async def test_the_newest_of_each_datastream_is_looked_up_once(connection: Connection) -> None:
    await store_observations(connection, [Observation(1, START + day * DAY, START, 1.0) for day in range(4)])
    await store_observations(connection, [Observation(2, START, START, 1.0)])
    times = NewestTimes()
    last = START + 3 * DAY
    keys = (1, START - 1), (1, last), (1, last + 1), (2, START), (2, START + 1), (5_000, START)
    assert await newer(times, connection, *keys) == [False, False, True, False, True, True]
    # Stored by another process: unknown here until a reset.
    await store_observations(connection, [Observation(2, START + DAY, START, 1.0)])
    assert await newer(times, connection, (2, START + 1)) == [True]
    times.reset()
    assert await newer(times, connection, (2, START + 1), (2, START + DAY + 1)) == [False, True]


async def test_a_stored_observation_is_no_longer_newer(connection: Connection) -> None:
    times = NewestTimes()
    assert await newer(times, connection, (7, START), (7, START + 5), (8, START)) == [True, True, True]
    times.record(np.array([7, 7, 8]), np.array([START + 5, START, START]))
    assert await newer(times, connection, (7, START + 5), (7, START + 6), (8, START)) == [False, True, False]


async def test_a_datastream_beyond_the_bound_is_always_compared(connection: Connection) -> None:
    times = NewestTimes()
    beyond = newest_times.TRACKED_DATASTREAMS_MAX
    assert await newer(times, connection, (beyond, START), (beyond - 1, START)) == [False, True]
    times.record(np.array([beyond]), np.array([START]))
    assert await newer(times, connection, (beyond, START + 1)) == [False]
