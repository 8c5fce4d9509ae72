"""Combines partial buckets, each from one source, to buckets with aggregates and coverage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from storage.history.read_plan import DatastreamExtent
from twin.instant import INSTANT_MAX, Instant, from_datetime
from twin.model.observed_property import Aggregation
from twin.state.percentiles import BucketValues, percentiles
from twin.state.sketch import RELATIVE_ACCURACY

AggregateName: TypeAlias = Literal["mean", "min", "max", "sum", "count", "first", "last", "p50", "p95"]
AGGREGATE_NAMES: tuple[AggregateName, ...] = (
    "mean",
    "min",
    "max",
    "sum",
    "count",
    "first",
    "last",
    "p50",
    "p95",
)

Fill: TypeAlias = Literal["null", "none"]
"""Whether buckets without data are listed, with empty values, or left out."""

AggregateValues: TypeAlias = dict[AggregateName, float | None]

PERCENTILE_SHARES: dict[AggregateName, float] = {"p50": 0.5, "p95": 0.95}

_NOTHING = np.empty(0)


@dataclass(frozen=True, slots=True)
class HistoryBucket:
    """The aggregated observations of one bucket."""

    start: Instant
    end: Instant  #: exclusive; may lie after the requested range, as `start` may lie before it
    count: int  #: of usable observations within the bucket and the range
    coverage: float | None  #: usable / expected, 0 to 1; None where no datastream existed yet
    flags: int  #: all flags of any observation, also of unusable ones
    values: AggregateValues  #: one for each requested aggregate; None without usable data
    suspect: int = 0  #: number of unusable observations
    #: greatest relative error of the percentiles, where they come from sketches; None: they are exact
    percentile_error: float | None = None


@dataclass(slots=True)
class PartialBucket:
    """Sums over observations of datastreams in one bucket; mutable while parts are combined.

    Sums that were not requested stay at their defaults.
    """

    datastreams: list[int]  #: with observations, also unusable ones; may occur once for each source
    counts: list[int]  #: of usable observations, for each of `datastreams`
    suspect: int = 0
    flags: int = 0
    total: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    first: float | None = None
    last: float | None = None
    sine: float = 0.0
    cosine: float = 0.0
    increase: float = 0.0
    values: bytes = b""  #: single values as big-endian floats, where percentiles are requested
    sketches: bytes = b""  #: of stored aggregates, one after the other
    sketch_count: int = 0

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> PartialBucket:
        """Return the part in a row of a bucket query; `row` is without bucket and series."""
        datastreams, counts, suspect, flags, total, low, high, first, last = row[:9]
        sine, cosine, values, increase, sketches, sketch_count = row[9:]
        return cls(
            datastreams,
            counts,
            suspect,
            flags,
            total or 0.0,
            math.inf if low is None else low,
            -math.inf if high is None else high,
            first,
            last,
            sine or 0.0,
            cosine or 0.0,
            increase or 0.0,
            values or b"",
            sketches or b"",
            sketch_count or 0,
        )

    @property
    def count(self) -> int:
        """The number of usable observations."""
        return sum(self.counts)

    def add(self, later: PartialBucket) -> None:
        """Add the part of the same bucket that is next in time."""
        self.datastreams = self.datastreams + later.datastreams
        self.counts = self.counts + later.counts
        self.suspect += later.suspect
        self.flags |= later.flags
        self.total += later.total
        self.minimum = min(self.minimum, later.minimum)
        self.maximum = max(self.maximum, later.maximum)
        self.first = self.first if self.first is not None else later.first
        self.last = later.last if later.last is not None else self.last
        self.sine += later.sine
        self.cosine += later.cosine
        self.increase += later.increase
        self.values += later.values
        self.sketches += later.sketches
        self.sketch_count += later.sketch_count

    def aggregate_values(self, wanted: Iterable[AggregateName], kind: Aggregation) -> AggregateValues:
        """Return aggregates, None where undefined; percentiles are None here.

        For directions only mean, first and last are defined. The sum of a counter is its increase, and its
        mean is undefined.
        """
        count = self.count
        known: AggregateValues = {"count": float(count)}
        if count:
            known["first"], known["last"] = self.first, self.last
            if kind == "circular_mean":
                known["mean"] = math.degrees(math.atan2(self.sine, self.cosine)) % 360.0
            else:
                known["min"], known["max"] = self.minimum, self.maximum
                known["sum"] = self.increase if kind == "counter" else self.total
                if kind != "counter":
                    known["mean"] = self.total / count
        return {name: known.get(name) for name in wanted}


PartialBuckets: TypeAlias = dict[tuple[Instant, int], PartialBucket]
"""Parts by start of the bucket and series: the datastream's id, or 0 for all datastreams together."""


class BucketRequest(NamedTuple):
    """The range and the aggregates of a request for buckets."""

    start: Instant
    end: Instant
    aggregates: list[AggregateName]
    kind: Aggregation
    fill: Fill


def compute_values(
    parts: Sequence[PartialBucket], aggregates: Sequence[AggregateName], kind: Aggregation
) -> list[AggregateValues]:
    """Return the aggregates of parts, with percentiles; None where undefined.

    Percentiles are undefined for counters and directions. Raises MessageError when a stored sketch cannot be
    decoded.
    """
    results = [part.aggregate_values(aggregates, kind) for part in parts]
    names = [name for name in aggregates if name in PERCENTILE_SHARES]
    if names and kind not in {"counter", "circular_mean"}:
        pools = [
            BucketValues(
                np.frombuffer(part.values, ">f8").astype(np.float64) if part.values else _NOTHING,
                part.sketches,
                part.sketch_count,
            )
            for part in parts
        ]
        shares = [PERCENTILE_SHARES[name] for name in names]
        for result, values in zip(results, percentiles(pools, shares), strict=True):
            result.update(zip(names, values, strict=True))
    return results


def sum_values(
    parts: Sequence[Mapping[AggregateName, float | None]], aggregates: Sequence[AggregateName]
) -> AggregateValues:
    """Return the sums of the aggregates of several parts; None where no part has a value."""
    sums: AggregateValues = {}
    for name in aggregates:
        values = [value for part in parts if (value := part[name]) is not None]
        sums[name] = sum(values) if values else None
    return sums


def assemble_buckets(
    edges: Sequence[tuple[Instant, Instant]],
    extents: Sequence[DatastreamExtent],
    parts: PartialBuckets,
    request: BucketRequest,
) -> list[HistoryBucket]:
    """Return the buckets between `edges` from parts of datastreams, oldest first.

    Where parts are of single datastreams, the aggregates of each are computed and then added.
    """
    coverages = _coverages(edges, extents, parts, request)
    part_values = compute_values(list(parts.values()), request.aggregates, request.kind)
    by_bucket: dict[Instant, list[tuple[PartialBucket, AggregateValues]]] = {}
    for ((start, _), part), values_of_part in zip(parts.items(), part_values, strict=True):
        by_bucket.setdefault(start, []).append((part, values_of_part))
    empty_values: AggregateValues = dict.fromkeys(request.aggregates)
    result: list[HistoryBucket] = []
    for (start, end), coverage in zip(edges, coverages, strict=True):
        in_bucket = by_bucket.get(start)
        if in_bucket is None:
            if request.fill != "none":
                values = {**empty_values, "count": 0.0} if "count" in empty_values else empty_values.copy()
                result.append(HistoryBucket(start, end, 0, coverage, 0, values))
            continue
        flags = 0
        for part, _ in in_bucket:
            flags |= part.flags
        result.append(
            HistoryBucket(
                start,
                end,
                sum(part.count for part, _ in in_bucket),
                coverage,
                flags,
                in_bucket[0][1]
                if len(in_bucket) == 1
                else sum_values([values_of_part for _, values_of_part in in_bucket], request.aggregates),
                sum(part.suspect for part, _ in in_bucket),
                RELATIVE_ACCURACY if any(part.sketch_count for part, _ in in_bucket) else None,
            )
        )
    return result


def _coverages(
    edges: Sequence[tuple[Instant, Instant]],
    extents: Sequence[DatastreamExtent],
    parts: PartialBuckets,
    request: BucketRequest,
) -> list[float | None]:
    """Return for each bucket the share of the expected observations that arrived; None without a datastream.

    Computed in a table of buckets and datastreams. A datastream is expected to send during the requested part
    of the bucket, from the time of `_expected_since` on.
    """
    starts, ends = (np.array(column, np.int64) for column in zip(*edges, strict=True))
    rows, columns, counts = _counted(starts, extents, parts)
    has_data = np.zeros((len(edges), len(extents)), bool)
    has_data[rows, columns] = True
    arrived = np.zeros(has_data.shape)
    np.add.at(arrived, (rows, columns), counts)
    since = _expected_since(extents, starts, has_data)
    retired = np.array(
        [INSTANT_MAX if extent.retired is None else extent.retired for extent in extents], np.int64
    )
    interval = np.array([extent.interval for extent in extents], np.int64)
    is_expected = has_data | ((since < ends[:, None]) & (retired > starts[:, None]))
    is_expected &= interval > 0
    duration = np.minimum(ends, request.end) - np.maximum(starts, request.start)
    expected = np.where(is_expected, duration[:, None] / np.maximum(interval, 1), 0.0)
    expected_total = expected.sum(axis=1)
    arrived_total = np.minimum(arrived, expected).sum(axis=1)
    return [
        observed / total if total else None
        for observed, total in zip(arrived_total.tolist(), expected_total.tolist(), strict=True)
    ]


def _counted(starts: Any, extents: Sequence[DatastreamExtent], parts: PartialBuckets) -> tuple[Any, Any, Any]:
    """Return row, column and count for each datastream of each part; a cell may occur twice."""
    begin = np.fromiter((start for start, _ in parts), np.int64, len(parts))
    sizes = [len(part.datastreams) for part in parts.values()]
    ids = np.fromiter(chain.from_iterable(part.datastreams for part in parts.values()), np.int64)
    counts = np.fromiter(chain.from_iterable(part.counts for part in parts.values()), np.int64)
    rows = np.repeat(np.searchsorted(starts, begin), sizes)
    return rows, np.searchsorted([extent.id for extent in extents], ids), counts


def _expected_since(extents: Sequence[DatastreamExtent], starts: Any, has_data: Any) -> Any:
    """Return since when each datastream is expected to send.

    That is its creation in the model, or its first value here if that is earlier: recordings are older than
    the model, and a gap in them counts. A datastream that the model does not have is never expected.
    """
    created = np.array(
        [INSTANT_MAX if extent.created is None else extent.created for extent in extents], np.int64
    )
    first = np.where(has_data.any(axis=0), starts[has_data.argmax(axis=0)], INSTANT_MAX)
    return np.where(created == INSTANT_MAX, created, np.minimum(created, first))


def add_rows(parts: PartialBuckets, rows: Iterable[Sequence[Any]]) -> None:
    """Add the rows of a bucket query to parts; its span follows the spans added so far."""
    for start, series, *sums in rows:
        part = PartialBucket.from_row(sums)
        key = from_datetime(start), series
        if key in parts:
            parts[key].add(part)
        else:
            parts[key] = part


def pool_datastreams(parts: PartialBuckets) -> PartialBuckets:
    """Combine the parts of all datastreams of a bucket, the lowest id first."""
    pools: PartialBuckets = {}
    for (start, _), part in sorted(parts.items(), key=lambda item: item[0]):
        if (pool := pools.get((start, 0))) is not None:
            pool.add(part)
        else:
            pools[start, 0] = part
    return pools
