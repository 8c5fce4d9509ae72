"""Runs the SQL statements of history: parameters, transactions with a time limit, and rows as values."""

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
"""So many readings before a range are read, to find the one to compare its first reading with."""


class BucketParameters(TypedDict):
    """The parameters that assign observations to buckets and select what is computed."""

    interval: str
    zone: str
    apart: bool  #: one series for each datastream
    # What is computed:
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
    """Return the parameters for buckets of an interval with these aggregates."""
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
    """Open one transaction for all statements of a request, each with a time limit.

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
    """Return the rows of a statement, read in binary format, within `query_transaction`."""
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


def unique_ids(ids: Collection[int]) -> list[int]:
    """Return distinct datastream ids, ascending; raise QueryError when there are more than the limit."""
    if len(ids) > QUERY_DATASTREAMS_MAX:
        raise QueryError(
            f"{len(ids)} datastreams: expected at most {QUERY_DATASTREAMS_MAX}; ask for fewer entities"
        )
    return sorted(set(ids))


def calibrations_by_datastream(rows: Iterable[Sequence[Any]]) -> dict[int, list[Calibration]]:
    """Return the calibrations in rows of `list_calibrations_known_at`, by datastream, in order."""
    calibrations: defaultdict[int, list[Calibration]] = defaultdict(list)
    for id, start, end, gain, offset in rows:
        last = _instant(end, INSTANT_MAX)
        begin = from_datetime(start)
        calibrations[id].append(
            Calibration(sensor="", property="", start=begin, end=last, gain=gain, offset=offset)
        )
    return calibrations


async def read_extents(
    connection: Connection, ids: Sequence[int], known_at: Instant | None
) -> list[DatastreamExtent]:
    """Return the extents of datastreams, in a transaction of its own."""
    async with query_transaction(connection):
        return await read_extents_in_transaction(connection, ids, known_at)


async def read_extents_in_transaction(
    connection: Connection, ids: Sequence[int], known_at: Instant | None
) -> list[DatastreamExtent]:
    """Return the extents of datastreams, with the calibrations known now, or known at `known_at`."""
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


def _instant(value: datetime | None, default: Instant) -> Instant:
    return from_datetime(value) if value is not None else default


def observation_parameters(
    extents: Sequence[DatastreamExtent], span: ReadSpan, rules: QualityRules, known_at: Instant | None
) -> dict[str, Any]:
    """Return the parameters that all statements about observations share."""
    segments: list[CalibrationSegment] = calibration_segments(extents, span.start, span.end)
    intervals = {extent.id: extent.interval for extent in extents}
    return {
        "datastreams": [extent.id for extent in extents],
        "start": to_datetime(span.start),
        "end": to_datetime(span.end),
        "segment_datastreams": [segment.datastream for segment in segments],
        "segment_starts": [to_datetime(segment.start) for segment in segments],
        "segment_ends": [to_datetime(segment.end) for segment in segments],
        "gains": [segment.gain for segment in segments],
        "offsets": [segment.offset for segment in segments],
        "late_after": [rules.late_after + intervals[segment.datastream] for segment in segments],
        "skew_after": rules.skew_after,
        "late": int(QualityFlag.LATE),
        "skew": int(QualityFlag.CLOCK_SKEW),
        "unusable": UNUSABLE_FLAGS,
        "known_at": to_datetime(known_at) if known_at is not None else None,
    }


async def read_bucket_edges(
    connection: Connection, bucketing: BucketParameters, start: Instant, end: Instant
) -> list[tuple[Instant, Instant]]:
    """Return start and end of each bucket that a range touches."""
    parameters = {**bucketing, "start": to_datetime(start), "end": to_datetime(end)}
    rows = await fetch_binary(connection, query("history/list_bucket_edges"), parameters)
    return [(from_datetime(begin), from_datetime(end_of_bucket)) for begin, end_of_bucket in rows]


async def usable_span(
    connection: Connection, extents: Sequence[DatastreamExtent], span: ReadSpan
) -> ReadSpan:
    """Return the span, with single observations as source where its short aggregates are incomplete.

    Aggregates shorter than an hour are not computed while a sensor reports less often, and the interval of a
    sensor may change.
    """
    if span.source not in {"minute", "ten_minutes"} or span.start < max(
        extent.raw_from for extent in extents
    ):
        return span
    parameters = {
        "datastreams": [extent.id for extent in extents],
        "start": to_datetime(span.start),
        "end": to_datetime(span.end),
        "source": span.source,
    }
    ((is_complete,),) = await fetch_binary(connection, query("history/check_aggregate_counts"), parameters)
    return span if is_complete else span._replace(source="raw")


async def read_partial_rows(
    connection: Connection, span: ReadSpan, bucketing: BucketParameters, parameters: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """Return the rows of the parts in a span; `parameters` are those of `observation_parameters`."""
    if span.source != "raw":
        return await fetch_binary(
            connection,
            query("history/list_aggregate_buckets"),
            {**parameters, **bucketing, "source": span.source},
        )
    versions = "history/versions_now" if parameters["known_at"] is None else "history/versions_known_at"
    statement = query("history/list_buckets", rows=versions)
    return await fetch_binary(connection, statement, {**parameters, **bucketing})


async def read_readings_before(
    connection: Connection, extents: Sequence[DatastreamExtent], start: Instant, known_at: Instant | None
) -> list[CounterReading]:
    """Return the usable readings among the newest few of each datastream before a time, ascending."""
    rows = await fetch_binary(
        connection,
        query("history/list_readings_before"),
        {
            "datastreams": [extent.id for extent in extents],
            "start": to_datetime(start),
            "known_at": to_datetime(known_at) if known_at is not None else None,
            "limit": COUNTER_CONTEXT_MAX,
        },
    )
    calibrations = {extent.id: extent.calibrations for extent in extents}
    readings: list[CounterReading] = []
    for datastream, measured, value, flags in reversed(rows):
        if is_usable(flags):
            time = from_datetime(measured)
            calibration = calibration_at(calibrations[datastream], time)
            gain, offset = (calibration.gain, calibration.offset) if calibration else (1.0, 0.0)
            readings.append(CounterReading(datastream, time, gain * value + offset))
    return readings
