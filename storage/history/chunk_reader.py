"""Reads chunks of history as the live stages received it: calibrated, with quality flags, by event time."""

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
"""The most rows to read, estimated from the intervals of sensors: they take the database half a minute."""

CHUNK_ROWS = 500_000
"""The rows held at a time, about 20 MB as arrays."""

CHUNK_SPAN_MIN: Duration = HOUR
CHUNK_SPAN_MAX: Duration = DAY  #: the span of a chunk of the hypertable

_POSTGRES_EPOCH = from_datetime(datetime(2000, 1, 1, tzinfo=UTC))


async def read_chunks(
    connection: Connection, needs: HistoryNeeds, model: CityModel, start: Instant, end: Instant
) -> AsyncIterator[HistoryChunk]:
    """Yield consecutive chunks from start to end; the next one is read while the caller processes one.

    Raises QueryError when there are more than `HISTORY_ROWS_MAX` rows, or when the database takes too long.
    """
    expected = expected_rows(needs, model, end - start)
    if expected > HISTORY_ROWS_MAX:
        raise QueryError(
            f"from {format_instant(start)} to {format_instant(end)} about {expected:,} values are kept, "
            f"expected at most {HISTORY_ROWS_MAX:,}; ask for a shorter time, or a rule for fewer entities"
        )
    parts = -(-expected // CHUNK_ROWS) or 1
    length = min(CHUNK_SPAN_MAX, max(CHUNK_SPAN_MIN, (end - start) // parts))
    edges = [*range(start - start % length + length, end, length), end]
    reading: asyncio.Task[HistoryChunk] | None = None
    try:
        for edge in edges:
            previous, reading = reading, None
            chunk = await previous if previous is not None else None
            reading = asyncio.create_task(read_chunk(connection, needs, model, start, edge))
            start = edge
            if chunk is not None:
                yield chunk
        if reading is not None:
            yield await reading
    finally:
        if reading is not None and not reading.done():
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


def expected_rows(needs: HistoryNeeds, model: CityModel, span: Duration) -> int:
    """Return how many rows a span of history has, estimated from the intervals of sensors and windows."""
    intervals = [model.datastreams[id].interval for id in needs.datastreams]
    intervals += [WINDOW_SIZES[over] for over, _ in needs.windows]
    intervals += [model.interval_of(entity) for entity, _ in needs.derived]
    return sum(span // one for one in intervals if one)


async def read_chunk(
    connection: Connection, needs: HistoryNeeds, model: CityModel, start: Instant, end: Instant
) -> HistoryChunk:
    """Return the kept history in start ≤ t < end; of windows, those that end in this range."""
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
    parameters = {"datastreams": list(datastreams), "start": to_datetime(start), "end": to_datetime(end)}
    assessments = {
        id: (_instants(times), np.frombuffer(flags, ">i2").astype(np.int64))
        for id, times, flags in await fetch_binary(
            connection, query("history/chunks/list_assessments_packed"), parameters
        )
    }
    readings: dict[int, DatastreamReadings] = {}
    for id, *packed in await fetch_binary(
        connection, query("history/chunks/list_observations_packed"), parameters
    ):
        datastream = model.datastreams[id]
        times, received = _instants(packed[0]), _instants(packed[1])
        values: Values = np.frombuffer(packed[2], ">f8").astype(np.float64)
        flags = np.frombuffer(packed[3], ">i2").astype(np.int64)
        order = np.argsort(times, kind="stable")
        times, received, values, flags = times[order], received[order], values[order], flags[order]
        flags |= flags_by_times(times, received, model.properties[datastream.property], datastream.interval)
        if id in assessments:
            assessed_times, assessed_flags = assessments[id]
            indices = np.minimum(times.searchsorted(assessed_times), len(times) - 1)
            matches = times[indices] == assessed_times
            flags[indices[matches]] |= assessed_flags[matches]
        values = calibrated(times, values, model.calibrations_of(datastream))
        readings[id] = DatastreamReadings(times, received, values, flags)
    return readings


def _instants(packed: bytes) -> Instants:
    """Return the instants in a string of binary PostgreSQL timestamps."""
    return np.frombuffer(packed, ">i8").astype(np.int64) + _POSTGRES_EPOCH


WINDOW_TABLES: dict[WindowName, str] = {
    "minute": "aggregate_minute",
    "ten_minutes": "aggregate_ten_minutes",
    "hour": "aggregate_hour",
}


async def _windows(
    connection: Connection, required: frozenset[tuple[WindowName, int]], start: Instant, end: Instant
) -> dict[tuple[WindowName, int], list[Aggregate]]:
    windows: defaultdict[tuple[WindowName, int], list[Aggregate]] = defaultdict(list)
    for window in sorted({window for window, _ in required}):
        size = WINDOW_SIZES[window]
        parameters = {
            "datastreams": sorted(id for one, id in required if one == window),
            "start": to_datetime(start - size),
            "end": to_datetime(end - size),
        }
        for row in await fetch_binary(
            connection, query("history/chunks/list_windows", table=WINDOW_TABLES[window]), parameters
        ):
            # Rules use neither the first nor the last value of a window, and no percentile.
            fields = (row[0], size, from_datetime(row[1]), *row[2:], None, None, b"")
            windows[window, row[0]].append(msgspec.convert(fields, Aggregate))
    return windows


async def _derived(
    connection: Connection, required: Sequence[tuple[str, str]], start: Instant, end: Instant
) -> dict[tuple[str, str], list[tuple[Instant, float, int]]]:
    if not required:
        return {}
    parameters = {
        "entities": [entity for entity, _ in required],
        "names": [name for _, name in required],
        "start": to_datetime(start),
        "end": to_datetime(end),
    }
    series: defaultdict[tuple[str, str], list[tuple[Instant, float, int]]] = defaultdict(list)
    for entity, name, time, value, flags in await fetch_binary(
        connection, query("history/chunks/list_derived_values"), parameters
    ):
        series[entity, name].append((from_datetime(time), value, flags))
    return series
