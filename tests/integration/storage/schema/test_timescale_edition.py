"""The Community edition gets columnstores, the Apache edition does not; history is the same with both.

The Community edition is TimescaleDB in WebAssembly (tests/pglite): one connection, and no COPY.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from storage.database import Connection, connect
from storage.history import buckets
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AGGREGATE_NAMES, HistoryBucket
from storage.queries import query
from storage.schema.migrate import known_migrations, migrate
from storage.schema.timescale_edition import COLUMNSTORE_QUERIES, add_edition_features, read_edition
from tests.support.repository import ROOT
from twin.instant import DAY, HOUR, MINUTE, parse_instant, to_datetime

PGLITE = ROOT / "tests/pglite"
BEGIN = parse_instant("2026-10-24T22:00:00Z")


@pytest.fixture
def community() -> Iterator[str]:
    """Return the connection URI of an empty database of the Community edition."""
    assert (PGLITE / "node_modules").exists(), "run deploy/setup.sh --tests"
    server = subprocess.Popen(
        ["node", "server.mjs"], cwd=PGLITE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        port = json.loads(server.stdout.readline())["port"]
        yield f"postgresql://postgres:any@127.0.0.1:{port}/postgres?sslmode=disable"
    finally:
        server.stdin.close()
        server.wait(20)
        server.stdout.close()


@pytest_asyncio.fixture
async def connection(community: str) -> AsyncIterator[Connection]:
    """Return a connection to a migrated database of the Community edition."""
    assert await migrate(community) == [one.name for one in known_migrations()]
    async with await connect(community, role="test") as connection:
        # All connections share one session, and therefore the names of prepared statements.
        connection.prepare_threshold = None
        yield connection


async def rows(connection: Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    async with connection.transaction():
        return await (await connection.execute(statement, parameters)).fetchall()


async def run(connection: Connection, statement: str, *parameters: object) -> None:
    async with connection.transaction():
        await connection.execute(statement, parameters)


async def test_the_apache_edition_is_detected_and_not_changed(database: str) -> None:
    async with await connect(database, role="test") as connection:
        assert await read_edition(connection) == "apache"
        assert await add_edition_features(connection) == []


async def test_the_community_edition_gets_columnstores_with_policies_once(connection: Connection) -> None:
    assert await read_edition(connection) == "community"
    policies = (
        "SELECT hypertable_name, config ->> 'compress_after' FROM timescaledb_information.jobs "
        "WHERE proc_name = 'policy_compression' ORDER BY job_id"
    )
    assert await rows(connection, policies) == [
        ("observation", "7 days"),
        ("aggregate_minute", "7 days"),
        ("aggregate_ten_minutes", "21 days"),
        ("aggregate_hour", "56 days"),
    ]
    settings = (
        "SELECT segmentby, orderby FROM timescaledb_information.hypertable_columnstore_settings "
        "WHERE hypertable = 'observation'::regclass"
    )
    assert await rows(connection, settings) == [("datastream_id", "phenomenon_time")]
    # The migrations have added them; existing ones stay, and missing ones are added again.
    assert await add_edition_features(connection) == []
    await run(connection, "CALL remove_columnstore_policy('aggregate_hour')")
    await run(connection, "ALTER TABLE aggregate_hour SET (timescaledb.enable_columnstore = false)")
    assert await add_edition_features(connection) == ["aggregate_hour"]
    assert len(await rows(connection, policies)) == len(COLUMNSTORE_QUERIES)


async def test_columnar_chunks_can_be_read_corrected_and_removed(connection: Connection) -> None:
    await run(
        connection,
        "INSERT INTO observation SELECT time, time, extract(minute FROM time), id, 0 "
        "FROM generate_series(%s::timestamptz, %s::timestamptz, interval '1 minute') AS time, "
        "generate_series(1, 3) AS id",
        to_datetime(BEGIN),
        to_datetime(BEGIN + 3 * DAY),
    )

    async def hourly() -> list[HistoryBucket]:
        end = BEGIN + 3 * DAY
        interval = BucketInterval.parse("PT1H")
        return await buckets.read_history_buckets(
            connection, [2], BEGIN, end, interval, AGGREGATE_NAMES, "UTC"
        )

    async def days() -> list[tuple[int, int]]:
        found = await buckets.read_history_buckets(
            connection, [2], BEGIN, BEGIN + 3 * DAY, BucketInterval.parse("P1D"), ["mean"], "Europe/Amsterdam"
        )
        return [(one.end - one.start, one.count) for one in found]

    before = await hourly()
    assert (await days())[0] == (25 * HOUR, 25 * 60)  # the night in which clocks go back
    assert await days() == [(25 * HOUR, 1500), (DAY, 1440), (DAY, 1380)]
    chunks = await rows(connection, "SELECT compress_chunk(one) FROM show_chunks('observation') AS one")
    assert len(chunks) == 4
    sizes = "SELECT before_compression_total_bytes, after_compression_total_bytes FROM "
    ((before_bytes, after_bytes),) = await rows(
        connection, sizes + "hypertable_compression_stats('observation')"
    )
    assert after_bytes < before_bytes / 4, (before_bytes, after_bytes)
    assert await hourly() == before
    # A late correction, and retention row by row.
    await run(
        connection,
        "INSERT INTO observation VALUES (%s, %s, 500, 2, 0) ON CONFLICT (datastream_id, phenomenon_time) "
        "DO UPDATE SET value = excluded.value",
        to_datetime(BEGIN + MINUTE),
        to_datetime(BEGIN + 5 * DAY),
    )
    assert (await hourly())[0].values["max"] == 500.0
    asked = {"datastream": 3, "start": to_datetime(BEGIN), "end": to_datetime(BEGIN + DAY)}
    async with connection.transaction():
        row = await (
            await connection.execute(query("maintenance/removal/remove_observations"), asked)
        ).fetchone()
    assert row == (1440,)
    left = "SELECT count(*) FROM observation WHERE datastream_id = 3"
    assert await rows(connection, left) == [(2 * 1440 + 1,)]
    async with connection.transaction():
        await connection.execute(
            query("maintenance/removal/drop_chunks"), ("observation", to_datetime(BEGIN + 4 * HOUR))
        )
    assert await rows(connection, "SELECT min(phenomenon_time) FROM observation") == [
        (to_datetime(BEGIN + 2 * HOUR),)
    ]
