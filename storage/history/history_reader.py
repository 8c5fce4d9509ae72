"""Reading history from the database, span by span, in the words of the statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypedDict

import psycopg

from storage.database import Connection, QueryError
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AggregateName
from storage.history.counter_increases import CounterReading
from storage.history.read_plan import CalibrationSegment, DatastreamExtent, ReadSpan, calibration_segments
from storage.queries import query
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant, from_datetime, to_datetime
from twin.model.calibration import Calibration, calibration_at
from twin.model.observed_property import Aggregation
from twin.quality.quality_flags import UNUSABLE_FLAGS, QualityFlag, is_usable
from twin.quality.quality_rules import QualityRules

QUERY_SECONDS_MAX = 30
QUERY_DATASTREAMS_MAX = 1_000

COUNTER_CONTEXT_MAX = 64
"""Readings before a range, from which it follows what its first one is compared with."""


class BucketParameters(TypedDict):
    """How observations are put into buckets."""

    interval: str
    zone: str
    apart: bool  #: each datastream by itself
    #: What is computed.
    circular: bool
    totals: bool
    extremes: bool
    ends: bool
    percentiles: bool


def bucket_parameters(
    interval: BucketInterval,
    zone: str,
    kind: Aggregation,
    wanted: Collection[AggregateName],
    *,
    apart: bool = False,
) -> BucketParameters:
    """Return how observations are put into buckets, and what is computed for the wanted aggregates."""
    return {
        "interval": interval.postgres_text,
        "zone": zone,
        "apart": apart,
        "circular": kind == "circular_mean",
        "totals": "sum" in wanted or ("mean" in wanted and kind != "counter"),
        "extremes": "min" in wanted or "max" in wanted,
        "ends": "first" in wanted or "last" in wanted,
        "percentiles": ("p50" in wanted or "p95" in wanted) and kind not in {"counter", "circular_mean"},
    }


@asynccontextmanager
async def query_transaction(connection: Connection) -> AsyncIterator[None]:
    """One transaction for all that a question reads.

    Raises QueryError when a statement takes longer than `QUERY_SECONDS_MAX`.
    """
    try:
        async with connection.transaction():
            await connection.execute(query("history/set_statement_timeout"), (str(QUERY_SECONDS_MAX * 1000),))
            await connection.execute(query("history/set_history_memory"))
            yield
    except psycopg.errors.QueryCanceled as error:
        raise QueryError(
            f"the answer took longer than {QUERY_SECONDS_MAX} s; ask for a shorter range"
        ) from error


async def fetch_binary(
    connection: Connection, statement: bytes, parameters: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, within `query_transaction`."""
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


def unique_ids(ids: Collection[int]) -> list[int]:
    """Return datastream ids, ascending, each once; raise QueryError when there are too many."""
    if len(ids) > QUERY_DATASTREAMS_MAX:
        raise QueryError(
            f"{len(ids)} datastreams: expected at most {QUERY_DATASTREAMS_MAX}; ask for fewer entities"
        )
    return sorted(set(ids))


def calibrations_by_datastream(rows: Iterable[Sequence[Any]]) -> dict[int, list[Calibration]]:
    """Return the calibrations that the rows of `list_calibrations_known_at` hold, by datastream, in order."""
    found: defaultdict[int, list[Calibration]] = defaultdict(list)
    for id, start, end, gain, offset in rows:
        last = _instant(end, INSTANT_MAX)
        begin = from_datetime(start)
        found[id].append(Calibration(sensor="", property="", start=begin, end=last, gain=gain, offset=offset))
    return found


async def read_extents(
    connection: Connection, ids: Sequence[int], known_at: Instant | None
) -> list[DatastreamExtent]:
    """Return what is kept of datastreams; a question of its own."""
    async with query_transaction(connection):
        return await read_extents_in_transaction(connection, ids, known_at)


async def read_extents_in_transaction(
    connection: Connection, ids: Sequence[int], known_at: Instant | None
) -> list[DatastreamExtent]:
    """Return what is kept of datastreams, with the calibrations that are known, or were at `known_at`."""
    parameters = {
        "datastreams": list(ids),
        "known_at": to_datetime(known_at) if known_at is not None else None,
    }
    calibrations = calibrations_by_datastream(
        await fetch_binary(connection, query("history/list_calibrations_known_at"), parameters)
    )
    return [
        DatastreamExtent(
            id=id,
            interval=interval,
            created=from_datetime(created) if created else None,
            retired=from_datetime(retired) if retired else None,
            raw_from=_instant(raw_from, INSTANT_MIN),
            minute_from=_instant(minute_from, INSTANT_MIN),
            hour_from=_instant(hour_from, INSTANT_MIN),
            complete_to=_instant(complete_to, INSTANT_MIN) if complete_to_known else INSTANT_MIN,
            calibrations=tuple(calibrations.get(id, ())),
        )
        for (
            id,
            interval,
            created,
            retired,
            raw_from,
            minute_from,
            hour_from,
            complete_to,
            complete_to_known,
        ) in await fetch_binary(connection, query("history/list_datastream_extents"), parameters)
    ]


def _instant(moment: datetime | None, otherwise: Instant) -> Instant:
    return from_datetime(moment) if moment is not None else otherwise


def observation_parameters(
    kept: Sequence[DatastreamExtent], span: ReadSpan, rules: QualityRules, known_at: Instant | None
) -> dict[str, Any]:
    """Return the parameters that the statements about observations share."""
    found: list[CalibrationSegment] = calibration_segments(kept, span.start, span.end)
    interval = {one.id: one.interval for one in kept}
    return {
        "datastreams": [one.id for one in kept],
        "start": to_datetime(span.start),
        "end": to_datetime(span.end),
        "segment_datastreams": [one.datastream for one in found],
        "segment_starts": [to_datetime(one.start) for one in found],
        "segment_ends": [to_datetime(one.end) for one in found],
        "gains": [one.gain for one in found],
        "offsets": [one.offset for one in found],
        "late_after": [rules.late_after + interval[one.datastream] for one in found],
        "skew_after": rules.skew_after,
        "late": int(QualityFlag.LATE),
        "skew": int(QualityFlag.CLOCK_SKEW),
        "unusable": UNUSABLE_FLAGS,
        "known_at": to_datetime(known_at) if known_at is not None else None,
    }


async def read_bucket_edges(
    connection: Connection, placing: BucketParameters, start: Instant, end: Instant
) -> list[tuple[Instant, Instant]]:
    """Return start and end of every bucket that a range touches."""
    parameters = {**placing, "start": to_datetime(start), "end": to_datetime(end)}
    rows = await fetch_binary(connection, query("history/list_bucket_edges"), parameters)
    return [(from_datetime(begin), from_datetime(stop)) for begin, stop in rows]


async def usable_span(connection: Connection, kept: Sequence[DatastreamExtent], span: ReadSpan) -> ReadSpan:
    """Return a span as it can be read: single observations where there are not as many in short aggregates.

    Those shorter than an hour are not made while a sensor reports more seldom, and its interval may change.
    """
    if span.source not in {"minute", "ten_minutes"} or span.start < max(one.raw_from for one in kept):
        return span
    parameters = {
        "datastreams": [one.id for one in kept],
        "start": to_datetime(span.start),
        "end": to_datetime(span.end),
        "source": span.source,
    }
    ((whole,),) = await fetch_binary(connection, query("history/check_aggregate_counts"), parameters)
    return span if whole else span._replace(source="raw")


async def read_partial_rows(
    connection: Connection, span: ReadSpan, placing: BucketParameters, parameters: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """Return the rows of the parts that a span holds; `parameters` are its `observation_parameters`."""
    if span.source != "raw":
        return await fetch_binary(
            connection,
            query("history/list_aggregate_buckets"),
            {**parameters, **placing, "source": span.source},
        )
    versions = "history/versions_now" if parameters["known_at"] is None else "history/versions_known_at"
    statement = query("history/list_buckets", rows=versions)
    return await fetch_binary(connection, statement, {**parameters, **placing})


async def read_readings_before(
    connection: Connection, kept: Sequence[DatastreamExtent], start: Instant, known_at: Instant | None
) -> list[CounterReading]:
    """Return the usable ones of the newest few readings of each datastream before a time, ascending."""
    rows = await fetch_binary(
        connection,
        query("history/list_readings_before"),
        {
            "datastreams": [one.id for one in kept],
            "start": to_datetime(start),
            "known_at": to_datetime(known_at) if known_at is not None else None,
            "limit": COUNTER_CONTEXT_MAX,
        },
    )
    calibrations = {one.id: one.calibrations for one in kept}
    found: list[CounterReading] = []
    for datastream, moment, value, flags in reversed(rows):
        if is_usable(flags):
            time = from_datetime(moment)
            calibration = calibration_at(calibrations[datastream], time)
            gain, offset = (calibration.gain, calibration.offset) if calibration else (1.0, 0.0)
            found.append(CounterReading(datastream, time, gain * value + offset))
    return found
