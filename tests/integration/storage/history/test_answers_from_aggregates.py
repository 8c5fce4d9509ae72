"""An answer does not depend on its source, or on what else is requested."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from storage.database import Connection, connect
from storage.history import buckets
from storage.history.bucket_interval import BucketInterval
from tests.support.database.aggregated_history import (
    ALL_AGGREGATES,
    AMSTERDAM,
    BEGIN,
    DAYS,
    LEVEL,
    QueryCounter,
    assert_equal,
    history_buckets,
    set_retention,
    store_history,
)
from twin.instant import DAY, MINUTE, to_datetime


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def test_incomplete_short_aggregates_are_not_used(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await store_history(connection, random.Random(5), LEVEL)
    span = BEGIN, BEGIN + DAYS * DAY
    exact = await history_buckets(connection, ids, "PT30M", span, LEVEL)
    await set_retention(connection, ids, complete_to=BEGIN + 18 * DAY)
    async with connection.transaction():
        # As if the sensor had reported each half-hour for a day.
        await connection.execute(
            "DELETE FROM aggregate_ten_minutes WHERE datastream_id = %s AND start >= %s AND start < %s",
            (ids[0], to_datetime(BEGIN + 3 * DAY), to_datetime(BEGIN + 4 * DAY)),
        )
    monkeypatch.setattr("storage.history.history_reader.query", counting := QueryCounter())
    assert_equal(await history_buckets(connection, ids, "PT30M", span, LEVEL), exact)
    assert "history/list_aggregate_buckets" not in counting.names


async def test_an_aggregate_does_not_depend_on_the_other_requested_ones(connection: Connection) -> None:
    ids = await store_history(connection, random.Random(6), LEVEL)
    span = BEGIN + 33 * MINUTE, BEGIN + DAYS * DAY
    for complete_to in (BEGIN, BEGIN + 18 * DAY):
        await set_retention(connection, ids, complete_to=complete_to)
        together = await history_buckets(connection, ids, "PT3H", span, LEVEL)
        for name in ALL_AGGREGATES:
            alone = await buckets.read_history_buckets(
                connection,
                ids,
                *span,
                BucketInterval.parse("PT3H"),
                [name],
                AMSTERDAM,
                fill="null",
                observed_property=LEVEL,
            )
            for bucket, all_of_it in zip(alone, together, strict=True):
                assert bucket.values[name] == pytest.approx(all_of_it.values[name])
                assert (bucket.count, bucket.suspect, bucket.coverage) == (
                    all_of_it.count,
                    all_of_it.suspect,
                    all_of_it.coverage,
                )
