"""Recomputes assessments and windows from raw observations, with the stream's pure code in event-time order.

The state of a datastream does not depend on the order in which its observations arrived. So the result is
what the stream would have emitted if nothing had been late. Requests come from changed calibrations,
maintenance or quality rules, and from repairs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from storage.database import Connection, fetch_rows
from storage.historian.writers.aggregate_writer import write_aggregates, write_assessments
from storage.history.history_reader import calibrations_by_datastream
from storage.maintenance.changed_series import (
    note_changed_datastream,
    note_repaired_windows,
    request_series_of_datastream,
)
from storage.queries import query
from twin.instant import (
    DAY,
    HOUR,
    INSTANT_MAX,
    INSTANT_MIN,
    Duration,
    Instant,
    from_datetime,
    to_datetime,
)
from twin.model.city_model import CityModel
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.maintenance_window import MaintenanceSchedule, decode_window
from twin.model.observation import LastGoodValue, Observation
from twin.model.observed_property import ObservedProperty
from twin.model.recurrence import RecurringPeriod
from twin.quality.constant_run import ACTIVITY_MEMORY, STANDSTILL_MIN, ConstantRun, run_after
from twin.quality.quality_flags import TIME_FLAGS, UNUSABLE_FLAGS
from twin.quality.quality_rules import QualityRules
from twin.quality.stuck_runs import activity_memory, long_run
from twin.state.datastream_history import (
    HistorySpan,
    assess_history,
    needs_history,
    read_history_span,
    windows_of,
)
from twin.state.window import Aggregate, WindowAccumulator, aggregate_of
from twin.wire.messages import Assessment

log = logging.getLogger(__name__)

RECOMPUTE_SPAN = DAY
"""The time range of a datastream that one transaction recomputes."""

RECOMPUTE_SPANS_MAX = 32
"""The most time ranges of one round; repairs are processed between rounds."""

NEAR = 2 * DAY
"""The time that is read first: a read without bounds plans all chunks, which takes longer than reading."""

USABLE_SPAN_MAX = 31 * DAY
"""How far back the last usable value is looked up."""

StoredHour: TypeAlias = tuple[int, int, int]
"""Count, suspect and flags of a stored window of an hour."""


async def process_recompute_requests(connection: Connection, model: CityModel, now: Instant) -> int:
    """Process at most `RECOMPUTE_SPANS_MAX` time ranges of the oldest open request; return their number.

    The request stores how far it was processed, so that a restart continues there. Time without observations
    is skipped. Requests wait while the database has a newer model. The connection is one that
    `storage.maintenance.repair.prepare_repairs` has prepared.
    """
    async with connection.transaction():
        cursor = await connection.execute(
            query("maintenance/recompute/list_recompute_requests"),
            {"model_version": model.version, "limit": 1},
        )
        row = await cursor.fetchone()
    if row is None:
        return 0
    id, first, last, requested_at, datastreams = row
    start = from_datetime(first)
    # No stored observation is dated further ahead: ingest refuses it.
    end = from_datetime(last) if last is not None else now + DAY
    revision = from_datetime(requested_at)
    for processed in range(1, RECOMPUTE_SPANS_MAX + 1):
        begin = await first_observation_time(connection, datastreams, start, end)
        if begin is None:
            async with connection.transaction():
                await connection.execute(
                    query("maintenance/recompute/advance_recompute_request"),
                    {"id": id, "start": None, "began": None, "until": None},
                )
            log.info("recomputed request %d", id, extra={"event": "recompute.finished", "request": id})
            return processed
        begin -= begin % HOUR
        start = min(begin + RECOMPUTE_SPAN, end)
        for datastream in datastreams:
            async with connection.transaction():
                await recompute_hours(connection, model.properties, datastream, (begin, start), revision)
        async with connection.transaction():
            await connection.execute(
                query("maintenance/recompute/advance_recompute_request"),
                {
                    "id": id,
                    "start": to_datetime(start),
                    "began": to_datetime(begin),
                    "until": to_datetime(min(end, now)),
                },
            )
    return RECOMPUTE_SPANS_MAX


class RecomputedDatastream(NamedTuple):
    """The assessments and windows of the observations of a datastream."""

    #: flags by phenomenon time, where they differ from those that the device sent
    flags_by_time: dict[Instant, int]
    windows: list[tuple[int, Instant, WindowAccumulator]]  #: size, start, content; oldest first


class RecomputeCounts(NamedTuple):
    """The numbers of rows that were written."""

    aggregates: int
    assessments: int


def recompute_observations(
    observations: Sequence[Observation], policy: DatastreamPolicy
) -> RecomputedDatastream:
    """Return the assessments and windows of all observations of one datastream, ascending in time."""
    assessed = assess_history(observations, policy)
    return RecomputedDatastream(_found_flags(observations, assessed), windows_of(assessed, policy))


def _found_flags(received: Iterable[Observation], assessed: Iterable[Observation]) -> dict[Instant, int]:
    """Return the flags that are stored as an assessment, by phenomenon time."""
    return {
        after.phenomenon_time: flags
        for before, after in zip(received, assessed, strict=False)
        if (flags := after.flags & ~TIME_FLAGS) != before.flags
    }


def _recompute(span: HistorySpan, policy: DatastreamPolicy) -> RecomputedDatastream:
    assessed = span.assess(policy)
    return RecomputedDatastream(
        _found_flags(span.observations, assessed), windows_of(assessed, policy, span.start, span.register)
    )


async def recompute_hours(
    connection: Connection,
    properties: Mapping[str, ObservedProperty],
    datastream: int,
    span: tuple[Instant, Instant],
    revision_min: int,
) -> RecomputeCounts:
    """Recompute the assessments and windows of whole hours, in the open transaction.

    These are the hours that `span` touches, and those whose verdicts depend on their observations: of a run
    of equal values that reaches into the span, and of observations that are checked with those of the span as
    context. The revision of the results is at least `revision_min` and greater than any stored
    one. An hour whose single observations were removed, completely or in part, stays as it is; so does a
    datastream of an unknown property. The connection has the staging table of
    `storage.historian.writers.aggregate_writer`.
    """
    policy_and_start = await _read_policy(connection, properties, datastream)
    if policy_and_start is None:
        return RecomputeCounts(0, 0)
    policy, raw_from = policy_and_start
    reader = StoredHistoryReader(connection, datastream, policy)
    first, last = span[0] - span[0] % HOUR, span[1] + -span[1] % HOUR
    history = await read_history_span(reader, policy, first, last)
    start, end = history.start, history.end
    # A day with a value per second takes seconds: the thread lets other tasks continue.
    flags_by_time, windows = await asyncio.to_thread(_recompute, history, policy)
    parameters = {"datastream": datastream, "start": to_datetime(start), "end": to_datetime(end)}
    stored = {
        from_datetime(time): (flags, revision)
        for time, flags, revision in await _fetch_rows(
            connection, "maintenance/recompute/list_stored_assessments", parameters
        )
    }
    ((newest,),) = await _fetch_rows(connection, "maintenance/recompute/find_aggregate_revision", parameters)
    # Revisions of the stream are log times: one more is after its last emission, and before its next.
    revision = max(revision_min, newest + 1, *(stored_revision + 1 for _, stored_revision in stored.values()))
    assessments = [
        Assessment(datastream, observation.phenomenon_time, flags_now, revision)
        for observation in history.observations
        if start <= observation.phenomenon_time < end
        and (flags_now := flags_by_time.get(observation.phenomenon_time, 0))
        != stored.get(observation.phenomenon_time, (0, 0))[0]
    ]
    computed = list(_aggregates(windows, datastream, (start, end), revision, policy))
    stored_hours = await _stored_hours(connection, parameters)
    # The increase of a counter depends on readings that others of the hour do not depend on.
    wanted = range(first, last) if policy.aggregation != "counter" else range(start, end)
    kept = _hours_without_raw(stored_hours, raw_from, computed)
    aggregates = windows_to_write(computed, wanted, stored_hours, assessments, kept)
    await _write(connection, aggregates, assessments)
    await note_changed_datastream(connection, datastream, start)
    await request_series_of_datastream(connection, datastream, (start, end))
    await note_repaired_windows(connection, aggregates)
    if needs_history(policy):
        parameters = {"datastream": datastream, "size": HOUR}
        await connection.execute(query("maintenance/series/note_repaired_history"), parameters)
    return RecomputeCounts(len(aggregates), len(assessments))


async def _read_policy(
    connection: Connection, properties: Mapping[str, ObservedProperty], datastream: int
) -> tuple[DatastreamPolicy, Instant] | None:
    """Return the policy of a datastream, and since when its single observations are kept, or None."""
    rows = await _fetch_rows(connection, "maintenance/recompute/find_datastream_policy", (datastream,))
    if not rows or rows[0][0] not in properties:
        return None
    ((name, interval, raw_from),) = rows
    calibrations = await _fetch_rows(
        connection, "history/list_calibrations_known_at", {"datastreams": [datastream], "known_at": None}
    )
    periods = [
        RecurringPeriod(from_datetime(start), from_datetime(end) if end is not None else INSTANT_MAX)
        for start, end in await _fetch_rows(
            connection, "maintenance/recompute/list_maintenance_of_datastream", (datastream,)
        )
    ]
    periods += [
        decode_window(content).period(zone)
        for content, zone in await _fetch_rows(
            connection, "maintenance/recompute/list_windows_of_datastream", {"datastream": datastream}
        )
    ]
    policy = DatastreamPolicy.of(
        properties[name],
        interval,
        calibrations_by_datastream(calibrations).get(datastream, ()),
        MaintenanceSchedule.of(periods),
    )
    return policy, from_datetime(raw_from) if raw_from is not None else INSTANT_MIN


class StoredHistoryReader:
    """Reads the observations of one datastream from the database, in the open transaction."""

    def __init__(self, connection: Connection, datastream: int, policy: DatastreamPolicy) -> None:
        self._connection = connection
        self._datastream = datastream
        self._policy = policy

    async def before(self, time: Instant, count: int) -> list[Observation]:
        """Return the newest `count` observations before a time, ascending."""
        near = self._near(count)
        for since in (time - near, INSTANT_MIN):
            parameters = {"time": _within(time), "since": _within(since), "count": count}
            found = await self._observations("maintenance/recompute/list_observations_before", parameters)
            if len(found) == count:
                break
        return found

    async def between(self, start: Instant, end: Instant) -> list[Observation]:
        """Return the observations of start ≤ t < end, ascending."""
        parameters = {"start": to_datetime(start), "end": to_datetime(end)}
        return await self._observations("maintenance/recompute/list_observations_between", parameters)

    async def following(self, time: Instant, count: int) -> list[Observation]:
        """Return the first `count` observations from a time on, ascending."""
        near = self._near(count)
        for until in (time + near, INSTANT_MAX):
            parameters = {"time": _within(time), "until": _within(until), "count": count}
            found = await self._observations("maintenance/recompute/list_observations_following", parameters)
            if len(found) == count:
                break
        return found

    def _near(self, count: int) -> Duration:
        """Return the time in which so many observations are to be expected, with a margin."""
        return max(NEAR, 2 * count * self._policy.interval)

    async def _observations(self, name: str, parameters: dict[str, Any]) -> list[Observation]:
        rows = await _fetch_rows(self._connection, name, {"datastream": self._datastream, **parameters})
        return [
            Observation(self._datastream, from_datetime(time), from_datetime(received), value, flags, rank)
            for time, received, value, flags, rank in rows
        ]

    async def run_before(self, time: Instant, rules: QualityRules) -> ConstantRun | None:
        """Return the run of equal values, as received, that ends with the last observation before a time."""
        long, memory = long_run(rules), activity_memory(rules)
        asked = {
            "datastream": self._datastream,
            "time": _within(time),
            "count": long.count if long is not None else 1,
            "duration": max(long.duration if long is not None else 0, memory),
        }
        for since in (time - NEAR, INSTANT_MIN):
            rows = await _fetch_rows(
                self._connection,
                "maintenance/recompute/find_run_before",
                {**asked, "since": _within(since)},
            )
            if rows and rows[0][3]:  # it begins after another value, so no earlier one belongs to it
                break
        if not rows:
            return None
        run = ConstantRun(rows[0][0], rows[0][1], from_datetime(rows[0][2]))
        return await with_standstills(self._connection, self._datastream, run) if memory else run

    async def usable_before(self, time: Instant) -> LastGoodValue | None:
        """Return the newest usable value before a time, calibrated, or None."""
        rows = await _fetch_rows(
            self._connection,
            "maintenance/recompute/find_usable_before",
            {
                "datastream": self._datastream,
                "time": _within(time),
                "earliest": _within(time - USABLE_SPAN_MAX),
                "unusable": UNUSABLE_FLAGS,
            },
        )
        if not rows:
            return None
        found, value = from_datetime(rows[0][0]), rows[0][1]
        return LastGoodValue(self._policy.calibrated(value, found), found)


async def with_standstills(connection: Connection, datastream: int, run: ConstantRun) -> ConstantRun:
    """Return a run with the times without a change before it, in the open transaction."""
    rows = await _fetch_rows(
        connection,
        "maintenance/recompute/list_standstills",
        {
            "datastream": datastream,
            "earliest": to_datetime(run.start - ACTIVITY_MEMORY),
            "start": to_datetime(run.start),
            "least": STANDSTILL_MIN,
        },
    )
    known_since = from_datetime(rows[0][0]) if rows else run.start
    standstills = [(from_datetime(start), from_datetime(end)) for _, start, end in rows if end is not None]
    return run_after(standstills, run, known_since)


def _within(time: Instant) -> datetime:
    return to_datetime(min(max(time, INSTANT_MIN), INSTANT_MAX))


def _aggregates(
    windows: Iterable[tuple[int, Instant, WindowAccumulator]],
    datastream: int,
    span: tuple[Instant, Instant],
    revision: int,
    policy: DatastreamPolicy,
) -> Iterator[Aggregate]:
    """Yield the aggregates of the windows that begin in a span."""
    for size, begin, content in windows:
        if span[0] <= begin < span[1]:
            yield aggregate_of(
                content,
                datastream=datastream,
                size=size,
                start=begin,
                revision=revision,
                interval=policy.interval,
                kind=policy.aggregation,
            )


async def _stored_hours(connection: Connection, parameters: Mapping[str, Any]) -> dict[Instant, StoredHour]:
    """Return count, suspect and flags of the stored hours of a datastream in a span."""
    rows = await _fetch_rows(connection, "maintenance/recompute/list_stored_hours", parameters)
    return {from_datetime(start): (count, suspect, flags) for start, count, suspect, flags in rows}


def windows_to_write(
    computed: Sequence[Aggregate],
    wanted: range,
    stored: Mapping[Instant, StoredHour],
    changed: Iterable[Assessment],
    kept: Collection[Instant] = (),
) -> list[Aggregate]:
    """Return the windows of a datastream to write: in `wanted`, or in hours with other verdicts than stored.

    `changed` are the assessments that differ from the stored ones; the windows of `kept` hours stay.
    """
    judged = {one.phenomenon_time - one.phenomenon_time % HOUR for one in changed}
    judged |= _differing_hours(stored, computed)
    return [
        one
        for one in computed
        if (hour := one.start - one.start % HOUR) not in kept and (hour in wanted or hour in judged)
    ]


def _hours_without_raw(
    stored: Mapping[Instant, StoredHour], raw_from: Instant, aggregates: Iterable[Aggregate]
) -> set[Instant]:
    """Return the hours before `raw_from` whose aggregate counts more observations than are stored now."""
    counted = {one.start: one.count + one.suspect for one in aggregates if one.size == HOUR}
    return {
        hour
        for hour, (count, suspect, _) in stored.items()
        if hour < raw_from and count + suspect > counted.get(hour, 0)
    }


def _differing_hours(stored: Mapping[Instant, StoredHour], aggregates: Iterable[Aggregate]) -> set[Instant]:
    """Return the hours whose stored window has other verdicts than the computed one.

    The stream may have emitted it, with a later revision, before it had the values that the verdicts of an
    earlier repair depend on. It knows of these verdicts only later, and then perhaps has the window no more.
    """
    return {
        one.start
        for one in aggregates
        if one.size == HOUR
        and one.start in stored
        and stored[one.start] != (one.count, one.suspect, one.flags)
    }


async def _write(connection: Connection, aggregates: list[Aggregate], assessments: list[Assessment]) -> None:
    if aggregates:
        await write_aggregates(connection, aggregates)
    if assessments:
        await write_assessments(connection, assessments)


async def _fetch_rows(
    connection: Connection, name: str, parameters: Mapping[str, Any] | Sequence[Any]
) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query(name), parameters)).fetchall()


async def first_observation_time(
    connection: Connection, datastreams: Sequence[int], start: Instant, end: Instant
) -> Instant | None:
    """Return the time of the first observation of any of these datastreams in start ≤ t < end, or None."""
    parameters = {"datastreams": list(datastreams), "start": to_datetime(start), "end": to_datetime(end)}
    ((first,),) = await fetch_rows(connection, "maintenance/recompute/find_next_observation", parameters)
    return from_datetime(first) if first is not None else None
