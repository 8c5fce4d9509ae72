"""The stored observations of one datastream over a time span, and their column of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from twin.alarms.rules.operand import ObservationRef, Point
from twin.backtest.point_column import EMPTY, Flags, Instants, PointColumn, Values
from twin.instant import Instant
from twin.model.calibration import Calibration, calibration_at
from twin.model.observation import Observation
from twin.model.observed_property import ObservedProperty
from twin.model.sensor import Datastream
from twin.quality.quality_flags import QualityFlag
from twin.state.combination import CombinationInput, combine
from twin.state.freshness import live_duration


@dataclass(frozen=True, slots=True, eq=False)
class DatastreamReadings:
    """Calibrated and assessed observations, ascending in phenomenon time, each time once."""

    times: Instants
    received: Instants
    values: Values
    flags: Flags

    def until(self, time: Instant) -> DatastreamReadings:
        """Return the readings up to a phenomenon time, which counts."""
        end = int(self.times.searchsorted(time, side="right"))
        return DatastreamReadings(self.times[:end], self.received[:end], self.values[:end], self.flags[:end])


def calibrated(times: Instants, values: Values, calibrations: Sequence[Calibration]) -> Values:
    """Return raw values after calibration; `calibrations` are ordered by their start."""
    if not calibrations or not len(times):
        return values
    edges = {edge for calibration in calibrations for edge in (calibration.start, calibration.end)}
    first, end = int(times[0]), int(times[-1]) + 1
    bounds = [first, *sorted(edge for edge in edges if first < edge < end), end]
    found = values.copy()
    for start, stop in pairwise(bounds):
        calibration = calibration_at(calibrations, start)
        if calibration is not None:
            part = slice(*np.searchsorted(times, (start, stop)))
            found[part] = calibration.gain * found[part] + calibration.offset
    return found


def flags_by_times(times: Instants, received: Instants, property: ObservedProperty, interval: int) -> Flags:
    """Return the LATE and CLOCK_SKEW flags of many observations, as live ingest sets them."""
    lag = received - times
    late = np.where(lag > property.quality.late_after + interval, int(QualityFlag.LATE), 0)
    skew = np.where(-lag > property.quality.skew_after, int(QualityFlag.CLOCK_SKEW), 0)
    return np.where(late != 0, late, skew).astype(np.int64)


@dataclass(slots=True)
class ObservedSeries:
    """A property of an entity, chunk after chunk, with the points that it has live.

    See `twin.alarms.evaluation.operand_points`.
    """

    property: ObservedProperty
    datastreams: Sequence[Datastream]  #: those without personal data
    _newest: dict[int, Observation] = field(default_factory=dict)

    def column(self, readings: Mapping[int, DatastreamReadings]) -> PointColumn:
        """Return the points of the next chunk; `readings` are those of its datastreams, by id."""
        if len(self.datastreams) == 1:
            found = readings.get(self.datastreams[0].id)
            return _single_datastream_column(self.datastreams[0], found) if found is not None else EMPTY
        return self._combined(readings)

    def _combined(self, readings: Mapping[int, DatastreamReadings]) -> PointColumn:
        by_id = {one.id: one for one in self.datastreams}
        rows = sorted(
            Observation(id, *row)
            for id, stored in readings.items()
            if id in by_id
            for row in zip(
                stored.times.tolist(),
                stored.received.tolist(),
                stored.values.tolist(),
                stored.flags.tolist(),
                strict=True,
            )
        )
        rows.sort(key=lambda one: one.phenomenon_time)
        points = []
        for number, row in enumerate(rows):
            self._newest[row.datastream] = row
            last = number + 1 == len(rows) or rows[number + 1].phenomenon_time != row.phenomenon_time
            if last:
                points.append(self._point(row.phenomenon_time, by_id))
        return PointColumn.from_points(points)

    def _point(self, time: int, by_id: Mapping[int, Datastream]) -> Point:
        parts = [CombinationInput(one, None, by_id[id].interval) for id, one in sorted(self._newest.items())]
        combined = combine(self.property, parts)
        used = [(self._newest[id], by_id[id].interval) for id in combined.datastreams]
        valid = max(one.phenomenon_time + live_duration(interval) for one, interval in used)
        sources = tuple(ObservationRef(one.datastream, one.phenomenon_time) for one, _ in used)
        return Point(time, combined.value, combined.flags, valid, sources)


def _single_datastream_column(datastream: Datastream, readings: DatastreamReadings) -> PointColumn:
    live, id = live_duration(datastream.interval), datastream.id
    times, values, flags = readings.times, readings.values, readings.flags

    def point(index: int) -> Point:
        time = int(times[index])
        return Point(time, float(values[index]), int(flags[index]), time + live, (ObservationRef(id, time),))

    return PointColumn(times, values, flags, times + live, point)
