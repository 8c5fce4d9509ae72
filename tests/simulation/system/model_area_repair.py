"""Repair of series of areas on the database in memory, as `storage.maintenance.area_repair` does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from storage.maintenance.area_repair import (
    NamedDays,
    NewestPoint,
    OutdatedState,
    StoredAreaPoint,
    StoredEntityValue,
    affected_areas,
    changed_points,
    named_days,
    restoring_inputs,
    stored_area_inputs,
    told_datastreams,
    votes_of_changes,
)
from storage.maintenance.log_sender import repaired_area_records
from storage.maintenance.series_repair import SeriesDay
from tests.simulation.system.model_database import STORED_TOPICS, ModelDatabase, SeriesRepairRequest
from tests.simulation.system.model_history import history_chunk
from tests.simulation.system.simulated_log import SimulatedLog
from twin.backtest.history_chunk import HistoryNeeds
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, roll_up_of, series_interval
from twin.state.stored_area_series import area_points, area_states
from twin.wire.messages import AreaInput, Update, UpdateKind

SeriesKey: TypeAlias = tuple[str, str, Instant]
"""Entity, name and day."""


@dataclass(frozen=True, slots=True)
class AwaitedEnd:
    """The end of the log at a moment, which requests of then await, as `storage.maintenance.log_end` does."""

    log: SimulatedLog
    ends: Mapping[tuple[str, int], int]  #: by topic and partition
    requests: Mapping[SeriesKey, SeriesRepairRequest]
    last_revisions: Mapping[tuple[str, str], int]  #: that are stored of areas, by area and name

    @classmethod
    def of(cls, log: SimulatedLog, database: ModelDatabase) -> AwaitedEnd:
        """Return the end of now."""
        ends = {place: log.end(*place) for place in log.partitions() if place[0] in STORED_TOPICS}
        return cls(log, ends, dict(database.series_repairs), database.last_revisions(AREA_PREFIX))


def run_area_repairs(
    database: ModelDatabase, model: CityModel, log: SimulatedLog, awaited: AwaitedEnd | None = None
) -> int:
    """Process the requests that are ready, when nothing below them waits; return their number.

    The stream may not have rolled up yet what is stored of entities: in the system it may be any time behind.
    Of requests with an awaited end only those that were not repeated since are processed.
    """
    awaited = AwaitedEnd.of(log, database) if awaited is None else awaited
    stored = [key for key, request in database.series_repairs.items() if database.has_stored_inputs(request)]
    ready = [key for key in stored if key[1].startswith(AREA_PREFIX)]
    if len(ready) < len(stored) or database.ready_repairs():
        return 0
    ready = [key for key in ready if database.series_repairs[key] is awaited.requests.get(key)]
    requests = [
        SeriesDay(*key, requests=1) for key in sorted(ready, key=lambda key: (key[1], key[2], key[0]))
    ]
    for days in named_days(requests):
        _repair(database, model, days, awaited)
    for key in ready:
        del database.series_repairs[key]
    return len(ready)


def _repair(database: ModelDatabase, model: CityModel, days: NamedDays, awaited: AwaitedEnd) -> None:
    name, log = days.name, awaited.log
    areas = affected_areas(days, model)
    if not areas or roll_up_of(name, model) == "none":
        return
    states = area_states(name, _inputs(database, model, name), model)
    found = area_points(name, states, model)
    start, end = days.span(series_interval(name, model))
    stored = {
        (area, time): StoredAreaPoint(
            one.value, one.flags, one.count, one.members, one.members_expected, one.revision
        )
        for area in areas
        for time, one in database.values_of(area, AREA_PREFIX + name).items()
        if start <= time < end
    }
    computed = {area: found.get(area, {}) for area in areas}
    last_revisions = {area: awaited.last_revisions[area, AREA_PREFIX + name] for area in areas}
    changed = changed_points(stored, (start, end), computed, last_revisions)
    _store(database, AREA_PREFIX + name, changed)
    newest = newest_area_times(database, areas, [name])
    votes = votes_of_changes(name, changed, newest, states, model)
    restoring = restoring_inputs(name, _outdated_states(database, name, areas), model)
    for record in repaired_area_records([*votes, *restoring], log.partition_count):
        log.append(*record)


def _outdated_states(database: ModelDatabase, name: str, areas: Iterable[str]) -> Iterator[OutdatedState]:
    """Yield the states that are no point of their series, as `list_outdated_area_states.sql` does."""
    for area in areas:
        state = database.updates.get((area, AREA_PREFIX + name))
        if state is None:
            continue
        points = database.values_of(area, AREA_PREFIX + name)
        newest = max((one for one in points.items() if not math.isnan(one[1].value)), default=None)
        own = points.get(state.phenomenon_time)
        if math.isnan(state.value):
            is_outdated = newest is not None
        elif own is None:
            is_outdated = False
        else:
            is_newest = newest is not None and newest[0] == state.phenomenon_time
            is_outdated = math.isnan(own.value) or (
                is_newest and state.members > 0 and not _is_same(own, state)
            )
        if is_outdated:
            point = None
            if newest is not None:
                time, one = newest
                point = NewestPoint(time, one.value, one.flags, one.count, one.members)
            yield OutdatedState(area, state.phenomenon_time, point)


def _is_same(own: Update, state: Update) -> bool:
    return own.members == state.members and math.isclose(own.value, state.value, rel_tol=1e-12, abs_tol=1e-12)


def newest_area_times(
    database: ModelDatabase, areas: Iterable[str], names: Iterable[str]
) -> dict[tuple[str, str], Instant]:
    """Return the times of the states of areas, by area and name."""
    known = {
        (area, name): database.updates.get((area, AREA_PREFIX + name)) for area in areas for name in names
    }
    return {key: one.phenomenon_time for key, one in known.items() if one is not None}


def _inputs(database: ModelDatabase, model: CityModel, name: str) -> list[AreaInput]:
    """Return what the entities of the city send to their areas."""
    values = [
        StoredEntityValue(entity, time, one.value, one.flags, one.count)
        for entity in model.entities
        for time, one in sorted(database.values_of(entity, name).items())
        if not math.isnan(one.value)
    ]
    ids = {one.id for entity in model.entities for one in told_datastreams(entity, name, model)}
    chunk = history_chunk(database, model, INSTANT_MIN, INSTANT_MAX, HistoryNeeds(frozenset(ids)))
    return stored_area_inputs(name, values, chunk, database.told_times(ids), model)


def _store(
    database: ModelDatabase, name: str, changed: Mapping[tuple[str, Instant], StoredAreaPoint]
) -> None:
    for (area, time), one in changed.items():
        database.store_value(
            Update(
                area, name, one.revision, one.value, time, 0, one.flags, (), None, UpdateKind.AMENDMENT,
                count=one.count, members=one.members, members_expected=one.members_expected,
            )
        )  # fmt: skip
        database.note_changed_series(area, name, time)
