"""Buckets from parts: coverage, flags and figures of all datastreams together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from storage.history.bucket_parts import (
    AggregateName,
    AggregateValues,
    HistoryBucket,
    PartialBucket,
    compute_values,
    sum_values,
)
from storage.history.read_plan import DatastreamExtent
from twin.instant import INSTANT_MAX, Instant, from_datetime
from twin.model.observed_property import Aggregation

Fill: TypeAlias = Literal["null", "none"]
PartialBuckets: TypeAlias = dict[tuple[Instant, int], PartialBucket]
"""By start of the bucket and series: a datastream where they stay apart, otherwise 0 for all of them."""


class BucketRequest(NamedTuple):
    """What was asked for."""

    start: Instant
    end: Instant
    aggregates: list[AggregateName]
    kind: Aggregation
    fill: Fill


def assemble_buckets(
    edges: Sequence[tuple[Instant, Instant]],
    kept: Sequence[DatastreamExtent],
    found: PartialBuckets,
    ask: BucketRequest,
) -> list[HistoryBucket]:
    """Return the buckets between `edges` from the parts of datastreams, oldest first.

    Where datastreams stay apart, aggregates are computed for each and these are added.
    """
    coverages = _coverages(edges, kept, found, ask)
    figures = compute_values(list(found.values()), ask.aggregates, ask.kind)
    by_bucket: dict[Instant, list[tuple[PartialBucket, AggregateValues]]] = {}
    for ((start, _), part), one in zip(found.items(), figures, strict=True):
        by_bucket.setdefault(start, []).append((part, one))
    nothing: AggregateValues = dict.fromkeys(ask.aggregates)
    result: list[HistoryBucket] = []
    for (start, end), coverage in zip(edges, coverages, strict=True):
        here = by_bucket.get(start)
        if here is None:
            if ask.fill != "none":
                values = {**nothing, "count": 0.0} if "count" in nothing else nothing.copy()
                result.append(HistoryBucket(start, end, 0, coverage, 0, values))
            continue
        flags = 0
        for part, _ in here:
            flags |= part.flags
        result.append(
            HistoryBucket(
                start,
                end,
                sum(part.count for part, _ in here),
                coverage,
                flags,
                here[0][1] if len(here) == 1 else sum_values([one for _, one in here], ask.aggregates),
                sum(part.suspect for part, _ in here),
            )
        )
    return result


def _coverages(
    edges: Sequence[tuple[Instant, Instant]],
    kept: Sequence[DatastreamExtent],
    found: PartialBuckets,
    ask: BucketRequest,
) -> list[float | None]:
    """Return for each bucket how much came of what its datastreams should have sent, None of no datastream.

    Computed in a table of buckets and datastreams. What a datastream should have sent is counted for the part
    of the bucket that was asked for, from when it is known; see `_expected_since`.
    """
    starts, ends = (np.array(column, np.int64) for column in zip(*edges, strict=True))
    rows, columns, counts = _counted(starts, kept, found)
    there = np.zeros((len(edges), len(kept)), bool)
    there[rows, columns] = True
    came = np.zeros(there.shape)
    np.add.at(came, (rows, columns), counts)
    since = _expected_since(kept, starts, there)
    retired = np.array([INSTANT_MAX if one.retired is None else one.retired for one in kept], np.int64)
    interval = np.array([one.interval for one in kept], np.int64)
    should = there | ((since < ends[:, None]) & (retired > starts[:, None]))
    should &= interval > 0
    asked = np.minimum(ends, ask.end) - np.maximum(starts, ask.start)
    expected = np.where(should, asked[:, None] / np.maximum(interval, 1), 0.0)
    wanted = expected.sum(axis=1)
    got = np.minimum(came, expected).sum(axis=1)
    return [one / of if of else None for one, of in zip(got.tolist(), wanted.tolist(), strict=True)]


def _counted(starts: Any, kept: Sequence[DatastreamExtent], found: PartialBuckets) -> tuple[Any, Any, Any]:
    """Return row, column and count of all that is in parts; a place may be there twice."""
    begin = np.fromiter((start for start, _ in found), np.int64, len(found))
    sizes = [len(part.datastreams) for part in found.values()]
    ids = np.fromiter(chain.from_iterable(part.datastreams for part in found.values()), np.int64)
    counts = np.fromiter(chain.from_iterable(part.counts for part in found.values()), np.int64)
    rows = np.repeat(np.searchsorted(starts, begin), sizes)
    return rows, np.searchsorted([one.id for one in kept], ids), counts


def _expected_since(kept: Sequence[DatastreamExtent], starts: Any, there: Any) -> Any:
    """Return since when each datastream should have sent something.

    That is when the city learned of it, or its first value here: recordings are older than the city, and a
    gap in them is a gap. One that the city does not know never should.
    """
    created = np.array([INSTANT_MAX if one.created is None else one.created for one in kept], np.int64)
    first = np.where(there.any(axis=0), starts[there.argmax(axis=0)], INSTANT_MAX)
    return np.where(created == INSTANT_MAX, created, np.minimum(created, first))


def add_rows(found: PartialBuckets, rows: Iterable[Sequence[Any]]) -> None:
    """Add the rows of `list_buckets` and its like, of a span behind those taken so far, to parts."""
    for start, series, *figures in rows:
        part = PartialBucket.from_row(figures)
        key = from_datetime(start), series
        if key in found:
            found[key].add(part)
        else:
            found[key] = part


def pool_datastreams(found: PartialBuckets) -> PartialBuckets:
    """Return parts with those of all datastreams of a bucket as one, the lowest datastream first."""
    pools: PartialBuckets = {}
    for (start, _), part in sorted(found.items(), key=lambda one: one[0]):
        if (pool := pools.get((start, 0))) is not None:
            pool.add(part)
        else:
            pools[start, 0] = part
    return pools
