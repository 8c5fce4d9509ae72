"""Computes derived series of entities again from stored windows and observations, by the code of the stream.

The stream asks for it where its memory does not reach, and a repair of windows for all that the windows
touch. Published sums of households are final and stay. What changes is stored under the revision that a value
has: whatever the stream emits later replaces it. Areas above are requested in turn.

The stream is told the changed points that its areas may keep: else an area would go on with what the entity
has sent before, and emit it again.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

from runtime.kafka.topics import OBSERVATIONS, UPDATES
from storage.database import Connection, fetch_rows, snapshot
from storage.history.chunk_reader import read_chunk
from storage.maintenance.changed_series import (
    note_changed_series,
    note_repaired_points,
    read_newest_area_times,
)
from storage.queries import query
from storage.stores.log_positions import AGGREGATE_PROGRESS, UPDATE_PROGRESS
from twin.alarms.rules.operand import WINDOW_SIZES, WindowName
from twin.backtest.history_chunk import HistoryChunk, HistoryNeeds
from twin.indicators.indicator import Indicator, IndicatorValue, InputValue
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, Duration, Instant, from_datetime, to_datetime
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, roll_up_of, series_interval, slot_of
from twin.model.observation import Observation
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.state.area_members import area_of, areas_around
from twin.state.area_state import SLOTS_MAX
from twin.state.derived_points import RequiredInputs, entity_inputs, is_windowed
from twin.state.freshness import live_duration
from twin.state.property_series import property_values
from twin.state.stored_series import StoredInputs, look_back, points_in
from twin.state.window_history import WindowHistory
from twin.wire.messages import SeriesPoint

log = logging.getLogger(__name__)

SERIES_DAYS_PER_ROUND_MAX = 2_000
"""The most requests of one round, each a day of an entity; other repairs take their turn between rounds."""

WINDOW_DAYS_MAX = 62
"""The most days that one transaction computes from windows: 1,500 hours of each input."""

VALUE_DAYS_MAX = 7
"""The most days that one transaction computes from single values: 600,000 of one a second."""

_WINDOW_NAMES: dict[Duration, WindowName] = {size: name for name, size in WINDOW_SIZES.items() if size}


class SeriesDay(NamedTuple):
    """A request to compute a day of derived series of an entity again."""

    entity: str
    name: str  #: empty: all of the entity
    day: Instant  #: its start; INSTANT_MIN: every day of which storage has inputs
    requests: int  #: how often it was requested


class SeriesTask(NamedTuple):
    """Series of one entity to compute again over a span."""

    model: CityModel
    entity: str
    required: RequiredInputs
    indicators: Sequence[Indicator]
    span: tuple[Instant, Instant]
    #: by datastream, its newest value that the stream has told: later ones may lack their assessments, and
    #: are left to the stream
    told: Mapping[int, Instant]


class StoredPoint(NamedTuple):
    """A stored value of a derived series; NaN was withdrawn."""

    value: float
    flags: int
    count: int  # type: ignore[assignment]
    revision: int


class SeriesPointLog(Protocol):
    """The topic `observations`, on which the stream is told what storage has computed."""

    async def send_points(self, points: Sequence[SeriesPoint]) -> None:
        """Send points of series of entities; return when they are on the log."""


async def repair_series(connection: Connection, model: CityModel, stream: SeriesPointLog) -> int:
    """Process at most `SERIES_DAYS_PER_ROUND_MAX` requests that are ready; return their number.

    Each group of consecutive days of an entity is one transaction. A request that is repeated meanwhile
    stays, and all wait while the database has a newer model.
    """
    async with snapshot(connection):
        cursor = await connection.execute(
            query("maintenance/series/list_ready_series_repairs"),
            {
                "topic": OBSERVATIONS,
                "windows": AGGREGATE_PROGRESS,
                "updates": UPDATE_PROGRESS,
                "updates_topic": UPDATES,
                "model_version": model.version,
                "limit": SERIES_DAYS_PER_ROUND_MAX,
            },
        )
        ready = [SeriesDay(one, name, from_datetime(day), n) for one, name, day, n in await cursor.fetchall()]
        told = await read_told_times(connection, model, {request.entity for request in ready})
    changed = 0
    whole = [request for request in ready if request.day == INSTANT_MIN]
    if whole:
        await _request_days(connection, whole)
    of_days = [request for request in ready if request.day != INSTANT_MIN]
    for entity, requests in groupby(of_days, key=lambda request: request.entity):
        required = entity_inputs(entity, model)
        for group in consecutive_days(requests, VALUE_DAYS_MAX if required.instants else WINDOW_DAYS_MAX):
            changed += await _repair_days(connection, model, required, group, told, stream=stream)
    if of_days:
        log.info(
            "computed %d days of derived series again, %d values changed",
            len(of_days),
            changed,
            extra={"event": "repair.series_finished", "days": len(of_days), "values": changed},
        )
    return len(ready)


async def read_told_times(
    connection: Connection, model: CityModel, entities: Iterable[str]
) -> dict[int, Instant]:
    """Return the time of the newest stored state of each datastream of entities.

    The assessments up to it are stored, when the stored updates are stored as far as windows are.
    """
    ids = [one.id for entity in entities for one in model.datastreams_of(entity)]
    rows = await fetch_rows(connection, "maintenance/series/list_told_times", {"datastreams": ids})
    return {id: from_datetime(time) for id, time in rows}


async def _request_days(connection: Connection, requests: Sequence[SeriesDay]) -> None:
    """Replace requests for whole series by those for each day of which storage has inputs.

    What such a request waits for is stored, so those for its days wait for nothing of their own.
    """
    async with connection.transaction():
        await connection.execute(
            query("maintenance/series/request_stored_days"),
            ([request.entity for request in requests], [request.name for request in requests]),
        )
        await delete_requests(connection, requests)


def consecutive_days(requests: Iterable[SeriesDay], days_max: int) -> list[list[SeriesDay]]:
    """Return the requests of one entity, ascending by day, in groups of consecutive days.

    >>> days = [SeriesDay("a", "", day * DAY, 1) for day in (1, 2, 2, 4)]
    >>> [len(one) for one in consecutive_days(days, 9)]
    [3, 1]
    """
    groups: list[list[SeriesDay]] = []
    for request in requests:
        last = groups[-1] if groups else None
        if (
            last is not None
            and request.day - last[-1].day <= DAY
            and request.day - last[0].day < days_max * DAY
        ):
            last.append(request)
        else:
            groups.append([request])
    return groups


async def _repair_days(
    connection: Connection,
    model: CityModel,
    required: RequiredInputs,
    group: Sequence[SeriesDay],
    told: Mapping[int, Instant],
    *,
    stream: SeriesPointLog,
) -> int:
    """Compute consecutive days of an entity again; return how many values changed."""
    entity, names = group[0].entity, {request.name for request in group}
    span = group[0].day, group[-1].day + DAY
    kept_from = await _kept_from(connection, model, entity)
    indicators = [
        one
        for one in required.indicators
        if ("" in names or one.name in names) and _is_kept(one, required, kept_from, span[0])
    ]
    changed: dict[tuple[str, Instant], StoredPoint] = {}
    points: list[SeriesPoint] = []
    if indicators and entity in model.entities:
        task = SeriesTask(model, entity, required, indicators, span, told)
        # Before the inputs: what is stored meanwhile follows from newer ones, and has another revision.
        # With a margin: a slot of an area ends with the first point of a day.
        before = span[0] - HOUR, span[1]
        known = await _read_stored(connection, entity, [one.name for one in indicators], before)
        stored = {key: one for key, one in known.items() if key[1] >= span[0]}
        chunk = await _read_inputs(connection, task)
        # A month of hours of an entity takes some hundred milliseconds.
        computed = await asyncio.to_thread(computed_points, task, chunk)
        changed = _changed_points(stored, computed)
        points = await _points_for_area(connection, model, entity, changed, known)
    async with connection.transaction():
        if changed:
            await _write_points(connection, entity, changed)
            series = {(entity, name) for name, _ in changed}
            await note_changed_series(connection, series, min(time for _, time in changed))
        if indicators and entity in model.entities:
            newest = {name: max(time for one, time in changed if one == name) for name, _ in changed}
            repaired = [one.name for one in indicators]
            first = model.datastreams_of(entity)[0].id
            await note_repaired_points(connection, first, entity, newest, repaired)
        if points:
            await stream.send_points(points)
        await _request_areas(connection, model, entity, changed, group)
        await delete_requests(connection, group)
    return len(changed)


async def delete_requests(connection: Connection, requests: Sequence[SeriesDay]) -> None:
    """Delete processed requests in the open transaction; one that was repeated meanwhile stays."""
    await connection.execute(
        query("maintenance/series/delete_series_repairs"),
        (
            [request.entity for request in requests],
            [request.name for request in requests],
            [to_datetime(request.day) for request in requests],
            [request.requests for request in requests],
        ),
    )


async def _kept_from(
    connection: Connection, model: CityModel, entity: str
) -> dict[tuple[str, Duration], Instant]:
    """Return since when inputs are kept, by property and size of window, 0 for single values."""
    ids = {one.id: one.property for one in model.datastreams_of(entity)}
    found: dict[tuple[str, Duration], Instant] = {}
    for id, raw_from, minute_from, hour_from in await fetch_rows(
        connection, "maintenance/series/list_kept_inputs", {"datastreams": list(ids)}
    ):
        for size, kept in ((0, raw_from), (10 * MINUTE, minute_from), (HOUR, hour_from)):
            if kept is not None:
                key = ids[id], size
                found[key] = max(from_datetime(kept), found.get(key, INSTANT_MIN))
    return found


def _is_kept(
    indicator: Indicator,
    required: RequiredInputs,
    kept_from: Mapping[tuple[str, Duration], Instant],
    start: Instant,
) -> bool:
    """Whether all inputs of the points from `start` on are kept: else the stored points stay as they are."""
    size = required.sizes[indicator.name]
    first = start - look_back(required, [indicator])
    return all(kept_from.get((one.property, size), INSTANT_MIN) <= first for one in indicator.inputs)


async def _read_inputs(connection: Connection, task: SeriesTask) -> HistoryChunk:
    model, entity, required, indicators, span, _ = task
    needs = HistoryNeeds()
    carried = 0
    for datastream in model.datastreams_of(entity):
        property, id = datastream.property, datastream.id
        used = [one for one in indicators if any(each.property == property for each in one.inputs)]
        if not used or property not in model.properties:
            continue
        if model.policy_of(datastream).personal:
            needs |= HistoryNeeds(derived=frozenset({(entity, property)}))
            continue
        carried = max(carried, live_duration(datastream.interval))
        for size in {required.sizes[one.name] for one in used}:
            if size:
                needs |= HistoryNeeds(windows=frozenset({(_WINDOW_NAMES[size], id)}))
            else:
                needs |= HistoryNeeds(frozenset({id}))
    # A value of one datastream counts beside those of the others while it is live.
    start = span[0] - look_back(required, indicators) - carried
    async with connection.transaction():
        return await read_chunk(connection, needs, model, start, span[1])


def computed_points(task: SeriesTask, chunk: HistoryChunk) -> dict[str, dict[Instant, IndicatorValue]]:
    """Return the points of each indicator by phenomenon time."""
    model, entity, required, indicators, span, told = task
    inputs = _stored_inputs(model, entity, chunk, told)
    attributes = model.entities[entity].attributes
    return {one.name: points_in(one, required, inputs, attributes, span) for one in indicators}


def _stored_inputs(
    model: CityModel, entity: str, chunk: HistoryChunk, told: Mapping[int, Instant]
) -> StoredInputs:
    histories: defaultdict[tuple[str, Duration], WindowHistory] = defaultdict(WindowHistory)
    for (name, id), aggregates in chunk.windows.items():
        history = histories[model.datastreams[id].property, WINDOW_SIZES[name]]
        for aggregate in aggregates:
            history.add(aggregate)
    windows = {}
    for (property, size), history in histories.items():
        values = (history.value(start, model.properties[property], size) for start in history.windows)
        windows[property, size] = {one.time: one for one in values if one is not None}
    sums = {
        name: {
            time - HOUSEHOLD_WINDOW: InputValue(value, time - HOUSEHOLD_WINDOW, flags)
            for time, value, flags in rows
        }
        for (_, name), rows in chunk.derived.items()
    }
    parts: defaultdict[str, dict[int, tuple[list[Observation], Duration]]] = defaultdict(dict)
    for id, readings in chunk.readings.items():
        datastream = model.datastreams[id]
        known = readings.until(told.get(id, INSTANT_MIN))
        columns = (known.times, known.received, known.values, known.flags)
        rows_of_one = zip(*(column.tolist() for column in columns), strict=True)
        observations = [Observation(id, *row) for row in rows_of_one]
        parts[datastream.property][id] = observations, datastream.interval
    values_of = {
        property: property_values(model.properties[property], series) for property, series in parts.items()
    }
    return StoredInputs(windows, sums, values_of)


async def _read_stored(
    connection: Connection, entity: str, names: Sequence[str], span: tuple[Instant, Instant]
) -> dict[tuple[str, Instant], StoredPoint]:
    """Return the stored points of indicators in a span, also those that were withdrawn."""
    rows = await fetch_rows(
        connection,
        "maintenance/series/list_stored_points",
        {
            "entity": entity,
            "names": list(names),
            "start": to_datetime(span[0]),
            "end": to_datetime(span[1]),
        },
    )
    return {
        (name, from_datetime(time)): StoredPoint(math.nan if value is None else value, *others)
        for name, time, value, *others in rows
    }


def _changed_points(
    stored: Mapping[tuple[str, Instant], StoredPoint],
    computed: Mapping[str, Mapping[Instant, IndicatorValue]],
) -> dict[tuple[str, Instant], StoredPoint]:
    """Return the points that differ from the stored ones, with the revision of these."""
    left = dict(stored)
    changed: dict[tuple[str, Instant], StoredPoint] = {}
    for name, points in computed.items():
        for time, value in points.items():
            known = left.pop((name, time), None)
            point = StoredPoint(value.value, value.flags, len(value.inputs), known.revision if known else 0)
            if point != known:
                changed[name, time] = point
    for key, known in left.items():
        if not math.isnan(known.value):
            changed[key] = StoredPoint(math.nan, 0, 0, known.revision)
    return changed


async def _points_for_area(
    connection: Connection,
    model: CityModel,
    entity: str,
    changed: Mapping[tuple[str, Instant], StoredPoint],
    known: Mapping[tuple[str, Instant], StoredPoint],
) -> list[SeriesPoint]:
    """Return what changes for the areas of an entity in slots that one of them may keep."""
    areas = areas_around(entity, model)
    names = sorted({name for name, _ in changed if roll_up_of(name, model) != "none"})
    if not areas or not names:
        return []
    newest = await read_newest_area_times(connection, areas, names)
    return last_points_of_slots(entity, changed, known, newest, model)


def last_points_of_slots(
    entity: str,
    changed: Mapping[tuple[str, Instant], StoredPoint],
    known: Mapping[tuple[str, Instant], StoredPoint],
    newest: Mapping[tuple[str, str], Instant],
    model: CityModel,
) -> list[SeriesPoint]:
    """Return the last point of each slot with a changed one; NaN: it has none. Only of slots that are kept.

    An area may keep the slots up to its state, and one around it may be behind: its inputs can be on other
    partitions of the log. `newest` are the times of the states of areas, `known` the stored points before the
    change.
    """
    areas = areas_around(entity, model)
    slots: dict[tuple[str, Instant], SeriesPoint] = {}
    touched: set[tuple[str, Instant]] = set()
    for (name, time), point in sorted({**known, **changed}.items(), key=lambda one: one[0]):
        if roll_up_of(name, model) == "none":
            continue
        size = series_interval(name, model)
        last = min((newest.get((area, name), time) for area in areas), default=time)
        if time < last - SLOTS_MAX * size:
            continue
        slot = name, slot_of(time, size, windowed=is_windowed(name))
        if (name, time) in changed:
            touched.add(slot)
        if slot not in slots or not math.isnan(point.value):
            slots[slot] = SeriesPoint(entity, name, time, point.value, point.flags, point.count)
    return [point for slot, point in slots.items() if slot in touched]


async def _write_points(
    connection: Connection, entity: str, points: Mapping[tuple[str, Instant], StoredPoint]
) -> None:
    await connection.execute(
        query("maintenance/series/merge_repaired_points"),
        {
            "entity": entity,
            "names": [name for name, _ in points],
            "times": [to_datetime(time) for _, time in points],
            "values": [None if math.isnan(one.value) else one.value for one in points.values()],
            "flags": [one.flags for one in points.values()],
            "counts": [one.count for one in points.values()],
            "revisions": [one.revision for one in points.values()],
        },
    )


async def _request_areas(
    connection: Connection,
    model: CityModel,
    entity: str,
    changed: Mapping[tuple[str, Instant], StoredPoint],
    group: Sequence[SeriesDay],
) -> None:
    """Request the days again of the series of the area that the changed values are rolled up to.

    A request for all series of the entity means that its observations changed in storage, too.
    """
    area = area_of(entity, model)
    if area is None:
        return
    days = {(name, time - time % DAY) for name, time in changed}
    for request in group:
        if not request.name:
            days |= {(one.property, request.day) for one in model.datastreams_of(entity)}
    wanted = sorted(
        (AREA_PREFIX + name, day)
        for name, day in days
        if (name in model.properties or not name.startswith(AREA_PREFIX))
        and roll_up_of(name, model) != "none"
    )
    if wanted:
        await connection.execute(
            query("maintenance/series/request_series_of_areas"),
            (
                [area] * len(wanted),
                [name for name, _ in wanted],
                [to_datetime(day) for _, day in wanted],
            ),
        )
