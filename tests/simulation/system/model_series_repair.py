"""Repair of derived series on the database in memory, as `storage.maintenance.series_repair` does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from storage.maintenance.changed_series import DERIVED_REACH_MAX
from storage.maintenance.log_sender import point_records
from storage.maintenance.series_repair import SeriesTask, StoredPoint, computed_points, last_points_of_slots
from tests.simulation.system.model_area_repair import newest_area_times
from tests.simulation.system.model_database import ModelDatabase
from tests.simulation.system.model_history import history_chunk
from tests.simulation.system.simulated_log import SimulatedLog
from twin.alarms.rules.operand import WINDOW_SIZES
from twin.backtest.history_chunk import HistoryChunk, HistoryNeeds
from twin.indicators.indicator import IndicatorValue
from twin.instant import DAY, HOUR, INSTANT_MAX, INSTANT_MIN, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, roll_up_of
from twin.state.area_members import area_of, areas_around
from twin.state.derived_points import entity_inputs
from twin.wire.messages import Update, UpdateKind


def request_series_of_datastream(database: ModelDatabase, entity: str, span: tuple[Instant, Instant]) -> None:
    """Request all that is derived from a span of a datastream's windows."""
    for day in range(span[0] - span[0] % DAY, span[1] + DERIVED_REACH_MAX + 1, DAY):
        database.request_series(entity, "", day, database.windows_to())


def run_series_repairs(database: ModelDatabase, model: CityModel, log: SimulatedLog) -> int:
    """Process the requests that are ready; return their number."""
    ready = [
        key
        for key, request in database.series_repairs.items()
        if not key[1].startswith(AREA_PREFIX) and database.has_stored_inputs(request)
    ]
    for key in sorted(ready):
        del database.series_repairs[key]
        if key[2] == INSTANT_MIN:
            _request_days(database, model, *key[:2])
        else:
            _repair_day(database, model, log, key)
    return len(ready)


def _request_days(database: ModelDatabase, model: CityModel, entity: str, name: str) -> None:
    """Request each day of which single values or windows of hours are stored, and the day after."""
    for datastream in model.datastreams_of(entity):
        times = {one.phenomenon_time for one in database.observations_of(datastream.id)}
        for day in {time - time % DAY for time in times | database.windows_of(HOUR, datastream.id).keys()}:
            for key in ((entity, name, day), (entity, name, day + DAY)):
                if key not in database.series_repairs:
                    database.request_series(*key)


def _repair_day(
    database: ModelDatabase, model: CityModel, log: SimulatedLog, key: tuple[str, str, Instant]
) -> None:
    entity, name, day = key
    required = entity_inputs(entity, model)
    indicators = [one for one in required.indicators if name in ("", one.name)]
    ids = [one.id for one in model.datastreams_of(entity)]
    task = SeriesTask(model, entity, required, indicators, (day, day + DAY), database.told_times(ids))
    computed = computed_points(task, _chunk(database, model, entity)) if indicators else {}
    known = _stored_points(database, entity, computed, (day - HOUR, day + DAY))
    changed = _store(database, entity, computed, day)
    for changed_name, time in changed:
        database.note_changed_series(entity, changed_name, time)
        database.note_repaired_point(entity, changed_name, time)
    for repaired in computed:
        database.note_outdated_state(entity, repaired)
    now_stored = _stored_points(database, entity, computed, (day, day + DAY))
    newest = newest_area_times(database, areas_around(entity, model), computed)
    of_area = last_points_of_slots(entity, {key: now_stored[key] for key in changed}, known, newest, model)
    for record in point_records(of_area, log.partition_count):
        log.append(*record)
    days = {(changed_name, time - time % DAY) for changed_name, time in changed}
    if not name:
        days |= {(one.property, day) for one in model.datastreams_of(entity)}
    area = area_of(entity, model)
    for changed_name, of_day in days if area is not None else ():
        if roll_up_of(changed_name, model) != "none":
            database.request_series(area or "", AREA_PREFIX + changed_name, of_day)


def _stored_points(
    database: ModelDatabase, entity: str, names: Iterable[str], span: tuple[Instant, Instant]
) -> dict[tuple[str, Instant], StoredPoint]:
    return {
        (name, time): StoredPoint(one.value, one.flags, one.count, one.revision)
        for name in names
        for time, one in database.values_of(entity, name).items()
        if span[0] <= time < span[1]
    }


def _chunk(database: ModelDatabase, model: CityModel, entity: str) -> HistoryChunk:
    """Return the inputs of the derived values of an entity."""
    datastreams = model.datastreams_of(entity)
    personal = {one.property for one in datastreams if model.policy_of(one).personal}
    ids = frozenset(one.id for one in datastreams if one.property not in personal)
    needs = HistoryNeeds(
        ids,
        frozenset((size, id) for size in WINDOW_SIZES if size != "instant" for id in ids),
        frozenset((entity, property) for property in personal),
    )
    return history_chunk(database, model, INSTANT_MIN, INSTANT_MAX, needs)


def _store(
    database: ModelDatabase,
    entity: str,
    computed: Mapping[str, Mapping[Instant, IndicatorValue]],
    day: Instant,
) -> list[tuple[str, Instant]]:
    """Store the points of a day that differ from the stored ones; return their names and times."""
    changed: list[tuple[str, Instant]] = []
    for name, points in computed.items():
        stored = {
            time: update
            for time, update in database.values_of(entity, name).items()
            if day <= time < day + DAY
        }
        for time in stored.keys() | points.keys():
            known, point = stored.get(time), points.get(time)
            value, flags, count = (
                (point.value, point.flags, len(point.inputs)) if point is not None else (math.nan, 0, 0)
            )
            if known is not None and _equal(known, value, flags, count):
                continue
            database.store_value(
                Update(
                    entity, name, known.revision if known is not None else 0, value, time, 0, flags, (), None,
                    UpdateKind.AMENDMENT, count=count,
                )
            )  # fmt: skip
            changed.append((name, time))
    return changed


def _equal(known: Update, value: float, flags: int, count: int) -> bool:
    if math.isnan(value):
        return math.isnan(known.value)
    return (known.value, known.flags, known.count) == (value, flags, count)
