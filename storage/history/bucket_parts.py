"""Parts of a bucket: what datastreams have in it, from one source, and what all parts come to."""

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

AggregateValues: TypeAlias = dict[AggregateName, float | None]

PERCENTILE_SHARES: dict[AggregateName, float] = {"p50": 0.5, "p95": 0.95}

_NOTHING = np.empty(0)


@dataclass(frozen=True, slots=True)
class HistoryBucket:
    """The observations of one stretch of time, aggregated."""

    start: Instant
    end: Instant  #: exclusive; may lie beyond the range that was asked for, as `start` may before it
    count: int  #: of usable observations within the bucket and the range
    coverage: float | None  #: usable / expected, 0 to 1; None where no datastream was known yet
    flags: int  #: all flags that any of them has, the suspect ones too
    values: AggregateValues  #: one for each aggregate that was asked for; None without usable data
    suspect: int = 0  #: of observations that were not used


@dataclass(slots=True)
class PartialBucket:
    """What the observations of datastreams come to; mutable while parts are brought together.

    What was not asked for is as if there were none of it.
    """

    datastreams: list[int]  #: that have observations, unusable ones too; one may be there for each source
    counts: list[int]  #: of usable observations, of each of them
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
    values: bytes = b""  #: single ones, each a float in the order of the network, where percentiles are asked
    sketches: bytes = b""  #: of what is stored as aggregates, one after the other
    sketch_count: int = 0

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> PartialBucket:
        """Return the part that a row of `list_buckets` and its like holds, without bucket and series."""
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
        """How many usable observations there are."""
        return sum(self.counts)

    def add(self, later: PartialBucket) -> None:
        """Take in the part of the same bucket that comes after this one."""
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
        """Return aggregates, None where there is none; of percentiles there is none here.

        On a circle only the mean direction, the first and the last mean something; of a register the sum is
        its increase, and a mean means nothing.
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
        return {one: known.get(one) for one in wanted}


def compute_values(
    parts: Sequence[PartialBucket], wanted: Sequence[AggregateName], kind: Aggregation
) -> list[AggregateValues]:
    """Return the aggregates of parts, percentiles too where they mean something, None where there are none.

    They mean nothing of a register's readings, nor on a circle. Raises MessageError when a stored sketch
    cannot be read.
    """
    found = [part.aggregate_values(wanted, kind) for part in parts]
    names = [name for name in wanted if name in PERCENTILE_SHARES]
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
        for figures, values in zip(found, percentiles(pools, shares), strict=True):
            figures.update(zip(names, values, strict=True))
    return found


def sum_values(
    parts: Sequence[Mapping[AggregateName, float | None]], wanted: Sequence[AggregateName]
) -> AggregateValues:
    """Return the sums of the aggregates of several parts, None where no part has any."""
    figures: AggregateValues = {}
    for name in wanted:
        found = [value for one in parts if (value := one[name]) is not None]
        figures[name] = sum(found) if found else None
    return figures


# Buckets from parts: coverage, flags and figures of all datastreams together.

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
