"""Reads the newest points of rules' operands, and the states of rules that follow from them."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from storage.database import Connection, fetch_rows
from storage.history.baseline_seed import read_baselines_until
from storage.history.chunk_reader import WINDOW_TABLES, expected_rows, read_chunk
from storage.queries import query
from storage.stores.alarms import read_whole_alarm_history
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.messages import AlarmEvent, alarm_id
from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries, Point
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.backtest.baseline_history import baseline_series
from twin.backtest.condition_history import (
    AlarmHistory,
    correction_of,
    state_span,
    stored_condition,
)
from twin.backtest.history_chunk import SeriesHistory, datastreams_of_series
from twin.backtest.point_column import PointColumn
from twin.instant import HOUR, INSTANT_MAX, INSTANT_MIN, Duration, Instant, from_datetime
from twin.model.city_model import CityModel

log = logging.getLogger(__name__)

STATES_MAX = 50_000
"""The most states of rules to read when a log begins; others start with the severity of their alarm."""

SERIES_PER_READ = 100
"""The number of series whose points are held at a time."""

ROWS_PER_SERIES_MAX = 20_000
"""The most rows to read for the state of a rule: long delays of fast sensors need many."""

MARGIN_INTERVALS = 12
"""How many intervals earlier the datastreams of a combined property are read, so that none is missing."""


class SeriesEnd(NamedTuple):
    """The newest stored point of a series."""

    time: Instant
    received_time: Instant  #: INSTANT_MIN: not stored


async def newest_points(
    connection: Connection, series: Iterable[OperandSeries], model: CityModel
) -> dict[OperandSeries, SeriesEnd]:
    """Return the newest stored point of each series; series without one are left out."""
    by_datastream: dict[OperandSeries, tuple[int, ...]] = {}
    derived: list[OperandSeries] = []
    for one in set(series):
        ids = tuple(datastream.id for datastream in datastreams_of_series(one, model))
        if ids:
            by_datastream[one] = ids
        else:
            derived.append(one)
    ends: dict[tuple[str, int], SeriesEnd] = {}
    instants = sorted({id for one, ids in by_datastream.items() if one.over == "instant" for id in ids})
    for id, time, received in await fetch_rows(
        connection, "history/chunks/find_newest_observation_times", {"datastreams": instants}
    ):
        ends["instant", id] = SeriesEnd(from_datetime(time), from_datetime(received))
    for window, table in WINDOW_TABLES.items():
        ids_of_window = sorted({id for one, ids in by_datastream.items() if one.over == window for id in ids})
        if not ids_of_window:
            continue
        statement = query("history/chunks/find_newest_window_starts", table=table)
        async with connection.transaction():
            rows = await (await connection.execute(statement, {"datastreams": ids_of_window})).fetchall()
        for id, start in rows:
            ends[window, id] = SeriesEnd(from_datetime(start) + WINDOW_SIZES[window], INSTANT_MIN)
    found = {
        one: max(known)
        for one, ids in by_datastream.items()
        if (known := [ends[one.over, id] for id in ids if (one.over, id) in ends])
    }
    names = {(one.entity, one.name): one for one in derived}
    parameters = {"entities": [entity for entity, _ in names], "names": [name for _, name in names]}
    for entity, name, time in await fetch_rows(
        connection, "history/chunks/find_newest_derived_times", parameters
    ):
        found[names[entity, name]] = SeriesEnd(from_datetime(time), INSTANT_MIN)
    return found


class JudgedEnds(NamedTuple):
    """The newest points of series that the stream has judged."""

    ends: Mapping[OperandSeries, SeriesEnd]
    until: Instant  #: all points up to here are judged; INSTANT_MAX: no stored one is later


def judged_ends(
    stored: Mapping[OperandSeries, SeriesEnd], told: Mapping[int, Instant], model: CityModel
) -> JudgedEnds:
    """Return up to where series are judged, by the newest time that the stream has told of each datastream.

    Series of which nothing was told are left out.
    """
    ends: dict[OperandSeries, SeriesEnd] = {}
    until = INSTANT_MAX
    for series, end in stored.items():
        ids = [one.id for one in datastreams_of_series(series, model)] if series.over == "instant" else []
        newest = max((told[id] for id in ids if id in told), default=None if ids else end.time)
        if newest is None:
            continue
        if newest < end.time:
            until = min(until, newest)
        ends[series] = end._replace(time=min(end.time, newest))
    return JudgedEnds(ends, until)


async def read_points(
    connection: Connection,
    model: CityModel,
    spans: Mapping[OperandSeries, tuple[Instant, Instant]],
    told: Mapping[int, Instant] | None = None,
) -> dict[OperandSeries, list[Point]]:
    """Return the stored points of series, each in start ≤ t ≤ end, oldest first.

    With `told`, only the observations of a datastream up to a time count.
    """
    groups: defaultdict[tuple[Duration, int], list[OperandSeries]] = defaultdict(list)
    for series, (start, end) in spans.items():
        length = max(HOUR, end - start)
        groups[length.bit_length(), end // length].append(series)
    found: dict[OperandSeries, list[Point]] = {}
    for group in groups.values():
        for first in range(0, len(group), SERIES_PER_READ):
            part = group[first : first + SERIES_PER_READ]
            found |= await _read_part(connection, model, {one: spans[one] for one in part}, told)
    return found


async def _read_part(
    connection: Connection,
    model: CityModel,
    spans: Mapping[OperandSeries, tuple[Instant, Instant]],
    told: Mapping[int, Instant] | None,
) -> dict[OperandSeries, list[Point]]:
    history = SeriesHistory(spans, model)
    intervals = [one.interval for series in spans for one in datastreams_of_series(series, model)]
    start = min(start for start, _ in spans.values()) - MARGIN_INTERVALS * max(intervals, default=0)
    end = max(end for _, end in spans.values()) + 1
    async with connection.transaction():
        chunk = await read_chunk(connection, history.needs, model, start, end)
    if told is not None:
        chunk = chunk.told(told)
    columns = await asyncio.to_thread(history.columns, chunk)
    return {series: _part(columns[series], *span) for series, span in spans.items()}


def _part(column: PointColumn, start: Instant, end: Instant) -> list[Point]:
    first, last = column.times.searchsorted(start), column.times.searchsorted(end, "right")
    return [column.point(index) for index in range(int(first), int(last))]


def point_spans(
    bound: Iterable[BoundRule], ends: Mapping[OperandSeries, SeriesEnd], model: CityModel
) -> dict[OperandSeries, tuple[Instant, Instant]]:
    """Return the span of each series that the states of rules need."""
    spans: dict[OperandSeries, tuple[Instant, Instant]] = {}
    for one in bound:
        for series in one.series:
            if series not in ends:
                continue
            end = ends[series].time
            start = end - _bounded_span(one, series, model)
            if one.uses_baseline:
                start -= start % HOUR  # the mean of the first hour is learned from all of its points
            spans[series] = min(start, spans.get(series, (start, end))[0]), end
    return spans


def _bounded_span(bound: BoundRule, series: OperandSeries, model: CityModel) -> Duration:
    span = state_span(bound, series, model)
    rows = expected_rows(SeriesHistory([series], model).needs, model, span)
    return span if rows <= ROWS_PER_SERIES_MAX else span * ROWS_PER_SERIES_MAX // rows


async def read_corrections(
    connection: Connection,
    model: CityModel,
    alarms: Sequence[AlarmEvent],
) -> list[AlarmCorrection]:
    """Return the states of all rules on values, by the stored points and alarms, at the beginning of a log.

    `alarms` are the newest events of all alarms. No transaction may be open on the connection.
    """
    index = RuleIndex(model)
    rules = [
        bound
        for entity in sorted(model.entities)
        for bound in index.rules_of(entity).rules.values()
        if bound.series and not bound.fault
    ]
    if len(rules) > STATES_MAX:
        log.warning(
            "the states of %d of %d rules on entities are read; delays and counts of the others begin anew",
            STATES_MAX,
            len(rules),
            extra={"event": "stream.conditions_incomplete", "rules": len(rules)},
        )
    rules = rules[:STATES_MAX]
    ends = await newest_points(connection, (series for bound in rules for series in bound.series), model)
    spans = point_spans(rules, ends, model)
    points = await read_points(connection, model, spans)
    # Each evaluation learns from its own points: it begins with what was known before them.
    learned = {one: spans[one][0] for one in baseline_series(model) if one in spans}
    baselines = await read_baselines_until(connection, model, learned)
    known = {event.alarm for event in alarms}
    asked = [id for bound in rules if (id := alarm_id(bound.rule.id, bound.entity)) in known]
    histories: dict[str, AlarmHistory] = {}
    for first in range(0, len(asked), SERIES_PER_READ):
        found = await read_whole_alarm_history(connection, asked[first : first + SERIES_PER_READ])
        for alarm, events in found.items():
            histories[alarm] = AlarmHistory.of([stored.event for stored in events])
    stored = _StoredStates(points, ends, histories, baselines)
    return [one for bound in rules if (one := stored.correction(bound)) is not None]


@dataclass(frozen=True, slots=True)
class _StoredStates:
    """What is stored of the operands and alarms of rules."""

    points: Mapping[OperandSeries, Sequence[Point]]
    ends: Mapping[OperandSeries, SeriesEnd]
    histories: Mapping[str, AlarmHistory]  #: by alarm
    baselines: Mapping[OperandSeries, Baseline]

    def correction(self, bound: BoundRule) -> AlarmCorrection | None:
        """Return the state of a rule on an entity and of its alarm; None if no point is stored."""
        ends = [self.ends[one] for one in bound.series if one in self.ends]
        if not ends:
            return None
        alarm = self.histories.get(alarm_id(bound.rule.id, bound.entity)) or AlarmHistory.of(())
        baseline = self.baselines.get(bound.series[0]) if bound.uses_baseline else None
        reached = stored_condition(
            bound,
            self.points,
            alarm,
            baseline.copy() if baseline is not None else None,
            self._arrived_time(max(ends)),
        )
        if reached is None:
            return None
        condition, severity = reached
        return correction_of(bound, alarm, severity, condition)

    def _arrived_time(self, newest: SeriesEnd) -> Instant:
        """Return when the newest point arrived; of a derived value, when the newest observation did."""
        if newest.received_time != INSTANT_MIN:
            return newest.received_time
        return max(0, *(end.received_time for end in self.ends.values()))
