"""Frequent queries use the index that their file names, and read only the chunks of their range."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from storage.database import Connection, connect
from storage.historian.observation_buffer import MessageRecord
from storage.historian.writers.message_writer import write_messages
from storage.historian.writers.observation_writer import create_observation_staging
from storage.historian.writers.quarantine_writer import write_quarantined
from storage.queries import query
from tests.support.database.history_rows import store_observations
from twin.instant import DAY, HOUR, MINUTE, Instant, parse_instant, to_datetime
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import QuarantinedMessage

BEGIN = parse_instant("2026-10-01T00:00:00Z")
DAYS = 12


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def fill_observations(connection: Connection) -> None:
    # So many in each day that reading the index is cheaper than reading the chunk.
    await store_observations(
        connection,
        (
            Observation(datastream, time, time, 1.0)
            for time in range(BEGIN, BEGIN + DAYS * DAY, HOUR)
            for datastream in range(1, 201)
        ),
    )
    await connection.execute("ANALYZE observation")


async def fill_quarantine(connection: Connection) -> None:
    await write_quarantined(
        connection,
        [
            QuarantinedMessage(
                *(LAYOUT_VERSION, str(n), f"feed{n % 4}", "t", n * 1000, f"reason{n % 3}", "", b"", 0, ""),
                *("run", n, 0, f"d{n % 50}"),
            )
            for n in range(6_000)
        ],
    )
    await connection.execute("ANALYZE quarantine")


async def plan_of(
    connection: Connection, name: str, parameters: dict[str, object], **parts: str
) -> list[dict[str, Any]]:
    """Return the nodes of a query plan, of all levels in one list."""
    cursor = await connection.execute(b"EXPLAIN (FORMAT JSON) " + query(name, **parts), parameters)
    row = await cursor.fetchone()
    assert row is not None
    waiting, nodes = [row[0][0]["Plan"]], []
    while waiting:
        nodes.append(node := waiting.pop())
        waiting += node.get("Plans", [])
    return nodes


def chunks(nodes: list[dict[str, Any]]) -> set[str]:
    return {
        node["Relation Name"] for node in nodes if str(node.get("Relation Name", "")).startswith("_hyper")
    }


def indexes(nodes: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in nodes if "Index Name" in node}


def span(start: Instant, end: Instant) -> dict[str, object]:
    """Return the parameters that all queries of observations share, for one datastream."""
    begin, stop = to_datetime(start), to_datetime(end)
    return {
        "datastreams": [3],
        "start": begin,
        "end": stop,
        "segment_datastreams": [3],
        "segment_starts": [begin],
        "segment_ends": [stop],
        "gains": [1.0],
        "offsets": [0.0],
        "late_after": [HOUR],
        "skew_after": MINUTE,
        "late": int(QualityFlag.LATE),
        "skew": int(QualityFlag.CLOCK_SKEW),
        "unusable": 0,
        "known_at": None,
    }


@pytest.mark.parametrize(("days", "chunks_max"), [(1, 2), (7, 8)])
async def test_a_range_touches_the_chunks_of_its_days(
    connection: Connection, days: int, chunks_max: int
) -> None:
    await fill_observations(connection)
    start = BEGIN + 3 * DAY + HOUR
    raw = {"after_time": to_datetime(start), "after_datastream": -1, "limit": 100}
    bucketed = {
        "interval": "3600000000 microseconds",
        "zone": "UTC",
        "apart": False,
        **dict.fromkeys(("circular", "totals", "extremes", "ends", "percentiles"), False),
    }
    for name, rows, others in (
        ("history/list_observations", "history/page_now", raw),
        ("history/list_buckets", "history/versions_now", bucketed),
    ):
        nodes = await plan_of(connection, name, {**span(start, start + days * DAY), **others}, rows=rows)
        assert 1 <= len(chunks(nodes)) <= chunks_max, json.dumps(nodes, indent=1)
        assert any("observation_key" in one for one in indexes(nodes)), json.dumps(nodes, indent=1)


@pytest.mark.parametrize(
    ("feed", "reason", "device", "index"),
    [
        (None, None, None, "quarantine_newest"),
        ("feed1", None, None, "quarantine_newest_of_feed"),
        (None, "reason1", None, "quarantine_newest_of_reason"),
        (None, None, "d7", "quarantine_newest_of_device"),
    ],
)
async def test_a_page_of_the_quarantine_is_read_in_the_order_of_its_index(
    connection: Connection, feed: str | None, reason: str | None, device: str | None, index: str
) -> None:
    await fill_quarantine(connection)
    nodes = await plan_of(
        connection,
        "stores/quarantine/list_quarantined",
        {
            "feed": feed,
            "reason": reason,
            "device": device,
            "resolved": None,
            "before_time": to_datetime(5_000_000),
            "before_id": "2",
            "limit": 20,
            "topic_characters": 9,
        },
    )
    assert indexes(nodes) == {index}, json.dumps(nodes, indent=1)
    assert not [node for node in nodes if node["Node Type"] in {"Sort", "Seq Scan"}]


async def test_a_conflict_is_looked_up_in_the_chunk_of_its_time(connection: Connection) -> None:
    await fill_observations(connection)
    await create_observation_staging(connection)
    await connection.execute(
        "INSERT INTO staged_observation SELECT phenomenon_time, received_time, value, datastream_id, flags, 0"
        " FROM observation WHERE phenomenon_time = %s",
        (to_datetime(BEGIN + 5 * DAY),),
    )
    executed = b"EXPLAIN (ANALYZE, FORMAT JSON) " + query("historian/observations/insert_observations")
    row = await (await connection.execute(executed)).fetchone()
    assert row is not None
    waiting, nodes = [row[0][0]["Plan"]], []
    while waiting:
        nodes.append(node := waiting.pop())
        waiting += node.get("Plans", [])
    looked = [node for node in nodes if str(node.get("Relation Name", "")).startswith("_hyper")]
    assert all("observation_key" in node["Index Name"] for node in looked), json.dumps(nodes, indent=1)
    assert sum(node["Actual Loops"] > 0 for node in looked) == 1, json.dumps(nodes, indent=1)


async def test_the_message_of_an_observation_is_searched_in_its_hour(connection: Connection) -> None:
    await write_messages(
        connection,
        "log",
        [
            MessageRecord(partition, offset, time, time + MINUTE, b"", b"", b"")
            for partition in range(2)
            for offset, time in enumerate(range(BEGIN, BEGIN + 4 * DAY, 5 * MINUTE))
        ],
    )
    await connection.execute("ANALYZE message_batch")
    nodes = await plan_of(
        connection,
        "history/lineage/find_message_batches",
        {"partition": 1, "received": to_datetime(BEGIN + 2 * DAY + 12 * HOUR)},
    )
    assert len(chunks(nodes)) == 1
    assert any("message_batch_key" in one for one in indexes(nodes)), json.dumps(nodes, indent=1)
