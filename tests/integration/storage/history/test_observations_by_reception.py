"""Observations in the order of reception, also those that were replaced since, and the newest at a place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from storage.database import Connection, connect
from storage.history.observation_columns import (
    BulkSeries,
    ObservationColumns,
    ReceptionPlace,
    read_newest_columns,
    read_received_columns,
)
from storage.queries import query
from tests.support.database.history_rows import store_assessments, store_observations
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, Instant, parse_instant, to_datetime
from twin.model.observation import Observation

NOON = parse_instant("2026-10-05T12:00:00Z")
BEFORE_ALL = ReceptionPlace(INSTANT_MIN + 8 * DAY, -1, INSTANT_MIN)
SUSPECT = 4


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


def series(*datastreams: int) -> BulkSeries:
    return BulkSeries(
        known_at=NOON + DAY,
        datastreams=list(datastreams),
        late_after=[DAY] * len(datastreams),
        skew_after=[DAY] * len(datastreams),
        calibrated=[],
        raw_from=INSTANT_MIN,
        observations_per_us=1.0,
    )


def at(minutes: float) -> Instant:
    return NOON + int(minutes * MINUTE)


def rows(columns: ObservationColumns) -> list[tuple[int, int, int, float]]:
    """Return datastream, minute of the phenomenon, minute of the reception, and value of each row."""
    return [
        (id, (time - NOON) // MINUTE, (received - NOON) // MINUTE, value)
        for id, time, received, value, _ in zip(*(each.tolist() for each in columns), strict=True)
    ]


async def fill(connection: Connection) -> None:
    await store_observations(
        connection,
        [
            Observation(1, at(0), at(1), 10.0),
            Observation(2, at(0), at(1), 20.0),
            Observation(1, at(2), at(3), 11.0),
            Observation(1, at(1), at(5), 10.5),  # late
            Observation(2, at(2), at(6), 22.0),  # corrected: the first version came at minute 4
            Observation(1, at(60), at(7), 99.0),  # of a clock that is far ahead
            Observation(3, at(0), at(1), 30.0),  # not asked for
            Observation(1, at(8), at(8), 12.0),
        ],
    )
    await connection.execute(
        "INSERT INTO superseded_observation "
        "(phenomenon_time, received_time, superseded_time, value, datastream_id, flags) "
        "VALUES (%s, %s, %s, 21, 2, 0)",
        tuple(to_datetime(at(minutes)) for minutes in (2, 4, 6)),
    )
    await store_assessments(connection, [(1, at(2), SUSPECT, at(3))])


RECEIVED = [
    (1, 0, 1, 10.0),
    (2, 0, 1, 20.0),
    (1, 2, 3, 11.0),
    (2, 2, 4, 21.0),
    (1, 1, 5, 10.5),
    (2, 2, 6, 22.0),
]


async def test_pages_go_on_after_each_place(connection: Connection) -> None:
    await fill(connection)
    asked = series(1, 2)
    period = at(0), at(8)
    whole = await read_received_columns(connection, asked, period, BEFORE_ALL)
    assert rows(whole) == RECEIVED
    assert whole.flags.tolist() == [0, 0, SUSPECT, 0, 0, 0]
    place, paged = BEFORE_ALL, []
    while page := rows(await read_received_columns(connection, asked, period, place, limit=1)):
        paged += page
        id, measured, received, _ = page[-1]
        place = ReceptionPlace(at(received), id, at(measured))
    assert paged == RECEIVED
    assert rows(await read_received_columns(connection, asked, (at(3), at(5)), BEFORE_ALL)) == RECEIVED[2:4]


async def test_the_newest_of_each_datastream_is_as_it_was_at_a_place(connection: Connection) -> None:
    await fill(connection)

    async def newest(place: ReceptionPlace) -> list[tuple[int, int, int, float]]:
        return sorted(rows(await read_newest_columns(connection, series(1, 2), place)))

    assert await newest(ReceptionPlace(at(1), -1, INSTANT_MIN)) == []
    assert await newest(ReceptionPlace(at(1), 1, at(0))) == [RECEIVED[0]]
    assert await newest(ReceptionPlace(at(5), 1, at(1))) == [RECEIVED[2], RECEIVED[3]]
    assert await newest(ReceptionPlace(at(7), 9, at(1))) == [RECEIVED[2], RECEIVED[5]]


async def test_a_page_reads_what_was_received_then_and_little_else(connection: Connection) -> None:
    datastreams = 200
    await connection.execute(
        "INSERT INTO observation SELECT time, time, 1.5, n, 0 "
        "FROM generate_series(%s::timestamptz, %s, interval '2 minutes') AS time, "
        "generate_series(1, %s) AS n ORDER BY time",
        (to_datetime(NOON - 12 * HOUR), to_datetime(NOON + 12 * HOUR - 1), datastreams),
    )
    # As autovacuum does while rows come.
    await connection.execute(
        "SELECT brin_summarize_new_values(format('%I.%I', schemaname, indexname)::regclass) "
        "FROM pg_indexes WHERE indexname LIKE '%observation_by_reception' AND schemaname LIKE '\\_%'"
    )
    await connection.execute("ANALYZE observation")
    period = NOON, NOON + 10 * MINUTE
    parameters: dict[str, Any] = {
        **{"datastreams": list(range(1, datastreams + 1)), "late_after": [], "skew_after": []},
        **{"segment_datastreams": [], "segment_starts": [], "segment_ends": [], "gains": [], "offsets": []},
        **{"late": 1, "skew": 2, "known_at": to_datetime(NOON + DAY), "lead": 5 * MINUTE, "limit": 5_000},
        **{"start": to_datetime(NOON - 7 * DAY), "end": to_datetime(NOON + HOUR)},
        **{"after_time": to_datetime(NOON - 7 * DAY)},
        **dict(zip(("received_start", "received_end"), map(to_datetime, period), strict=True)),
        **{"place_received": to_datetime(NOON), "place_datastream": -1},
        "place_phenomenon": to_datetime(NOON - DAY),
    }
    statement = query("history/bulk/read_observation_columns", rows="history/bulk/page_received")
    row = await (
        await connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
    ).fetchone()
    assert row is not None
    waiting, read = [row[0][0]["Plan"]], 0
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if str(node.get("Relation Name", "")).startswith("_hyper"):
            removed = node.get("Rows Removed by Index Recheck", 0) + node.get("Rows Removed by Filter", 0)
            read += (node["Actual Rows"] + removed) * node["Actual Loops"]
    assert 5 * datastreams <= read <= 15 * 5 * datastreams, json.dumps(row[0], indent=1)
