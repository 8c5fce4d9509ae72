"""Reading stretches of history as the live stages have seen it: calibrated, judged, by event time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import numpy as np

from storage.database import Connection, QueryError
from storage.history.history_reader import fetch_binary
from storage.queries import query
from twin.alarms.rules.operand import WINDOW_SIZES, WindowName
from twin.backtest.history_chunk import HistoryChunk, HistoryNeeds
from twin.backtest.point_column import Instants, Values
from twin.backtest.readings import DatastreamReadings, calibrated, flags_by_times
from twin.instant import DAY, HOUR, Duration, Instant, format_instant, from_datetime, to_datetime
from twin.model.city_model import CityModel
from twin.state.window import Aggregate

HISTORY_ROWS_MAX = 20_000_000
"""So many rows are read at most, by what sensors are expected to tell: half a minute of the database's."""

CHUNK_ROWS = 500_000
"""So many rows are held at a time, about 20 MB as arrays."""

CHUNK_SPAN_MIN: Duration = HOUR
CHUNK_SPAN_MAX: Duration = DAY  #: a chunk of observations

_POSTGRES_EPOCH = from_datetime(datetime(2000, 1, 1, tzinfo=UTC))


async def read_chunks(
    connection: Connection, needs: HistoryNeeds, model: CityModel, start: Instant, end: Instant
) -> AsyncIterator[HistoryChunk]:
    """Yield stretches that follow each other from start to end; the next is read while one is worked on.

    Raises QueryError when that were more than `HISTORY_ROWS_MAX` rows, or the database takes too long.
    """
    expected = expected_rows(needs, model, end - start)
    if expected > HISTORY_ROWS_MAX:
        raise QueryError(
            f"from {format_instant(start)} to {format_instant(end)} some {expected:,} values are kept, "
            f"at most {HISTORY_ROWS_MAX:,} are looked at; ask for a shorter time, or a rule for fewer "
            "entities"
        )
    parts = -(-expected // CHUNK_ROWS) or 1
    length = min(CHUNK_SPAN_MAX, max(CHUNK_SPAN_MIN, (end - start) // parts))
    edges = [*range(start - start % length + length, end, length), end]
    reading: asyncio.Task[HistoryChunk] | None = None
    try:
        for edge in edges:
            before, reading = reading, None
            found = await before if before is not None else None
            reading = asyncio.create_task(read_chunk(connection, needs, model, start, edge))
            start = edge
            if found is not None:
                yield found
        if reading is not None:
            yield await reading
    finally:
        if reading is not None and not reading.done():
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


def expected_rows(needs: HistoryNeeds, model: CityModel, span: Duration) -> int:
    """Return how many rows a time of history has, by how often sensors report and windows close."""
    intervals = [model.datastreams[id].interval for id in needs.datastreams]
    intervals += [WINDOW_SIZES[over] for over, _ in needs.windows]
    intervals += [model.interval_of(entity) for entity, _ in needs.derived]
    return sum(span // one for one in intervals if one)


async def read_chunk(
    connection: Connection, needs: HistoryNeeds, model: CityModel, start: Instant, end: Instant
) -> HistoryChunk:
    """Return what was kept in start ≤ t < end; of windows those that end then."""
    return HistoryChunk(
        start,
        end,
        await _readings(connection, sorted(needs.datastreams), model, start, end),
        await _windows(connection, needs.windows, start, end),
        await _derived(connection, sorted(needs.derived), start, end),
    )


async def _readings(
    connection: Connection, datastreams: Sequence[int], model: CityModel, start: Instant, end: Instant
) -> dict[int, DatastreamReadings]:
    if not datastreams:
        return {}
    asked = {"datastreams": list(datastreams), "start": to_datetime(start), "end": to_datetime(end)}
    judged = {
        id: (_instants(times), np.frombuffer(flags, ">i2").astype(np.int64))
        for id, times, flags in await fetch_binary(
            connection, query("history/chunks/list_assessments_packed"), asked
        )
    }
    found: dict[int, DatastreamReadings] = {}
    for id, *packed in await fetch_binary(
        connection, query("history/chunks/list_observations_packed"), asked
    ):
        datastream = model.datastreams[id]
        times, received = _instants(packed[0]), _instants(packed[1])
        values: Values = np.frombuffer(packed[2], ">f8").astype(np.float64)
        flags = np.frombuffer(packed[3], ">i2").astype(np.int64)
        order = np.argsort(times, kind="stable")
        times, received, values, flags = times[order], received[order], values[order], flags[order]
        flags |= flags_by_times(times, received, model.properties[datastream.property], datastream.interval)
        if id in judged:
            when, what = judged[id]
            places = np.minimum(times.searchsorted(when), len(times) - 1)
            known = times[places] == when
            flags[places[known]] |= what[known]
        values = calibrated(times, values, model.calibrations_of(datastream))
        found[id] = DatastreamReadings(times, received, values, flags)
    return found


def _instants(packed: bytes) -> Instants:
    """Return the instants that strings of binary timestamps hold."""
    return np.frombuffer(packed, ">i8").astype(np.int64) + _POSTGRES_EPOCH


_WINDOW_TABLES: dict[WindowName, str] = {
    "minute": "aggregate_minute",
    "ten_minutes": "aggregate_ten_minutes",
    "hour": "aggregate_hour",
}


async def _windows(
    connection: Connection, wanted: frozenset[tuple[WindowName, int]], start: Instant, end: Instant
) -> dict[tuple[WindowName, int], list[Aggregate]]:
    found: defaultdict[tuple[WindowName, int], list[Aggregate]] = defaultdict(list)
    for over in sorted({over for over, _ in wanted}):
        size = WINDOW_SIZES[over]
        asked = {
            "datastreams": sorted(id for one, id in wanted if one == over),
            "start": to_datetime(start - size),
            "end": to_datetime(end - size),
        }
        for row in await fetch_binary(
            connection, query("history/chunks/list_windows", table=_WINDOW_TABLES[over]), asked
        ):
            # Rules look at neither the first value of a window nor the last, and at no percentile.
            known = (row[0], size, from_datetime(row[1]), *row[2:], None, None, b"")
            found[over, row[0]].append(msgspec.convert(known, Aggregate))
    return found


async def _derived(
    connection: Connection, wanted: Sequence[tuple[str, str]], start: Instant, end: Instant
) -> dict[tuple[str, str], list[tuple[Instant, float, int]]]:
    if not wanted:
        return {}
    asked = {
        "entities": [entity for entity, _ in wanted],
        "names": [name for _, name in wanted],
        "start": to_datetime(start),
        "end": to_datetime(end),
    }
    found: defaultdict[tuple[str, str], list[tuple[Instant, float, int]]] = defaultdict(list)
    for entity, name, time, value, flags in await fetch_binary(
        connection, query("history/chunks/list_derived_values"), asked
    ):
        found[entity, name].append((from_datetime(time), value, flags))
    return found
