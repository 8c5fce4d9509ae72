"""The rows that a query reads are in proportion to its answer, on an idle or a busy machine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from storage.database import Connection, connect
from storage.queries import query
from twin.instant import DAY, HOUR, Instant, parse_instant, to_datetime

BEGIN = parse_instant("2026-10-01T00:00:00Z")
DAYS = 20
DATASTREAMS = 30
A_DAY = 144  # observations of a datastream

SCHEMA = (
    "INSERT INTO entity (id, type, name, attributes, relations) VALUES ('e', 'Canal', 'e', '{}', '[]')",
    "INSERT INTO sensor (id, feed, device, entity_id, interval, personal) "
    "SELECT 's' || n, 'f', 's' || n, 'e', '10 minutes', false FROM generate_series(1, %(datastreams)s) AS n",
    'INSERT INTO datastream (id, sensor_id, entity_id, property, field, unit, scale, "offset", interval) '
    "SELECT n, 's' || n, 'e', 'p', '', 'm', 1, 0, '10 minutes' FROM generate_series(1, %(datastreams)s) AS n",
    "INSERT INTO observation SELECT time, time, 1.5, n, 0 "
    "FROM generate_series(%(begin)s::timestamptz, %(end)s, interval '10 minutes') AS time, "
    "generate_series(1, %(datastreams)s) AS n",
    "INSERT INTO assessment SELECT phenomenon_time, 1, datastream_id, 16 FROM observation "
    "WHERE extract(minute FROM phenomenon_time) = 0 AND extract(hour FROM phenomenon_time) %% 8 = 0",
    "INSERT INTO aggregate_hour SELECT time, 1, 6, 1, 2, 1.5, 9, 1, 2, n, 6, 0, 0, '' "
    "FROM generate_series(%(begin)s::timestamptz, %(end)s, interval '1 hour') AS time, "
    "generate_series(1, %(datastreams)s) AS n",
    "INSERT INTO ledger (feed, minute, received, accepted) SELECT 'f' || n, time, 1, 1 "
    "FROM generate_series(%(begin)s::timestamptz, %(end)s, interval '10 minutes') AS time, "
    "generate_series(1, 5) AS n",
    "INSERT INTO quarantine (id, feed, topic, received_time, reason, detail, payload, payload_bytes, "
    "payload_sha256) SELECT n::text, 'f', '', %(begin)s::timestamptz + n * interval '1 s', '', '', '', 0, '' "
    "FROM generate_series(1, 5000) AS n",
    "INSERT INTO message_batch SELECT time, time + interval '1 minute', extract(epoch FROM time), n, 'log', "
    "'', '', '' FROM generate_series(%(begin)s::timestamptz, %(end)s, interval '5 minutes') AS time, "
    "generate_series(0, 3) AS n",
    "INSERT INTO entity_value SELECT time, 1, 3, 'e' || n, 'lki', 1, 0 "
    "FROM generate_series(%(begin)s::timestamptz, %(end)s, interval '1 hour') AS time, "
    "generate_series(1, %(datastreams)s) AS n",
    "ANALYZE",
)


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    """Return a connection to a database with weeks of history of a small city."""
    asked = {
        "begin": to_datetime(BEGIN),
        "end": to_datetime(BEGIN + DAYS * DAY - 1),
        "datastreams": DATASTREAMS,
    }
    async with await connect(database, role="test") as connection:
        for statement in SCHEMA:
            await connection.execute(statement, asked if "%" in statement else None)
        await connection.commit()
        yield connection


class Read(NamedTuple):
    """The rows and indexes that a statement read."""

    answer: int  #: rows
    rows: int  #: that were read from tables and indexes, those that a filter threw away too
    relations: set[str]  #: chunks and tables
    indexes: set[str]
    plan: str


async def read(connection: Connection, name: str, parameters: dict[str, Any], **parts: str) -> Read:
    async with connection.transaction():
        await connection.execute(query("history/set_history_memory"))
        explained = b"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + query(name, **parts)
        row = await (await connection.execute(explained, parameters)).fetchone()
    assert row is not None
    top = row[0][0]["Plan"]
    waiting, scans, indexes = [top], [], set()
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if node["Actual Loops"] and "Index Name" in node:
            # The name of a chunk's index consists of the names of the chunk and of the hypertable's index.
            indexes.add(node["Index Name"].rpartition("_chunk_")[2])
        # A scan of a hypertable only forwards the rows of its chunks.
        if node["Actual Loops"] and "Relation Name" in node and node["Node Type"] != "Custom Scan":
            scans.append(node)
    dropped = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows = sum(
        (node["Actual Rows"] + sum(node.get(one, 0) for one in dropped)) * node["Actual Loops"]
        for node in scans
    )
    return Read(
        int(top["Actual Rows"]),
        int(rows),
        {node["Relation Name"] for node in scans},
        indexes,
        json.dumps(row[0], indent=1),
    )


def span(start: Instant, end: Instant, *datastreams: int) -> dict[str, Any]:
    """Return the parameters that all queries of observations share."""
    count = len(datastreams)
    return {
        "datastreams": list(datastreams),
        "start": to_datetime(start),
        "end": to_datetime(end),
        "segment_datastreams": list(datastreams),
        "segment_starts": [to_datetime(start)] * count,
        "segment_ends": [to_datetime(end)] * count,
        "gains": [1.0] * count,
        "offsets": [0.0] * count,
        "late_after": [HOUR] * count,
        "skew_after": HOUR,
        "late": 4,
        "skew": 512,
        "unusable": 1784,
        "interval": f"{HOUR} microseconds",
        "zone": "UTC",
        "apart": False,
        "circular": False,
        "totals": True,
        "extremes": True,
        "ends": True,
        "percentiles": True,
        "source": "hour",
        "known_at": to_datetime(end),
    }


async def test_buckets_read_the_observations_of_their_range(connection: Connection) -> None:
    asked = span(BEGIN + 3 * DAY, BEGIN + 5 * DAY, 7)
    found = await read(
        connection, "history/list_buckets", {**asked, "known_at": None}, rows="history/versions_now"
    )
    assert found.answer == 48
    assert found.rows <= 2 * A_DAY + 2 * 3 + 10, found.plan  # and three judgements a day
    assert found.indexes == {"observation_key", "assessment_key"}, found.plan
    assert len([one for one in found.relations if one.startswith("_hyper")]) <= 2 + 2, found.plan
    known = await read(connection, "history/list_buckets", asked, rows="history/versions_known_at")
    assert known.answer == 48
    assert known.rows <= found.rows + 10, known.plan


@pytest.mark.parametrize("rows", ["history/page_now", "history/page_known_at"])
async def test_a_page_reads_little_more_than_a_page(connection: Connection, rows: str) -> None:
    start = BEGIN + 2 * DAY
    place = {"after_time": to_datetime(start), "after_datastream": -1, "limit": 100}
    # All versions known at the time are read: two days here.
    days = 15 if rows == "history/page_now" else 2
    asked = {**span(start, start + days * DAY, 7), **place}
    if rows == "history/page_now":
        asked["known_at"] = None
    found = await read(connection, "history/list_observations", asked, rows=rows)
    assert found.answer == 100
    assert found.rows <= 2 * A_DAY + 100, found.plan  # the chunks of two days; judgements of the page
    assert "observation_key" in found.indexes, found.plan


async def test_stored_aggregates_are_read_instead_of_observations(connection: Connection) -> None:
    found = await read(connection, "history/list_aggregate_buckets", span(BEGIN, BEGIN + DAYS * DAY, 7))
    assert found.answer == found.rows == 24 * DAYS, found.plan
    assert found.indexes == {"aggregate_hour_key"}, found.plan


async def test_published_values_are_read_by_their_series(connection: Connection) -> None:
    asked = {**span(BEGIN + DAY, BEGIN + 3 * DAY, 7), "entity": "e7", "name": "lki", "back": timedelta(0)}
    found = await read(connection, "history/list_published_buckets", asked)
    assert found.answer == 48
    assert found.rows <= 48 + 2, found.plan
    assert found.indexes == {"entity_value_key"}, found.plan


async def test_only_the_newest_of_each_datastream_are_read(connection: Connection) -> None:
    found = await read(connection, "stores/state/list_newest_observations", {"limit": 3})
    assert found.answer == 3 * DATASTREAMS
    # The table of datastreams is a single page.
    assert found.rows <= found.answer + DATASTREAMS, found.plan
    assert found.indexes == {"observation_key"}, found.plan


async def test_the_verdicts_of_a_span_of_each_datastream_are_read(connection: Connection) -> None:
    spans = {"starts": [to_datetime(BEGIN + DAY)] * 2, "ends": [to_datetime(BEGIN + 2 * DAY)] * 2}
    found = await read(connection, "stores/state/list_verdicts", {"datastreams": [7, 8], "limit": 3, **spans})
    assert found.answer == found.rows == 6, found.plan
    assert found.indexes == {"assessment_key"}, found.plan


async def test_readings_before_a_time_are_read_backwards(connection: Connection) -> None:
    asked = {"datastreams": [7, 8], "start": to_datetime(BEGIN + 9 * DAY), "known_at": None, "limit": 64}
    found = await read(connection, "history/list_readings_before", asked)
    assert found.answer == 128
    assert found.rows <= 2 * 128, found.plan
    assert found.indexes <= {"observation_key", "assessment_key"}, found.plan


async def test_a_repair_reads_the_hour_and_its_context(connection: Connection) -> None:
    hour = {
        "datastream": 7,
        "start": to_datetime(BEGIN + 9 * DAY),
        "end": to_datetime(BEGIN + 9 * DAY + HOUR),
    }
    found = await read(connection, "maintenance/recompute/list_observations_between", hour)
    assert found.answer == found.rows == 6, found.plan
    for name in ("before", "following"):
        day = to_datetime(BEGIN + 9 * DAY)
        bounds = {"since": to_datetime(BEGIN), "until": to_datetime(BEGIN + 99 * DAY)}
        asked = {"datastream": 7, "time": day, "count": 62, **bounds}
        found = await read(connection, f"maintenance/recompute/list_observations_{name}", asked)
        assert found.answer == 62
        assert found.rows <= 62 + 1, found.plan
        assert found.indexes == {"observation_key"}, found.plan


async def test_a_long_run_of_equal_values_is_read_as_far_as_its_rule_needs(connection: Connection) -> None:
    day = to_datetime(BEGIN + 9 * DAY)
    asked = {"datastream": 7, "time": day, "since": to_datetime(BEGIN), "count": 24, "duration": DAY}
    found = await read(connection, "maintenance/recompute/find_run_before", asked)
    assert found.rows <= 2 * A_DAY + 24 + 5, found.plan
    assert found.indexes == {"observation_key"}, found.plan


async def test_the_last_usable_value_is_read_backwards(connection: Connection) -> None:
    asked = {
        "datastream": 7,
        "time": to_datetime(BEGIN + 9 * DAY + 1),
        "earliest": to_datetime(BEGIN),
        "unusable": 1784,
    }
    found = await read(connection, "maintenance/recompute/find_usable_before", asked)
    assert found.answer == 1
    assert found.rows <= 4, found.plan


async def test_minutes_of_the_ledger_are_read_by_their_index(connection: Connection) -> None:
    asked = {"start": to_datetime(BEGIN + DAY), "end": to_datetime(BEGIN + DAY + 2 * HOUR), "limit": 1000}
    found = await read(connection, "stores/ledger/list_ledger", {**asked, "feed": None})
    assert found.answer == found.rows == 5 * 12, found.plan
    assert found.indexes == {"ledger_by_minute"}, found.plan
    one = await read(connection, "stores/ledger/list_ledger", {**asked, "feed": "f3"})
    assert one.answer == 12
    assert one.rows <= 5 * 12, one.plan


async def test_only_a_page_of_the_quarantine_is_read(connection: Connection) -> None:
    everything = {"feed": None, "reason": None, "device": None, "resolved": None}
    place = {
        "before_time": to_datetime(BEGIN + HOUR),
        "before_id": "3600",
        "limit": 20,
        "topic_characters": 9,
    }
    found = await read(connection, "stores/quarantine/list_quarantined", {**everything, **place})
    assert found.answer == 20
    assert found.rows <= 21, found.plan
    assert found.indexes == {"quarantine_newest"}, found.plan


async def test_a_message_is_searched_in_an_hour_of_its_partition(connection: Connection) -> None:
    asked = {"partition": 2, "received": to_datetime(BEGIN + 9 * DAY + HOUR)}
    found = await read(connection, "history/lineage/find_message_batches", asked)
    assert found.answer == 1
    assert found.rows <= 12 + 1, found.plan
    assert found.indexes == {"message_batch_key"}, found.plan
