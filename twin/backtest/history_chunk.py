"""Chunks of stored history, and the columns of points that they contain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from twin.alarms.evaluation.operand_points import derived_point, derived_series_interval, window_point
from twin.alarms.rules.operand import OperandSeries, Point, WindowName
from twin.backtest.point_column import EMPTY, PointColumn
from twin.backtest.readings import DatastreamReadings, ObservedSeries
from twin.instant import INSTANT_MIN, Instant
from twin.model.city_model import CityModel
from twin.model.sensor import Datastream
from twin.state.window import Aggregate
from twin.state.window_history import WindowHistory


@dataclass(frozen=True, slots=True)
class HistoryNeeds:
    """The parts of history that are needed."""

    datastreams: frozenset[int] = frozenset()  #: every observation of these datastreams
    windows: frozenset[tuple[WindowName, int]] = frozenset()  #: every closed window, by size and datastream
    derived: frozenset[tuple[str, str]] = frozenset()  #: every derived value, by entity and name

    def __or__(self, other: HistoryNeeds) -> HistoryNeeds:
        return HistoryNeeds(
            self.datastreams | other.datastreams,
            self.windows | other.windows,
            self.derived | other.derived,
        )


@dataclass(frozen=True, slots=True)
class HistoryChunk:
    """The stored history of a time span."""

    start: Instant
    end: Instant
    readings: Mapping[int, DatastreamReadings] = field(default_factory=dict)  #: by datastream
    #: the windows that end in it, ascending, by size and datastream
    windows: Mapping[tuple[WindowName, int], Sequence[Aggregate]] = field(default_factory=dict)
    #: ascending (time, value, flags), by entity and name
    derived: Mapping[tuple[str, str], Sequence[tuple[Instant, float, int]]] = field(default_factory=dict)

    def told(self, times: Mapping[int, Instant]) -> HistoryChunk:
        """Return the history with the readings of each datastream up to a time; of others without one."""
        readings = {id: one.until(times.get(id, INSTANT_MIN)) for id, one in self.readings.items()}
        return replace(self, readings=readings)


class SeriesHistory:
    """Some series over stored history, chunk after chunk."""

    def __init__(self, series: Iterable[OperandSeries], model: CityModel) -> None:
        self._model = model
        self._series = frozenset(series)
        self._datastreams = {each: datastreams_of_series(each, model) for each in self._series}
        self._observed = {
            series: ObservedSeries(model.properties[series.name], datastreams)
            for series, datastreams in self._datastreams.items()
            if datastreams and series.over == "instant"
        }

    @property
    def needs(self) -> HistoryNeeds:
        """The parts of history that the series consist of."""
        return HistoryNeeds(
            frozenset(each.id for one in self._observed.values() for each in one.datastreams),
            frozenset(
                (series.over, datastream.id)
                for series, datastreams in self._datastreams.items()
                for datastream in datastreams
                if series.over != "instant"
            ),
            frozenset((one.entity, one.name) for one, found in self._datastreams.items() if not found),
        )

    def columns(self, chunk: HistoryChunk) -> dict[OperandSeries, PointColumn]:
        """Return the points of the next chunk."""
        return {one: self._column(one, chunk) for one in self._series}

    def _column(self, series: OperandSeries, chunk: HistoryChunk) -> PointColumn:
        datastreams = self._datastreams[series]
        if not datastreams:
            rows = chunk.derived.get((series.entity, series.name), ())
            interval = derived_series_interval(series, self._model)
            return PointColumn.from_points(
                [derived_point(value, time, flags, interval) for time, value, flags in rows]
            )
        if series.over == "instant":
            readings = {
                datastream.id: found
                for datastream in datastreams
                if (found := chunk.readings.get(datastream.id)) is not None
            }
            return self._observed[series].column(readings) if readings else EMPTY
        return self._windows(series, datastreams, chunk)

    def _windows(
        self, series: OperandSeries, datastreams: Sequence[Datastream], chunk: HistoryChunk
    ) -> PointColumn:
        aggregates = sorted(
            (
                aggregate
                for datastream in datastreams
                for aggregate in chunk.windows.get((series.over, datastream.id), ())
            ),
            key=lambda aggregate: (aggregate.start, aggregate.datastream),
        )
        property = self._model.properties[series.name]
        points: list[Point] = []
        for _, group in groupby(aggregates, key=lambda aggregate: aggregate.start):
            history = WindowHistory()
            for last in group:
                history.add(last)
            point = window_point(series, last, history, property)
            if point is not None:
                points.append(point)
        return PointColumn.from_points(points)


def datastreams_of_series(series: OperandSeries, model: CityModel) -> tuple[Datastream, ...]:
    """Return the datastreams of a series; none for derived values."""
    return tuple(
        datastream
        for datastream in model.datastreams_of(series.entity, series.name)
        if datastream.property in model.properties and not model.policy_of(datastream).personal
    )
