"""The history in the database in memory, in the form that back-tests and repairs of alarms read."""

from __future__ import annotations

import math

import numpy as np

from tests.simulation.system.model_database import ModelDatabase
from twin.alarms.rules.operand import WINDOW_SIZES, Point, WindowName
from twin.backtest.history_chunk import HistoryChunk, HistoryNeeds
from twin.backtest.point_column import PointColumn
from twin.backtest.readings import DatastreamReadings, calibrated, flags_by_times
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.state.window import Aggregate


def history_chunk(
    database: ModelDatabase, model: CityModel, start: Instant, end: Instant, needs: HistoryNeeds
) -> HistoryChunk:
    """Return the history in start ≤ t < end, as `storage.history.chunk_reader` reads it."""
    windows: dict[tuple[WindowName, int], list[Aggregate]] = {}
    for over, id in needs.windows:
        size = WINDOW_SIZES[over]
        found = database.windows_of(size, id)
        windows[over, id] = [found[one] for one in sorted(found) if start <= one + size < end]
    derived: dict[tuple[str, str], list[tuple[Instant, float, int]]] = {}
    for entity, name in needs.derived:
        values = database.values_of(entity, name)
        derived[entity, name] = [
            (time, one.value, one.flags)
            for time, one in sorted(values.items())
            if start <= time < end and not math.isnan(one.value)
        ]
    readings = {id: _readings(database, model, id, (start, end)) for id in sorted(needs.datastreams)}
    known = {id: one for id, one in readings.items() if one is not None}
    return HistoryChunk(start, end, known, windows, derived)


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
