"""Computes series of areas again from stored observations and values of entities, by the code of the stream.

The stream asks for it where a value counts in slots that its memory does not reach, and a repair of an entity
for all that its values touch. A name is computed for the whole city at once, so that an area and all above it
follow from the same values. What changes is stored under the revision that a value has: whatever the stream
emits later replaces it.

A value of an area may be stored before the values that it follows from, which are on other partitions of the
log. A repair would take it for wrong. So a round first looks which values are stored, waits until all is
stored that was on the log by then, and leaves those alone that came since.

Where neighbours are compared, the stream is told for newer slots which entities an area above has outvoted:
that area may have forgotten the slot, or never have had it in this log. For the same reason it is told the
newest point of a series whose state is none.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Protocol

from runtime.kafka.topics import OBSERVATIONS, UPDATES
from storage.database import Connection, fetch_rows
from storage.history.chunk_reader import read_chunk
from storage.maintenance.changed_series import note_changed_series, read_newest_area_times
from storage.maintenance.log_end import StoredUntil, read_database_time
from storage.maintenance.series_repair import (
    SeriesDay,
    consecutive_days,
    delete_requests,
    read_told_times,
)
from storage.queries import query
from storage.stores.log_positions import AGGREGATE_PROGRESS, UPDATE_PROGRESS
from twin.backtest.history_chunk import HistoryChunk, HistoryNeeds
from twin.backtest.readings import DatastreamReadings
from twin.instant import DAY, INSTANT_MIN, Duration, Instant, from_datetime, to_datetime
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, roll_up_of, series_interval, slot_of
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.quality.neighbours import disagreement_limit
from twin.quality.quality_flags import is_usable
from twin.state.area_members import area_of, member_entities
from twin.state.area_state import SLOTS_MAX, AreaState, AreaValue, last_slot, restoring_input, usable_value
from twin.state.combination import CombinationInput, combine
from twin.state.derived_points import derived_interval, is_windowed
from twin.state.freshness import live_duration
from twin.state.stored_area_series import area_points, area_states, votes_from_above
from twin.wire.messages import AreaInput

log = logging.getLogger(__name__)

AREA_DAYS_PER_ROUND_MAX = 4_000
"""The most requests of one round, each a day of an area."""

SPAN_DAYS_MAX = 31
"""The most days of a name that are computed at once: 2 million inputs of 50 sensors, one a minute."""

CARRY_MAX: Duration = 3 * DAY
"""How long a value counts after its measurement at most: 2.5 days of a sensor that reports once a day."""


class NamedDays(NamedTuple):
    """Requests for consecutive days of one name."""

    name: str  #: without `AREA_PREFIX`
    requests: Sequence[SeriesDay]

    def span(self, size: Duration) -> tuple[Instant, Instant]:
        """Return the phenomenon times that were requested, and those in which their values still count."""
        return self.requests[0].day, self.requests[-1].day + DAY + 3 * size


class StoredEntityValue(NamedTuple):
    """A stored derived value of an entity."""

    entity: str
    time: Instant
    value: float
    flags: int
    count: int  # type: ignore[assignment]


class StoredAreaPoint(NamedTuple):
    """A stored value of an area; NaN was withdrawn."""

    value: float
    flags: int
    count: int  # type: ignore[assignment]
    members: int
    members_expected: int
    revision: int


class NewestPoint(NamedTuple):
    """The newest stored point of a series of an area."""

    time: Instant
    value: float
    flags: int
    count: int  # type: ignore[assignment]
    members: int


class OutdatedState(NamedTuple):
    """A stored state of an area that is no point of its series, or not as that was computed again."""

    area: str
    time: Instant  #: of the state
    newest: NewestPoint | None  #: of the series


class AreaInputsLog(Protocol):
    """The topic `area-inputs`."""

    async def send_area_inputs(self, inputs: Sequence[AreaInput]) -> None:
        """Send inputs of areas; return when they are on the log."""


class _Round(NamedTuple):
    """Requests that are ready, and which values of areas were stored at a time."""

    model_version: int
    time: datetime  #: by the clock of the database
    days: Sequence[tuple[NamedDays, Mapping[str, int]]]  #: with the last stored revision of each area


class AreaRepairs:
    """Processes requests in rounds. Owned by one task."""

    def __init__(self, area_inputs: AreaInputsLog, stored_until: StoredUntil) -> None:
        self._area_inputs = area_inputs
        self._stored_until = stored_until
        self._round: _Round | None = None

    async def run(self, connection: Connection, model: CityModel) -> int:
        """Begin a round of at most `AREA_DAYS_PER_ROUND_MAX` requests, or finish it; return how many it did.

        A round is finished when all is stored that was on the log at its begin. Consecutive days of a name
        are one transaction. A request that is repeated meanwhile stays, and all wait while the database has a
        newer model. Raises ServiceError without Kafka.
        """
        if self._round is None or self._round.model_version != model.version:
            self._round = await _begin_round(connection, model)
        begun = self._round
        if begun is None:
            return 0
        until = await self._stored_until.read(connection, begun.time)
        if until is None or until <= begun.time:
            return 0
        self._round = None
        changed = 0
        for days, last_revisions in begun.days:
            changed += await _repair(connection, model, days, last_revisions, self._area_inputs)
        count = sum(len(days.requests) for days, _ in begun.days)
        log.info(
            "computed %d days of areas again, %d values changed",
            count,
            changed,
            extra={"event": "repair.areas_finished", "days": count, "values": changed},
        )
        return count


async def _begin_round(connection: Connection, model: CityModel) -> _Round | None:
    """Return the requests that are ready; None when none is."""
    rows = await fetch_rows(
        connection,
        "maintenance/areas/list_ready_area_repairs",
        {
            "topic": OBSERVATIONS,
            "windows": AGGREGATE_PROGRESS,
            "derived": UPDATE_PROGRESS,
            "updates": UPDATES,
            "model_version": model.version,
            "limit": AREA_DAYS_PER_ROUND_MAX,
        },
    )
    ready = [SeriesDay(area, name, from_datetime(day), number) for area, name, day, number in rows]
    if not ready:
        return None
    days = [(one, await _read_last_revisions(connection, model, one)) for one in named_days(ready)]
    # The end of the log is read later than this: all that these values follow from is before it.
    return _Round(model.version, await read_database_time(connection), days)


async def _read_last_revisions(connection: Connection, model: CityModel, days: NamedDays) -> dict[str, int]:
    """Return the last revision that is stored of each affected area, in the span of some days."""
    start, end = days.span(series_interval(days.name, model))
    rows = await fetch_rows(
        connection,
        "maintenance/areas/list_last_revisions",
        {
            "areas": affected_areas(days, model),
            "name": AREA_PREFIX + days.name,
            "start": to_datetime(start),
            "end": to_datetime(end),
        },
    )
    return dict(rows)


def named_days(requests: Sequence[SeriesDay]) -> Iterator[NamedDays]:
    """Yield the requests of each name, ascending by day, in groups of consecutive days.

    >>> days = [SeriesDay("a", "area_pm2_5", day * DAY, 1) for day in (1, 2, 2, 4)]
    >>> [len(one.requests) for one in named_days(days)]
    [3, 1]
    """
    for name, of_name in groupby(requests, key=attrgetter("name")):
        for group in consecutive_days(of_name, SPAN_DAYS_MAX):
            yield NamedDays(name.removeprefix(AREA_PREFIX), group)


async def _repair(
    connection: Connection,
    model: CityModel,
    days: NamedDays,
    last_revisions: Mapping[str, int],
    area_inputs: AreaInputsLog,
) -> int:
    """Compute days of a name again, for the areas that they affect; return the number of changes."""
    name = days.name
    areas = affected_areas(days, model)
    changed: dict[tuple[str, Instant], StoredAreaPoint] = {}
    votes: list[AreaInput] = []
    members = [one for id in _roots(model) for one in member_entities(id, name, model)]
    if areas and roll_up_of(name, model) != "none" and await _is_kept(connection, model, days, members):
        span = days.span(series_interval(name, model))
        # Before the inputs: what is stored meanwhile follows from newer ones, and has another revision.
        stored = await _read_stored(connection, name, span, areas)
        inputs = await _read_inputs(connection, model, days, members)
        states = await asyncio.to_thread(area_states, name, inputs, model)
        found = area_points(name, states, model)
        computed = {area: found.get(area, {}) for area in areas}
        changed = changed_points(stored, span, computed, last_revisions)
        if changed:
            newest = await read_newest_area_times(connection, areas, [name])
            votes = votes_of_changes(name, changed, newest, states, model)
    async with connection.transaction():
        if changed:
            await _write(connection, name, changed)
            series = {(area, AREA_PREFIX + name) for area, _ in changed}
            await note_changed_series(connection, series, min(time for _, time in changed))
        outdated = await _read_outdated_states(connection, name, areas)
        if told := [*votes, *restoring_inputs(name, outdated, model)]:
            await area_inputs.send_area_inputs(told)
        await delete_requests(connection, days.requests)
    return len(changed)


def _roots(model: CityModel) -> list[str]:
    return sorted(id for id, one in model.entities.items() if one.parent is None)


def affected_areas(days: NamedDays, model: CityModel) -> list[str]:
    """Return the areas whose points may change: those requested, and all above them.

    Where neighbours are compared it is every area: a value that is counted above decides there which values
    of other areas are outvoted.
    """
    found: set[str] = set()
    for request in days.requests:
        found.update(model.around(request.entity))
    if found and disagreement_limit(days.name, model) is not None:
        found.update(id for id in model.entities if area_of(id, model) == id)
    return sorted(found)


def _read_span(days: NamedDays, size: Duration) -> tuple[Instant, Instant]:
    """Return the span of the values behind the requested points, and of those that still count in them."""
    start, end = days.span(size)
    return start - size - CARRY_MAX, end + size


async def _is_kept(connection: Connection, model: CityModel, days: NamedDays, members: Sequence[str]) -> bool:
    """Whether all observations behind the points are kept: else the stored points stay as they are."""
    ids = [one.id for entity in members for one in model.datastreams_of(entity, days.name)]
    rows = await fetch_rows(connection, "maintenance/series/list_kept_inputs", {"datastreams": ids})
    first, _ = _read_span(days, series_interval(days.name, model))
    return all(raw_from is None or from_datetime(raw_from) <= first for _, raw_from, _, _ in rows)


async def _read_inputs(
    connection: Connection, model: CityModel, days: NamedDays, members: Sequence[str]
) -> list[AreaInput]:
    """Return what the entities of the city send to their areas, from what is stored of them."""
    name = days.name
    start, end = _read_span(days, series_interval(name, model))
    rows = await fetch_rows(
        connection,
        "maintenance/areas/list_values_for_areas",
        {"entities": list(members), "name": name, "start": to_datetime(start), "end": to_datetime(end)},
    )
    values = [StoredEntityValue(entity, from_datetime(time), *others) for entity, time, *others in rows]
    needs = HistoryNeeds(
        frozenset(one.id for entity in members for one in told_datastreams(entity, name, model))
    )
    # Before the observations: what the stream tells meanwhile, it rolls up itself.
    told = await read_told_times(connection, model, members)
    async with connection.transaction():
        chunk = await read_chunk(connection, needs, model, start, end)
    return stored_area_inputs(name, values, chunk, told, model)


def stored_area_inputs(
    name: str,
    values: Iterable[StoredEntityValue],
    chunk: HistoryChunk,
    told: Mapping[int, Instant],
    model: CityModel,
) -> list[AreaInput]:
    """Return what entities send to their areas: of derived values and of the observations in a chunk.

    `told` is, by datastream, the newest value that the stream has told: later ones may lack their
    assessments, and it rolls them up itself.
    """
    size = series_interval(name, model)
    windowed = name in model.properties or is_windowed(name)
    inputs: dict[tuple[str, Instant], AreaInput] = {}
    for entity, time, value, flags, count in values:
        area = area_of(entity, model)
        if area is not None:
            slot = slot_of(time, size, windowed=windowed)
            interval = derived_interval(name, entity, model) or model.interval_of(entity)
            last = last_slot(slot, size, live_duration(interval))
            sent = usable_value(value, flags) if name in model.properties or is_usable(flags) else None
            inputs[entity, slot] = AreaInput(
                area, entity, name, sent, time, flags, max(1, count), last, 0, slot
            )  # fmt: skip
    for entity in {model.datastreams[id].entity for id in chunk.readings if id in model.datastreams}:
        datastreams = told_datastreams(entity, name, model)
        readings = {
            one.id: chunk.readings[one.id].until(told.get(one.id, INSTANT_MIN))
            for one in datastreams
            if one.id in chunk.readings
        }
        for input in _observed_inputs(entity, name, datastreams, readings, model):
            inputs[entity, input.slot] = input
    return [inputs[key] for key in sorted(inputs)]


def told_datastreams(entity: str, name: str, model: CityModel) -> list[Datastream]:
    """Return the datastreams of a name whose single values an entity tells its area."""
    return [one for one in model.datastreams_of(entity, name) if not model.policy_of(one).personal]


def _observed_inputs(
    entity: str,
    name: str,
    datastreams: Sequence[Datastream],
    readings: Mapping[int, DatastreamReadings],
    model: CityModel,
) -> Iterator[AreaInput]:
    """Yield the last value of each slot of an observed property of an entity."""
    area, size = area_of(entity, model), series_interval(name, model)
    if area is None or not readings:
        return
    live = live_duration(min(one.interval for one in datastreams))
    last_times: dict[Instant, Instant] = {}
    for found in readings.values():
        for time in found.times.tolist():
            slot = time - time % size
            last_times[slot] = max(time, last_times.get(slot, time))
    for slot, time in sorted(last_times.items()):
        parts = [
            CombinationInput(newest, None, one.interval)
            for one in datastreams
            if one.id in readings and (newest := _newest_until(time, one.id, readings[one.id])) is not None
        ]
        state = combine(model.properties[name], parts)
        yield AreaInput(
            area, entity, name, usable_value(state.value, state.flags), state.phenomenon_time, state.flags,
            max(1, len(state.datastreams)), last_slot(slot, size, live), 0, slot,
        )  # fmt: skip


def _newest_until(time: Instant, datastream: int, readings: DatastreamReadings) -> Observation | None:
    place = int(readings.times.searchsorted(time, side="right")) - 1
    if place < 0:
        return None
    columns = (readings.times, readings.received, readings.values, readings.flags)
    return Observation(datastream, *(column[place].item() for column in columns))


async def _read_stored(
    connection: Connection, name: str, span: tuple[Instant, Instant], areas: Sequence[str]
) -> dict[tuple[str, Instant], StoredAreaPoint]:
    """Return the stored points of a name in areas, also those that were withdrawn."""
    rows = await fetch_rows(
        connection,
        "maintenance/areas/list_stored_area_points",
        {
            "areas": list(areas),
            "name": AREA_PREFIX + name,
            "start": to_datetime(span[0]),
            "end": to_datetime(span[1]),
        },
    )
    return {
        (area, from_datetime(time)): StoredAreaPoint(math.nan if value is None else value, *others)
        for area, time, value, *others in rows
    }


def changed_points(
    stored: Mapping[tuple[str, Instant], StoredAreaPoint],
    span: tuple[Instant, Instant],
    computed: Mapping[str, Mapping[Instant, AreaValue]],
    last_revisions: Mapping[str, int],
) -> dict[tuple[str, Instant], StoredAreaPoint]:
    """Return the points of a span that differ from the stored ones, with the revision of these.

    Those that have a revision behind the last one of their area are left alone.
    """
    start, end = span
    changed: dict[tuple[str, Instant], StoredAreaPoint] = {}
    for area, points in computed.items():
        for time, value in points.items():
            if not start <= time < end:
                continue
            known = stored.get((area, time))
            revision = known.revision if known is not None else 0
            counts = value.weight, value.members, value.members_expected
            point = StoredAreaPoint(value.value, value.flags, *counts, revision)
            if known is None or not _is_same(point, known):
                changed[area, time] = point
    for key, known in stored.items():
        if key[1] not in computed[key[0]] and not math.isnan(known.value):
            changed[key] = StoredAreaPoint(math.nan, 0, 0, 0, known.members_expected, known.revision)
    return {key: point for key, point in changed.items() if point.revision <= last_revisions[key[0]]}


def votes_of_changes(
    name: str,
    changed: Iterable[tuple[str, Instant]],
    newest: Mapping[tuple[str, str], Instant],
    states: Mapping[str, AreaState],
    model: CityModel,
) -> list[AreaInput]:
    """Return what areas above say about the entities of changed points, of slots that the stream may keep.

    `newest` is the time of the state of each area.
    """
    if disagreement_limit(name, model) is None:
        return []
    kept = (SLOTS_MAX - 1) * series_interval(name, model)
    return [
        vote
        for area, time in changed
        if time >= newest.get((area, name), time) - kept
        for vote in votes_from_above(area, time, name, states, model)
    ]


async def _read_outdated_states(
    connection: Connection, name: str, areas: Sequence[str]
) -> list[OutdatedState]:
    rows = await fetch_rows(
        connection,
        "maintenance/areas/list_outdated_area_states",
        {"areas": list(areas), "name": AREA_PREFIX + name},
    )
    return [
        OutdatedState(
            area,
            from_datetime(time),
            None if newest is None else NewestPoint(from_datetime(newest), *point),
        )
        for area, time, newest, *point in rows
    ]


def restoring_inputs(name: str, outdated: Iterable[OutdatedState], model: CityModel) -> list[AreaInput]:
    """Return what areas are told whose state is no point of their series: the newest point."""
    size = series_interval(name, model)
    found = []
    for area, time, newest in outdated:
        slot = slot_of(time if newest is None else newest.time, size, windowed=is_windowed(name))
        found.append(restoring_input(area, name, slot, newest[1:] if newest is not None else None))
    return found


def _is_same(one: StoredAreaPoint, other: StoredAreaPoint) -> bool:
    """Return whether two points are equal; the same sum may differ in the last digit, in another order."""
    return one[1:] == other[1:] and math.isclose(one.value, other.value, rel_tol=1e-12, abs_tol=1e-12)


async def _write(
    connection: Connection, name: str, points: dict[tuple[str, Instant], StoredAreaPoint]
) -> None:
    await connection.execute(
        query("maintenance/areas/merge_repaired_area_points"),
        {
            "name": AREA_PREFIX + name,
            "areas": [area for area, _ in points],
            "times": [to_datetime(time) for _, time in points],
            "values": [None if math.isnan(one.value) else one.value for one in points.values()],
            "flags": [one.flags for one in points.values()],
            "counts": [one.count for one in points.values()],
            "members": [one.members for one in points.values()],
            "expected": [one.members_expected for one in points.values()],
            "revisions": [one.revision for one in points.values()],
        },
    )
