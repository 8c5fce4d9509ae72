"""Questions about the past: single observations, and aggregates in buckets.

Values are calibrated by what is in force for their phenomenon times, and carry all that is known of their
quality. Only usable ones take part in aggregates.
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
"""Buckets times datastreams: each is a part that is held in memory, about 500 bytes."""


async def read_history_buckets(  # noqa: PLR0917 - a question has so many parts
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

    `timezone` (IANA) places the days, weeks, months and years of a calendar interval; see `BucketInterval`.
    With `fill` "null", buckets without data are listed too.

    `combination` is how the datastreams make the entity's value. Where they add up ("sum"), each aggregate is
    computed for each datastream and these are added: exact for mean, sum and count, a bound for the others.
    Otherwise all observations count alike, whichever datastream they are of. The mean of a "circular_mean"
    is the mean direction, in degrees.

    `rules` is the observed property: what is late, and what aggregates mean. The sum of a counter is its
    increase, by `twin.state.counter`, exact over resets and wraps; an increase belongs to the bucket of the
    later
    reading. With `known_at` the answer is what it would have been then. `day_zone` is the city's time zone,
    in which stored days begin.

    Many observations, and those that are not kept singly any more, are answered from stored aggregates. The
    answer is the same to rounding, except that percentiles are then within 1 % of a value between which they
    lie, and mean directions are weighted by counts alone.

    Raises QueryError for a time zone that does not exist, for more than `BUCKETS_MAX` buckets, for what is
    not kept any more, and when the database takes too long.
    """
    wanted = list(aggregates)
    zone = _check_request(interval, start, end, timezone)
    if end <= start:
        return []
    kind = _aggregation_of(observed_property, combination)
    async with query_transaction(connection):
        kept = await read_extents_in_transaction(connection, unique_ids(datastream_ids), known_at)
        asked = HistoryRequest(
            start, end, interval, zone, day_zone, known_at is not None, kind == "circular_mean"
        )
        # The first of all is that of the first datastream, whenever it was, and so is the last.
        apart = len(kept) > 1 and (combination == "sum" or "first" in wanted or "last" in wanted)
        placing = bucket_parameters(interval, zone, kind, wanted, apart=apart)
        edges = await read_bucket_edges(connection, placing, start, end)
        if len(edges) * len(kept) > PARTIAL_BUCKETS_MAX:
            raise QueryError(
                f"{len(edges)} buckets of {len(kept)} datastreams: expected at most {PARTIAL_BUCKETS_MAX} "
                "together; "
                "ask for longer intervals or a shorter range"
            )
        found = await _read_partial_buckets(
            connection, kept, asked, placing, edges, observed_property, known_at
        )
    parts = found if combination == "sum" else pool_datastreams(found)
    return assemble_buckets(edges, kept, parts, BucketRequest(start, end, wanted, kind, fill))


async def _read_partial_buckets(  # noqa: PLR0917 - a question has so many parts
    connection: Connection,
    kept: Sequence[DatastreamExtent],
    asked: HistoryRequest,
    placing: BucketParameters,
    edges: Sequence[tuple[Instant, Instant]],
    rules: ObservedProperty | None,
    known_at: Instant | None,
) -> PartialBuckets:
    """Return what the spans of a question hold."""
    found: PartialBuckets = {}
    quality = rules.quality if rules is not None else TIME_RULES_ONLY
    for planned in plan_spans(kept, asked):
        span = await usable_span(connection, kept, planned)
        add_rows(
            found,
            await read_partial_rows(
                connection, span, placing, observation_parameters(kept, span, quality, known_at)
            ),
        )
        if (
            span.source == "raw"
            and rules is not None
            and rules.aggregation == "counter"
            and placing["totals"]
        ):
            readings = await _read_counter_readings(connection, kept, span, known_at)
            rate_max = COUNTER_RATE_MAX.get(rules.name)
            counted = sum_increases(readings, span, edges, wraps_at=rules.wraps_at, rate_max=rate_max)
            for (begin, id), amount in counted.items():
                found[begin, id if placing["apart"] else 0].increase += amount
    return found


async def read_published_buckets(  # noqa: PLR0917 - a question has so many parts
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
    """Return aggregates of the published values of an entity: of an indicator, a roll-up, households' sums.

    As `read_history_buckets`, of the single series `name`; `expected` is the time between two values, 0
    where there is
    none, and coverage then not known. With `at_end` a value is dated to the end of the window that it speaks
    for, and belongs to the bucket that ends with it.
    """
    wanted = list(aggregates)
    zone = _check_request(interval, start, end, timezone)
    if end <= start:
        return []
    placing = bucket_parameters(interval, zone, kind, wanted)
    found: PartialBuckets = {}
    parameters: dict[str, Any] = {**placing, "entity": entity, "name": name, "unusable": UNUSABLE_FLAGS}
    back = 1 if at_end else 0  # microseconds
    parameters |= {"start": to_datetime(start + back), "end": to_datetime(end + back)}
    parameters["back"] = timedelta(microseconds=back)
    async with query_transaction(connection):
        edges = await read_bucket_edges(connection, placing, start, end)
        add_rows(found, await fetch_binary(connection, query("history/list_published_buckets"), parameters))
    series = DatastreamExtent(id=0, interval=expected, created=INSTANT_MIN, retired=None)
    return assemble_buckets(edges, [series], found, BucketRequest(start, end, wanted, kind, fill))


async def _read_counter_readings(
    connection: Connection, kept: Sequence[DatastreamExtent], span: ReadSpan, known_at: Instant | None
) -> list[CounterReading]:
    """Return the usable readings of registers in a span, and the newest few of each before it, in order."""
    found = await read_readings_before(connection, kept, span.start, known_at)
    after: ObservationCursor | None = None
    ids = [one.id for one in kept]
    while len(found) <= COUNTER_READINGS_MAX:
        page = await read_observations_in_transaction(
            connection, ids, span, OBSERVATIONS_MAX, after, TIME_RULES_ONLY, known_at
        )
        found += [
            CounterReading(one.datastream, one.phenomenon_time, one.value)
            for one in page
            if is_usable(one.flags)
        ]
        if len(page) < OBSERVATIONS_MAX:
            return found
        after = ObservationCursor(page[-1].phenomenon_time, page[-1].datastream)
    raise QueryError(f"more than {COUNTER_READINGS_MAX} readings of registers; ask for a shorter range")


def _aggregation_of(rules: ObservedProperty | None, combination: Combination) -> Aggregation:
    if rules is not None:
        return rules.aggregation
    return "circular_mean" if combination == "circular_mean" else "mean"


def _check_request(interval: BucketInterval, start: Instant, end: Instant, timezone: str) -> str:
    """Return the zone of the buckets; raise QueryError for too many buckets, and for no zone."""
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
