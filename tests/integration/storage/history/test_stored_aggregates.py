"""History answers the same from stored aggregates as from single observations."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from storage.database import Connection, QueryError, connect
from storage.history import buckets
from storage.history.bucket_interval import BucketInterval
from tests.support.database.aggregated_history import (
    BEGIN,
    DAYS,
    LEVEL,
    REGISTER,
    QueryCounter,
    assert_equal,
    assert_percentiles,
    history_buckets,
    set_retention,
    store_datastreams,
    store_history,
)
from twin.instant import DAY, HOUR, MINUTE
from twin.state.sketch import RELATIVE_ACCURACY


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("interval", ["PT10M", "PT30M", "PT1H", "PT3H", "P1D", "P1W", "P1M"])
async def test_many_observations_are_answered_equally_from_aggregates(
    connection: Connection, seed: int, interval: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await store_history(connection, random.Random(seed), LEVEL)
    span = BEGIN + 33 * MINUTE, BEGIN + DAYS * DAY - 11 * MINUTE
    exact = await history_buckets(connection, ids, interval, span, LEVEL)  # nothing is complete: from raw
    await set_retention(connection, ids, complete_to=BEGIN + 18 * DAY)
    monkeypatch.setattr("storage.history.history_reader.query", counting := QueryCounter())
    found = await history_buckets(connection, ids, interval, span, LEVEL)
    assert counting.names.count("history/list_aggregate_buckets") == 1
    assert_equal(found, exact)
    assert {one.percentile_error for one in exact} == {None}
    # The span begins and ends within an hour, and the end is not complete: a week or a month has both.
    assert {one.percentile_error for one in found if one.count} == (
        {RELATIVE_ACCURACY} if interval in ("P1W", "P1M") else {None, RELATIVE_ACCURACY}
    )
    if interval in {"P1D", "P1W"}:
        await assert_percentiles(connection, found, ids, span)


@pytest.mark.parametrize("interval", ["PT1H", "PT10M", "P1D"])
async def test_removed_observations_are_answered_equally_from_aggregates(
    connection: Connection, interval: str
) -> None:
    ids = await store_history(connection, random.Random(3), LEVEL)
    # From the start of an aggregate: within one, observations cannot be separated any more.
    span = BEGIN - BEGIN % HOUR, BEGIN + DAYS * DAY
    exact = await history_buckets(connection, ids, interval, span, LEVEL)
    raw_from = BEGIN - BEGIN % HOUR + 9 * DAY
    await set_retention(connection, ids, complete_to=BEGIN + 18 * DAY, raw_from=raw_from)
    assert_equal(await history_buckets(connection, ids, interval, span, LEVEL), exact)


@pytest.mark.parametrize("interval", ["PT30M", "PT1H", "P1D"])
async def test_the_increase_of_counters_is_the_same_from_aggregates(
    connection: Connection, interval: str
) -> None:
    ids = await store_history(connection, random.Random(4), REGISTER)
    span = BEGIN + 33 * MINUTE, BEGIN + DAYS * DAY - 11 * MINUTE
    exact = await history_buckets(connection, ids, interval, span, REGISTER)
    assert sum(one.values["sum"] or 0 for one in exact) > 10_000
    await set_retention(connection, ids, complete_to=BEGIN + 18 * DAY)
    assert_equal(await history_buckets(connection, ids, interval, span, REGISTER), exact)


async def test_a_too_short_interval_is_refused_with_the_possible_one(connection: Connection) -> None:
    ids = await store_datastreams(connection)
    raw_from, minute_from = BEGIN + 9 * DAY, BEGIN + 5 * DAY
    await set_retention(connection, ids, raw_from=raw_from, minute_from=minute_from)
    with pytest.raises(QueryError, match="ask for an interval of whole hours"):
        await history_buckets(connection, ids, "PT5M", (BEGIN, BEGIN + DAY), LEVEL)
    with pytest.raises(QueryError, match="ask for an interval of whole hours"):
        await history_buckets(connection, ids, "PT7S", (BEGIN + 8 * DAY, BEGIN + 8 * DAY + HOUR), LEVEL)
    with pytest.raises(QueryError, match="as far back as single observations are kept"):
        await buckets.read_history_buckets(
            connection, ids, BEGIN, BEGIN + DAY, BucketInterval.parse("PT1H"), ["mean"], "UTC", known_at=BEGIN
        )
