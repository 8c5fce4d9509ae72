"""Questions about the past: raw observations, and aggregates in buckets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg

from storage.bucket_interval import BucketInterval, QueryError
from storage.database import Connection
from storage.queries import query
from twin.instant import INSTANT_MIN, Instant, from_datetime, to_datetime
from twin.observed_property import Combination

Aggregate: TypeAlias = Literal["mean", "min", "max", "sum", "count", "first", "last", "p50", "p95"]
AGGREGATES: tuple[Aggregate, ...] = ("mean", "min", "max", "sum", "count", "first", "last", "p50", "p95")
Fill: TypeAlias = Literal["null", "none"]

# A page of raw observations is at most 1 MB of JSON; a chart has some thousand pixels.
OBSERVATIONS_MAX = 10_000
BUCKETS_MAX = 10_000
QUERY_SECONDS_MAX = 30
DATASTREAMS_MAX = 1_000


class HistoricObservation(NamedTuple):
    """An observation as it is stored."""

    datastream: int
    phenomenon_time: Instant
    received_time: Instant
    value: float
    flags: int


class ObservationCursor(NamedTuple):
    """A place among observations, oldest first."""

    phenomenon_time: Instant
    datastream: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """The observations of one stretch of time, aggregated."""

    start: Instant
    end: Instant  #: exclusive; may lie beyond the range that was asked for, as `start` may before it
    count: int  #: of observations within the bucket and the range
    coverage: float | None  #: received / expected, 0 to 1; None where no datastream was known yet
    flags: int  #: all flags that any of them has
    values: dict[Aggregate, float | None]  #: one for each aggregate that was asked for; None without data


async def datastream_ids(connection: Connection, entity: str, property: str) -> list[int]:
    """Return the datastreams that ever observed a property of an entity, retired ones too."""
    cursor = await connection.execute(query("list_datastream_ids"), (entity, property))
    return [int(row[0]) for row in await cursor.fetchall()]


async def observations(  # noqa: PLR0917 - a question has so many parts
    connection: Connection,
    datastream_ids: Collection[int],
    start: Instant,
    end: Instant,
    limit: int,
    after: ObservationCursor | None = None,
) -> list[HistoricObservation]:
    """Return at most `limit` (≤ `OBSERVATIONS_MAX`) observations with start ≤ phenomenon time < end.

    Oldest first, those of one time by datastream; `after` is the place of the last one of the page before.
    Raises QueryError when there are too many datastreams or the database takes too long.
    """
    place = after if after is not None else ObservationCursor(INSTANT_MIN, -1)
    rows = await _fetch(
        connection,
        query("list_observations"),
        {
            "datastreams": _bounded(datastream_ids),
            "start": to_datetime(start),
            "end": to_datetime(end),
            "after_time": to_datetime(place.phenomenon_time),
            "after_datastream": place.datastream,
            "limit": max(0, min(limit, OBSERVATIONS_MAX)),
        },
    )
    return [
        HistoricObservation(datastream, from_datetime(measured), from_datetime(received), value, flags)
        for datastream, measured, received, value, flags in rows
    ]


async def buckets(  # noqa: PLR0917 - a question has so many parts
    connection: Connection,
    datastream_ids: Collection[int],
    start: Instant,
    end: Instant,
    interval: BucketInterval,
    aggregates: Iterable[Aggregate],
    timezone: str,
    *,
    combination: Combination = "mean",
    fill: Fill = "none",
) -> list[Bucket]:
    """Return aggregates of the observations with start ≤ phenomenon time < end, oldest bucket first.

    `timezone` (IANA) places the days, weeks, months and years of a calendar interval; see `BucketInterval`.
    With `fill` "null", buckets without data are listed too.

    `combination` is how the datastreams make the entity's value. Where they add up ("sum"), each aggregate is
    computed for each datastream and these are added: exact for mean, sum and count, a bound for the others.
    Otherwise all observations count alike, whichever datastream they are of. The mean of a "circular_mean"
    is the mean direction, in degrees.

    Raises QueryError for a time zone that does not exist, for more than `BUCKETS_MAX` buckets, and when the
    database takes longer than `QUERY_SECONDS_MAX`.
    """
    wanted = list(aggregates)
    if interval.count_max(start, end) > BUCKETS_MAX:
        raise QueryError(
            f"about {interval.count_max(start, end)} buckets: expected at most {BUCKETS_MAX}; "
            "ask for longer intervals or a shorter range"
        )
    if end <= start:
        return []
    rows = await _fetch(
        connection,
        query("list_buckets"),
        {
            "datastreams": _bounded(datastream_ids),
            "start": to_datetime(start),
            "end": to_datetime(end),
            "interval": interval.in_words,
            "zone": _zone(timezone) if interval.is_calendar else "UTC",
            "circular": combination == "circular_mean",
            "adds_up": combination == "sum",
            "percentiles": "p50" in wanted or "p95" in wanted,
            "empty": fill == "null",
        },
    )
    return [_bucket(row, wanted, circular=combination == "circular_mean") for row in rows]


async def _fetch(
    connection: Connection, statement: bytes, parameters: dict[str, object]
) -> list[tuple[Any, ...]]:
    try:
        async with connection.transaction():
            await connection.execute(query("set_statement_timeout"), (str(QUERY_SECONDS_MAX * 1000),))
            return await (await connection.execute(statement, parameters)).fetchall()
    except psycopg.errors.QueryCanceled as error:
        raise QueryError(
            f"the answer took longer than {QUERY_SECONDS_MAX} s; ask for a shorter range"
        ) from error


def _bucket(row: Sequence[Any], wanted: Iterable[Aggregate], *, circular: bool) -> Bucket:
    start, end, count, coverage, flags, mean, *others = row
    if circular and mean is not None:
        mean %= 360.0
    known = dict(
        zip(("mean", "min", "max", "sum", "first", "last", "p50", "p95"), (mean, *others), strict=True)
    )
    known["count"] = float(count)
    values: dict[Aggregate, float | None] = {one: known[one] for one in wanted}
    return Bucket(from_datetime(start), from_datetime(end), count, coverage, flags, values)


def _bounded(ids: Collection[int]) -> list[int]:
    if len(ids) > DATASTREAMS_MAX:
        raise QueryError(
            f"{len(ids)} datastreams: expected at most {DATASTREAMS_MAX}; ask for fewer entities"
        )
    return sorted(set(ids))


def _zone(timezone: str) -> str:
    try:
        return ZoneInfo(timezone).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise QueryError(f"time zone {timezone!r}: expected an IANA name such as Europe/Amsterdam") from error
