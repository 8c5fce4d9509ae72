"""The hot questions use the index that their file names, and touch only the chunks of their range."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from storage.database import Connection, connect
from storage.observation_writer import create_staging, write_observations
from storage.quarantine_writer import write_quarantined
from storage.queries import query
from twin.instant import DAY, HOUR, Instant, parse_instant, to_datetime
from twin.messages import VERSION, QuarantinedMessage
from twin.observation import Observation

BEGIN = parse_instant("2026-10-01T00:00:00Z")
DAYS = 12


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def fill_observations(connection: Connection) -> None:
    # Enough in each day that reading an index is cheaper than reading the chunk.
    async with connection.transaction():
        await create_staging(connection)
        await write_observations(
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
        (
            QuarantinedMessage(
                VERSION, str(n), f"feed{n % 4}", "t", n * 1000, f"reason{n % 3}", "", b"", 0, ""
            )
            for n in range(6_000)
        ),
    )
    await connection.execute("ANALYZE quarantine")


async def plan_of(connection: Connection, name: str, parameters: dict[str, object]) -> list[dict[str, Any]]:
    """Return the nodes of a plan, all levels in one list."""
    cursor = await connection.execute(b"EXPLAIN (FORMAT JSON) " + query(name), parameters)
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
    return {"datastreams": [3], "start": to_datetime(start), "end": to_datetime(end)}


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
        "circular": False,
        "adds_up": False,
        "percentiles": False,
        "empty": False,
    }
    for name, others in (("list_observations", raw), ("list_buckets", bucketed)):
        nodes = await plan_of(connection, name, {**span(start, start + days * DAY), **others})
        assert 1 <= len(chunks(nodes)) <= chunks_max, json.dumps(nodes, indent=1)
        assert any("observation_key" in one for one in indexes(nodes)), json.dumps(nodes, indent=1)


@pytest.mark.parametrize(
    ("feed", "reason", "index"),
    [
        (None, None, "quarantine_newest"),
        ("feed1", None, "quarantine_newest_of_feed"),
        (None, "reason1", "quarantine_newest_of_reason"),
    ],
)
async def test_a_page_of_the_quarantine_is_read_in_the_order_of_its_index(
    connection: Connection, feed: str | None, reason: str | None, index: str
) -> None:
    await fill_quarantine(connection)
    nodes = await plan_of(
        connection,
        "list_quarantined",
        {
            "feed": feed,
            "reason": reason,
            "before_time": to_datetime(5_000_000),
            "before_id": "2",
            "limit": 20,
        },
    )
    assert indexes(nodes) == {index}, json.dumps(nodes, indent=1)
    assert not [node for node in nodes if node["Node Type"] in {"Sort", "Seq Scan"}]
