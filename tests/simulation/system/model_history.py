"""The history in the database in memory, in the form that back-tests and repairs of alarms read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.simulation.system.model_database import ModelDatabase
from twin.alarms.rules.operand import OperandSeries, Point
from twin.backtest.history_chunk import HistoryChunk, SeriesHistory
from twin.backtest.point_column import PointColumn
from twin.backtest.readings import DatastreamReadings, calibrated, flags_by_times
from twin.instant import HOUR, MINUTE, Duration, Instant
from twin.model.city_model import CityModel
from twin.state.window import Aggregate

_SIZES: Mapping[str, Duration] = {"minute": MINUTE, "ten_minutes": 10 * MINUTE, "hour": HOUR}


def history_chunk(database: ModelDatabase, model: CityModel, start: Instant, end: Instant) -> HistoryChunk:
    """Return the history in start ≤ t < end, as `storage.history.chunk_reader` reads it."""
    windows: dict[Any, list[Aggregate]] = {
        (name, id): sorted(
            (
                one
                for (length, of, begun), one in database.aggregates.items()
                if length == size and of == id and start <= begun + size < end
            ),
            key=lambda one: one.start,
        )
        for name, size in _SIZES.items()
        for id in model.datastreams
    }
    derived: defaultdict[tuple[str, str], list[tuple[Instant, float, int]]] = defaultdict(list)
    for (entity, name, time), update in sorted(database.entity_values.items()):
        if start <= time < end and not math.isnan(update.value):
            derived[entity, name].append((time, update.value, update.flags))
    readings = {id: _readings(database, model, id, (start, end)) for id in model.datastreams}
    found = {id: one for id, one in readings.items() if one is not None}
    return HistoryChunk(start, end, found, windows, derived)


def columns(
    database: ModelDatabase, model: CityModel, series: Sequence[OperandSeries], start: Instant, end: Instant
) -> dict[OperandSeries, PointColumn]:
    """Return the points of series in a time range."""
    return SeriesHistory(series, model).columns(history_chunk(database, model, start, end))


def points(column: PointColumn, start: Instant, end: Instant) -> list[Point]:
    """Return the points of a column in start ≤ t ≤ end."""
    return [column.point(index) for index, time in enumerate(column.times.tolist()) if start <= time <= end]


def _readings(
    database: ModelDatabase, model: CityModel, id: int, span: tuple[Instant, Instant]
) -> DatastreamReadings | None:
    rows = [one for one in database.observations_of(id) if span[0] <= one.phenomenon_time < span[1]]
    if not rows:
        return None
    datastream = model.datastreams[id]
    times = np.array([one.phenomenon_time for one in rows], np.int64)
    received = np.array([one.received_time for one in rows], np.int64)
    values = np.array([one.value for one in rows], np.float64)
    flags = np.array([one.flags for one in rows], np.int64)
    flags |= flags_by_times(times, received, model.properties[datastream.property], datastream.interval)
    for index, row in enumerate(rows):
        assessment = database.assessments.get(row[:2])
        flags[index] |= assessment.flags if assessment is not None else 0
    return DatastreamReadings(
        times, received, calibrated(times, values, model.calibrations_of(datastream)), flags
    )
