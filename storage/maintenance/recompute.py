"""Recomputes assessments and windows from raw observations, with the stream's pure code in event-time order.

The state of a datastream does not depend on the order in which its observations arrived. So the result is
what the stream would have emitted if nothing had been late. Requests come from changed calibrations or
maintenance, and from repairs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from storage.database import Connection, fetch_rows
from storage.historian.writers.aggregate_writer import write_aggregates, write_assessments
from storage.history.history_reader import calibrations_by_datastream
from storage.maintenance.changed_series import (
    note_changed_datastream,
    note_repaired_windows,
    request_series_of_datastream,
)
from storage.queries import query
from twin.instant import DAY, HOUR, INSTANT_MAX, INSTANT_MIN, Instant, from_datetime, to_datetime
from twin.model.calibration import Maintenance
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import ObservedProperty
from twin.quality.quality_check import CONTEXT_MAX
from twin.state.datastream_state import DatastreamState
from twin.state.window import Aggregate, WindowAccumulator, aggregate_of
from twin.wire.messages import Assessment

log = logging.getLogger(__name__)

RECOMPUTE_SPAN = DAY
"""The time range of a datastream that one transaction recomputes."""

RECOMPUTE_SPANS_MAX = 32
"""The most time ranges of one round; repairs are processed between rounds."""

EFFECT_SPAN_MAX = 2 * DAY
"""How long after a change assessments are recomputed: the next `CONTEXT_MAX` observations in it."""


async def process_recompute_requests(
    connection: Connection, properties: Mapping[str, ObservedProperty], now: Instant
) -> int:
    """Process at most `RECOMPUTE_SPANS_MAX` time ranges of the oldest open request; return their number.

    The request stores how far it was processed, so that a restart continues there. Time without observations
    is skipped. The connection is one that `storage.maintenance.repair.prepare_repairs` has prepared.
    """
    async with connection.transaction():
        cursor = await connection.execute(query("maintenance/recompute/list_recompute_requests"), (1,))
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
                    query("maintenance/recompute/advance_recompute_request"), {"id": id, "start": None}
                )
            log.info("recomputed request %d", id, extra={"event": "recompute.finished", "request": id})
            return processed
        begin -= begin % HOUR
        start = min(begin + RECOMPUTE_SPAN, end)
        for datastream in datastreams:
            async with connection.transaction():
                await recompute_hours(connection, properties, datastream, (begin, start), revision)
        async with connection.transaction():
            await connection.execute(
                query("maintenance/recompute/advance_recompute_request"),
                {"id": id, "start": to_datetime(start)},
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
    observations: Iterable[Observation], policy: DatastreamPolicy
) -> RecomputedDatastream:
    """Return the assessments and windows of observations of one datastream, ascending in time.

    The first observations are checked without earlier ones as context: begin early enough.
    """
    state = DatastreamState()
    flags: dict[Instant, int] = {}
    windows: list[tuple[int, Instant, WindowAccumulator]] = []
    for observation in observations:
        for result in state.observe(observation, policy, INSTANT_MAX - INSTANT_MIN).quality_results:
            flags[result.phenomenon_time] = result.flags
    for emitted in state.emit_windows(INSTANT_MAX, policy):
        windows.append((emitted.window.size, emitted.window.start, emitted.content))
    return RecomputedDatastream(flags, windows)


async def recompute_hours(
    connection: Connection,
    properties: Mapping[str, ObservedProperty],
    datastream: int,
    span: tuple[Instant, Instant],
    revision_min: int,
) -> RecomputeCounts:
    """Recompute the assessments and windows of whole hours, in the open transaction.

    These are the hours that `span` touches, and the later ones whose observations are checked with those of
    the span as context. The revision of the results is at least `revision_min` and greater than any stored
    one. An hour whose single observations were removed, completely or in part, stays as it is; so does a
    datastream of an unknown property. The connection has the staging table of
    `storage.historian.writers.aggregate_writer`.
    """
    policy_and_start = await _read_policy(connection, properties, datastream)
    if policy_and_start is None:
        return RecomputeCounts(0, 0)
    policy, raw_from = policy_and_start
    start = span[0] - span[0] % HOUR
    end = await _effect_end(connection, datastream, span[1] + -span[1] % HOUR)
    observations = await _observations(connection, datastream, (start, end), policy)
    # A day with a value per second takes seconds: the thread lets other tasks continue.
    flags_by_time, windows = await asyncio.to_thread(recompute_observations, observations, policy)
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
    hours_without_raw = await _hours_without_raw(connection, datastream, (start, min(end, raw_from)), windows)
    aggregates = [
        aggregate_of(
            content,
            datastream=datastream,
            size=size,
            start=begin,
            revision=revision,
            interval=policy.interval,
            kind=policy.aggregation,
        )
        for size, begin, content in windows
        if start <= begin < end and begin - begin % HOUR not in hours_without_raw
    ]
    assessments = [
        Assessment(datastream, observation.phenomenon_time, flags_now, revision)
        for observation in observations
        if observation.phenomenon_time >= start
        and (flags_now := flags_by_time.get(observation.phenomenon_time, 0))
        != stored.get(observation.phenomenon_time, (0, 0))[0]
    ]
    await _write(connection, aggregates, assessments)
    await note_changed_datastream(connection, datastream, start)
    await request_series_of_datastream(connection, datastream, (start, end))
    await note_repaired_windows(connection, aggregates)
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
    maintenance = [
        Maintenance(
            sensor="", start=from_datetime(start), end=from_datetime(end) if end is not None else INSTANT_MAX
        )
        for start, end in await _fetch_rows(
            connection, "maintenance/recompute/list_maintenance_of_datastream", (datastream,)
        )
    ]
    policy = DatastreamPolicy.of(
        properties[name], interval, calibrations_by_datastream(calibrations).get(datastream, ()), maintenance
    )
    return policy, from_datetime(raw_from) if raw_from is not None else INSTANT_MIN


async def _effect_end(connection: Connection, datastream: int, end: Instant) -> Instant:
    """Return until when observations are checked with those before `end` as context; a whole hour."""
    ((last,),) = await _fetch_rows(
        connection,
        "maintenance/recompute/find_nth_observation",
        {
            "datastream": datastream,
            "start": to_datetime(end),
            "end": to_datetime(end + EFFECT_SPAN_MAX),
            "count": CONTEXT_MAX,
        },
    )
    if last is None:
        return end
    time = from_datetime(last)
    return time - time % HOUR + HOUR


async def _observations(
    connection: Connection, datastream: int, span: tuple[Instant, Instant], policy: DatastreamPolicy
) -> list[Observation]:
    """Return the observations of a span, and those before it that their checks use as context."""
    stuck = policy.rules.stuck
    rows = await _fetch_rows(
        connection,
        "maintenance/recompute/list_observations_to_check",
        {
            "datastream": datastream,
            "start": to_datetime(span[0]),
            "end": to_datetime(span[1]),
            "count": 2 * CONTEXT_MAX + (stuck.count if stuck is not None else 0),
            "duration": stuck.duration_min if stuck is not None else 0,
        },
    )
    return [
        Observation(datastream, from_datetime(time), from_datetime(received), value, flags)
        for time, received, value, flags in rows
    ]


async def _hours_without_raw(
    connection: Connection,
    datastream: int,
    span: tuple[Instant, Instant],
    windows: Iterable[tuple[int, Instant, WindowAccumulator]],
) -> set[Instant]:
    """Return the hours of a span whose aggregate counts more observations than are stored now."""
    if span[0] >= span[1]:
        return set()
    counted = {start: content.count + content.suspect for size, start, content in windows if size == HOUR}
    parameters = {"datastream": datastream, "start": to_datetime(span[0]), "end": to_datetime(span[1])}
    stored = await _fetch_rows(connection, "maintenance/recompute/list_aggregate_counts", parameters)
    return {hour for start, count in stored if count > counted.get(hour := from_datetime(start), 0)}


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
