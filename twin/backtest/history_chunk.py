"""Stretches of stored history: what was kept of some series over a time, and the columns that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from twin.alarms.evaluation.operand_points import derived_point, window_point
from twin.alarms.rules.operand import OperandSeries, Point, WindowName
from twin.backtest.point_column import EMPTY, PointColumn
from twin.backtest.readings import DatastreamReadings, ObservedSeries
from twin.instant import Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX
from twin.model.sensor import Datastream
from twin.state.derived_state import derived_interval
from twin.state.window import Aggregate
from twin.state.window_history import WindowHistory


@dataclass(frozen=True, slots=True)
class HistoryNeeds:
    """What of history is looked at."""

    datastreams: frozenset[int] = frozenset()  #: each observation of them
    windows: frozenset[tuple[WindowName, int]] = frozenset()  #: each closed window, by size and datastream
    derived: frozenset[tuple[str, str]] = frozenset()  #: each value that was derived, by entity and name

    def __or__(self, other: HistoryNeeds) -> HistoryNeeds:
        return HistoryNeeds(
            self.datastreams | other.datastreams,
            self.windows | other.windows,
            self.derived | other.derived,
        )


@dataclass(frozen=True, slots=True)
class HistoryChunk:
    """What was kept over a time; what is not there was not kept."""

    start: Instant
    end: Instant
    readings: Mapping[int, DatastreamReadings] = field(default_factory=dict)  #: by datastream
    #: those that end in it, ascending, by size and datastream
    windows: Mapping[tuple[WindowName, int], Sequence[Aggregate]] = field(default_factory=dict)
    #: ascending (time, value, flags), by entity and name
    derived: Mapping[tuple[str, str], Sequence[tuple[Instant, float, int]]] = field(default_factory=dict)


class SeriesHistory:
    """Some series over stored history, stretch after stretch."""

    def __init__(self, series: Iterable[OperandSeries], model: CityModel) -> None:
        self._model = model
        self._series = frozenset(series)
        self._behind = {one: datastreams_behind(one, model) for one in self._series}
        self._observed = {
            one: ObservedSeries(model.properties[one.name], behind)
            for one, behind in self._behind.items()
            if behind and one.over == "instant"
        }

    @property
    def needs(self) -> HistoryNeeds:
        """What of history they are made of."""
        return HistoryNeeds(
            frozenset(each.id for one in self._observed.values() for each in one.datastreams),
            frozenset(
                (one.over, each.id)
                for one, behind in self._behind.items()
                for each in behind
                if one.over != "instant"
            ),
            frozenset((one.entity, one.name) for one, behind in self._behind.items() if not behind),
        )

    def columns(self, stretch: HistoryChunk) -> dict[OperandSeries, PointColumn]:
        """Return the points of the next stretch."""
        return {one: self._column(one, stretch) for one in self._series}

    def _column(self, series: OperandSeries, stretch: HistoryChunk) -> PointColumn:
        behind = self._behind[series]
        if not behind:
            rows = stretch.derived.get((series.entity, series.name), ())
            interval = _derived_interval(series, self._model)
            return PointColumn.from_points(
                [derived_point(value, time, flags, interval) for time, value, flags in rows]
            )
        if series.over == "instant":
            readings = {
                one.id: found for one in behind if (found := stretch.readings.get(one.id)) is not None
            }
            return self._observed[series].column(readings) if readings else EMPTY
        return self._windows(series, behind, stretch)

    def _windows(
        self, series: OperandSeries, behind: Sequence[Datastream], stretch: HistoryChunk
    ) -> PointColumn:
        told = sorted(
            (one for each in behind for one in stretch.windows.get((series.over, each.id), ())),
            key=lambda one: (one.start, one.datastream),
        )
        property = self._model.properties[series.name]
        points: list[Point] = []
        for _, group in groupby(told, key=lambda one: one.start):
            trail = WindowHistory()
            for last in group:
                trail.add(last)
            point = window_point(series, last, trail, property)
            if point is not None:
                points.append(point)
        return PointColumn.from_points(points)


def datastreams_behind(series: OperandSeries, model: CityModel) -> tuple[Datastream, ...]:
    """Return the datastreams whose observations a series follows from; none of what is derived."""
    return tuple(
        one
        for one in model.datastreams_of(series.entity, series.name)
        if one.property in model.properties and not model.policy_of(one).personal
    )


def _derived_interval(series: OperandSeries, model: CityModel) -> Duration:
    """Return how often a derived value is made anew, as far as the model tells."""
    if not series.name.startswith(AREA_PREFIX):
        return derived_interval(series.name) or model.interval_of(series.entity)
    name = series.name.removeprefix(AREA_PREFIX)
    intervals = [
        one.interval for entity in model.within(series.entity) for one in model.datastreams_of(entity, name)
    ]
    return max(intervals, default=derived_interval(name))
