"""Reads aggregates of observations, and of published values, in buckets.

Values are calibrated by what applies at their phenomenon times, and only usable ones are aggregated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from storage.database import Connection, QueryError
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import (
    AggregateName,
    BucketRequest,
    Fill,
    HistoryBucket,
    PartialBuckets,
    add_rows,
    assemble_buckets,
    pool_datastreams,
)
from storage.history.counter_increases import COUNTER_READINGS_MAX, CounterReading, sum_increases
from storage.history.history_reader import (
    BucketParameters,
    bucket_parameters,
    fetch_binary,
    observation_parameters,
    query_transaction,
    read_bucket_edges,
    read_extents_in_transaction,
    read_partial_rows,
    read_readings_before,
    unique_ids,
    usable_span,
)
from storage.history.observations import OBSERVATIONS_MAX, ObservationCursor, read_observations_in_transaction
from storage.history.read_plan import DatastreamExtent, HistoryRequest, ReadSpan, plan_spans
from storage.queries import query
from twin.instant import INSTANT_MIN, Duration, Instant, to_datetime
from twin.model.observed_property import COUNTER_RATE_MAX, Aggregation, Combination, ObservedProperty
from twin.quality.quality_flags import UNUSABLE_FLAGS, is_usable
from twin.quality.quality_rules import TIME_RULES_ONLY

BUCKETS_MAX = 10_000
PARTIAL_BUCKETS_MAX = 200_000
"""Buckets times datastreams: each partial bucket takes about 500 bytes of memory."""


async def read_history_buckets(  # noqa: PLR0917 - a request has so many parts
    connection: Connection,
    datastream_ids: Collection[int],
    start: Instant,
    end: Instant,
    interval: BucketInterval,
    aggregates: Iterable[AggregateName],
    timezone: str,
    *,
    combination: Combination = "mean",
    fill: Fill = "none",
    observed_property: ObservedProperty | None = None,
    known_at: Instant | None = None,
    day_zone: str | None = None,
) -> list[HistoryBucket]:
    """Return aggregates of the observations with start ≤ phenomenon time < end, oldest bucket first.

    `timezone` (IANA) is that of the days, weeks, months and years of a calendar interval; see
    `BucketInterval`. With `fill` "null", buckets without data are listed, too.

    `combination` is how the datastreams make up the entity's value. With "sum", each aggregate is computed
    for each datastream and then added: exact for mean, sum and count, a bound for the others. Otherwise all
    observations count equally, of any datastream. The mean of a "circular_mean" is the mean direction, in
    degrees.

    `observed_property` defines which observations are late and how to aggregate. The sum of a counter is its
    increase by `twin.state.counter`, exact over resets and wraps; an increase belongs to the bucket of the
    later reading. With `known_at`, the answer is the one at that time. `day_zone` is the city's time zone, in
    which stored days begin.

    Many observations, and those no longer kept singly, are answered from stored aggregates. The answer is the
    same except for rounding; percentiles are then within 1 % of the values that they lie between, as
    `percentile_error` tells, and mean directions are weighted by counts alone.

    Raises QueryError for an unknown time zone, for more than `BUCKETS_MAX` buckets, for data that is no
    longer kept, and when the database takes too long.
    """
    wanted = list(aggregates)
    zone = _check_request(interval, start, end, timezone)
    if end <= start:
        return []
    kind = _aggregation_of(observed_property, combination)
    async with query_transaction(connection):
        extents = await read_extents_in_transaction(connection, unique_ids(datastream_ids), known_at)
        request = HistoryRequest(
            start, end, interval, zone, day_zone, known_at is not None, kind == "circular_mean"
        )
        # "first" is that of the datastream with the lowest id, at any time in the bucket; "last" of the
        # highest.
        are_apart = len(extents) > 1 and (combination == "sum" or "first" in wanted or "last" in wanted)
        bucketing = bucket_parameters(interval, zone, kind, wanted, apart=are_apart)
        edges = await read_bucket_edges(connection, bucketing, start, end)
        if len(edges) * len(extents) > PARTIAL_BUCKETS_MAX:
            raise QueryError(
                f"{len(edges)} buckets of {len(extents)} datastreams: expected at most {PARTIAL_BUCKETS_MAX} "
                "together; ask for longer intervals or a shorter range"
            )
        by_series = await _read_partial_buckets(
            connection, extents, request, bucketing, edges, observed_property, known_at
        )
    parts = by_series if combination == "sum" else pool_datastreams(by_series)
    return assemble_buckets(edges, extents, parts, BucketRequest(start, end, wanted, kind, fill))


async def _read_partial_buckets(  # noqa: PLR0917 - a request has so many parts
    connection: Connection,
    extents: Sequence[DatastreamExtent],
    request: HistoryRequest,
    bucketing: BucketParameters,
    edges: Sequence[tuple[Instant, Instant]],
    observed_property: ObservedProperty | None,
    known_at: Instant | None,
) -> PartialBuckets:
    """Return the partial buckets of all spans of a request."""
    parts: PartialBuckets = {}
    quality = observed_property.quality if observed_property is not None else TIME_RULES_ONLY
    for planned in plan_spans(extents, request):
        span = await usable_span(connection, extents, planned)
        add_rows(
            parts,
            await read_partial_rows(
                connection, span, bucketing, observation_parameters(extents, span, quality, known_at)
            ),
        )
        if (
            span.source == "raw"
            and observed_property is not None
            and observed_property.aggregation == "counter"
            and bucketing["totals"]
        ):
            readings = await _read_counter_readings(connection, extents, span, known_at)
            rate_max = COUNTER_RATE_MAX.get(observed_property.name)
            increases = sum_increases(
                readings, span, edges, wraps_at=observed_property.wraps_at, rate_max=rate_max
            )
            for (bucket_start, id), amount in increases.items():
                parts[bucket_start, id if bucketing["apart"] else 0].increase += amount
    return parts


async def read_published_buckets(  # noqa: PLR0917 - a request has so many parts
    connection: Connection,
    entity: str,
    name: str,
    start: Instant,
    end: Instant,
    interval: BucketInterval,
    aggregates: Iterable[AggregateName],
    timezone: str,
    *,
    kind: Aggregation = "mean",
    fill: Fill = "none",
    expected: Duration = 0,
    at_end: bool = False,
) -> list[HistoryBucket]:
    """Return aggregates of published values of an entity: an indicator, a roll-up or a household sum.

    As `read_history_buckets`, for the single series `name`. `expected` is the time between two values;
    coverage is None where it is 0. With `at_end`, the time of a value is the end of its window, and it
    belongs to the bucket that ends then.
    """
    wanted = list(aggregates)
    zone = _check_request(interval, start, end, timezone)
    if end <= start:
        return []
    bucketing = bucket_parameters(interval, zone, kind, wanted)
    parts: PartialBuckets = {}
    parameters: dict[str, Any] = {**bucketing, "entity": entity, "name": name, "unusable": UNUSABLE_FLAGS}
    shift_us = 1 if at_end else 0  # microseconds
    parameters |= {"start": to_datetime(start + shift_us), "end": to_datetime(end + shift_us)}
    parameters["back"] = timedelta(microseconds=shift_us)
    async with query_transaction(connection):
        edges = await read_bucket_edges(connection, bucketing, start, end)
        add_rows(parts, await fetch_binary(connection, query("history/list_published_buckets"), parameters))
    series = DatastreamExtent(id=0, interval=expected, created=INSTANT_MIN, retired=None)
    return assemble_buckets(edges, [series], parts, BucketRequest(start, end, wanted, kind, fill))


async def _read_counter_readings(
    connection: Connection, extents: Sequence[DatastreamExtent], span: ReadSpan, known_at: Instant | None
) -> list[CounterReading]:
    """Return the usable readings of counters in a span, and the newest few of each before it, in order."""
    readings = await read_readings_before(connection, extents, span.start, known_at)
    after: ObservationCursor | None = None
    ids = [extent.id for extent in extents]
    while len(readings) <= COUNTER_READINGS_MAX:
        page = await read_observations_in_transaction(
            connection, ids, span, OBSERVATIONS_MAX, after, TIME_RULES_ONLY, known_at
        )
        readings += [
            CounterReading(observation.datastream, observation.phenomenon_time, observation.value)
            for observation in page
            if is_usable(observation.flags)
        ]
        if len(page) < OBSERVATIONS_MAX:
            return readings
        after = ObservationCursor(page[-1].phenomenon_time, page[-1].datastream)
    raise QueryError(f"more than {COUNTER_READINGS_MAX} readings of counters; ask for a shorter range")


def _aggregation_of(observed_property: ObservedProperty | None, combination: Combination) -> Aggregation:
    if observed_property is not None:
        return observed_property.aggregation
    return "circular_mean" if combination == "circular_mean" else "mean"


def _check_request(interval: BucketInterval, start: Instant, end: Instant, timezone: str) -> str:
    """Return the time zone of the buckets; raise QueryError for too many buckets or an unknown zone."""
    if interval.count_max(start, end) > BUCKETS_MAX:
        raise QueryError(
            f"about {interval.count_max(start, end)} buckets: expected at most {BUCKETS_MAX}; "
            "ask for longer intervals or a shorter range"
        )
    if not interval.is_calendar:
        return "UTC"
    try:
        return ZoneInfo(timezone).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise QueryError(f"time zone {timezone!r}: expected an IANA name such as Europe/Amsterdam") from error
