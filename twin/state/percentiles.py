"""Percentiles of many buckets at once, each from single values and sketches.

Arrays of numpy, because a chart asks for ten thousand buckets. A module of its own, so that processes without
charts do not load numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twin.state.sketch import (
    BINS_MAX,
    VALUES_EXACT_MAX,
    ZERO_MAX,
    EncodedSketch,
    bin_key,
    bin_value,
    decode_sketches,
)

_Floats: TypeAlias = NDArray[np.float64]
_Integers: TypeAlias = NDArray[np.int64]

# Places order bins by their values: mirrored keys for negative values, then zero, then keys for positive
# values. A key is within ±40,000, so these ranges do not overlap, nor do the places of two buckets.
_POSITIVE = 1 << 17
_PLACE = 1 << 20
_MIDDLE = _PLACE >> 1


class BucketValues(NamedTuple):
    """The content of one bucket."""

    values: _Floats  #: single values, in any order
    sketches: bytes = b""  #: encoded and concatenated
    sketch_count: int = 0


def percentiles(buckets: Sequence[BucketValues], shares: Sequence[float]) -> list[list[float | None]]:
    """Return the percentiles of each bucket, in the order of `shares`; None without values.

    Without sketches they lie between the two nearest values (definition 7 of Hyndman & Fan, Sample quantiles
    in statistical packages, The American Statistician 50, 1996; percentile_cont of PostgreSQL is the same).
    With sketches they are the values of rank floor(share · (n - 1)), each within `RELATIVE_ACCURACY`.

    Raises MessageError when the sketches cannot be read.

    >>> percentiles([BucketValues(np.array([4.0, 1.0, 2.0]))], [0.5, 0.75])
    [[2.0, 3.0]]
    """
    results: list[list[float | None]] = [[None] * len(shares) for _ in buckets]
    single = [number for number, bucket in enumerate(buckets) if not bucket.sketch_count]
    if single:
        _fill(results, single, _interpolated_percentiles([buckets[number] for number in single], shares))
    sketched = [number for number, bucket in enumerate(buckets) if bucket.sketch_count]
    if sketched:
        _fill(results, sketched, _ranked_percentiles([buckets[number] for number in sketched], shares))
    return results


def _fill(results: list[list[float | None]], numbers: Sequence[int], columns: Sequence[_Floats]) -> None:
    for place, column in enumerate(columns):
        for number, value in zip(numbers, column.tolist(), strict=True):
            results[number][place] = None if value != value else value  # noqa: PLR0124 - NaN: without values


def _ascending(bucket_ids: _Integers, values: _Floats, count: int) -> tuple[_Floats, _Integers, _Integers]:
    """Return the values ordered by bucket and value, and each bucket's first index and count."""
    sizes = np.bincount(bucket_ids, minlength=count)
    return values[np.lexsort((values, bucket_ids))], np.cumsum(sizes) - sizes, sizes


def _single_values(buckets: Sequence[BucketValues]) -> tuple[_Integers, _Floats]:
    """Return for each single value the number of its bucket, and the values."""
    bucket_ids = np.repeat(np.arange(len(buckets)), [len(bucket.values) for bucket in buckets])
    return bucket_ids, np.concatenate([bucket.values for bucket in buckets])


def _interpolated_percentiles(buckets: Sequence[BucketValues], shares: Sequence[float]) -> list[_Floats]:
    values, first, sizes = _ascending(*_single_values(buckets), len(buckets))
    results = []
    there = sizes > 0
    for share in shares:
        place = share * (sizes[there] - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, sizes[there] - 1)
        low, high = values[first[there] + below], values[first[there] + above]
        column = np.full(len(buckets), np.nan)
        column[there] = low + (place - below) * (high - low)
        results.append(column)
    return results


class _Bins(NamedTuple):
    """Counts in bins, with the number of the bucket and the place in ascending order."""

    bucket_ids: _Integers
    places: _Integers
    counts: _Integers


def _ranked_percentiles(buckets: Sequence[BucketValues], shares: Sequence[float]) -> list[_Floats]:
    encoded = decode_sketches(
        b"".join(bucket.sketches for bucket in buckets), sum(bucket.sketch_count for bucket in buckets)
    )
    sketch_buckets = np.repeat(np.arange(len(buckets)), [bucket.sketch_count for bucket in buckets])
    bucket_ids, values = _single_values(buckets)
    exact = np.fromiter(chain.from_iterable(one.values for one in encoded), np.float64)
    bucket_ids = np.concatenate([bucket_ids, np.repeat(sketch_buckets, [len(one.values) for one in encoded])])
    values = np.concatenate([values, exact])
    bins = _sketch_bins(encoded, sketch_buckets)
    totals = np.bincount(bucket_ids, minlength=len(buckets)) + np.bincount(
        bins.bucket_ids, bins.counts, minlength=len(buckets)
    ).astype(np.int64)
    few = totals <= VALUES_EXACT_MAX
    counted = ~few[bucket_ids]
    bins = _sorted_bins(bins, _value_bins(bucket_ids[counted], values[counted]))
    ascending, first, _ = _ascending(bucket_ids[~counted], values[~counted], len(buckets))
    results = []
    for share in shares:
        rank = np.floor(share * (totals - 1)).astype(np.int64)
        column = np.full(len(buckets), np.nan)
        there = few & (totals > 0)
        column[there] = ascending[(first + rank)[there]]
        if not few.all():
            column[~few] = _values_at(bins, np.flatnonzero(~few), rank[~few])
        results.append(column)
    return results


def _sketch_bins(encoded: Sequence[EncodedSketch], sketch_buckets: _Integers) -> _Bins:
    """Return the bins of encoded sketches."""
    numbers = [number for number, one in enumerate(encoded) if not one.values]
    bucket_ids = sketch_buckets[numbers]
    parts = [
        _Bins(
            bucket_ids,
            np.zeros(len(numbers), np.int64),
            np.array([encoded[number].zeros for number in numbers], np.int64),
        )
    ]
    for sign, stores in (
        (1, [encoded[number].positive for number in numbers]),
        (-1, [encoded[number].negative for number in numbers]),
    ):
        flat = np.fromiter(chain.from_iterable(stores), np.int64)
        sizes = np.array([len(one) // 2 for one in stores], np.int64)
        # Keys are stored as differences within each sketch: subtract the sum of all sketches before.
        reached = np.cumsum(flat[::2])
        before = np.concatenate([np.zeros(1, np.int64), reached])[np.cumsum(sizes) - sizes]
        keys = reached - np.repeat(before, sizes)
        parts.append(_Bins(np.repeat(bucket_ids, sizes), sign * (keys + _POSITIVE), flat[1::2]))
    return _sorted_bins(*parts)


def _value_bins(bucket_ids: _Integers, values: _Floats) -> _Bins:
    """Return single values as bins with a count of 1."""
    # The values of a sensor repeat, because its resolution is limited.
    distinct, which = np.unique(values, return_inverse=True)
    places = np.array([_place(value) for value in distinct.tolist()], np.int64)
    return _Bins(bucket_ids, places[which], np.ones(len(bucket_ids), np.int64))


def _place(value: float) -> int:
    if value > ZERO_MAX:
        return bin_key(value) + _POSITIVE
    if value < -ZERO_MAX:
        return -bin_key(-value) - _POSITIVE
    return 0


def _sorted_bins(*parts: _Bins) -> _Bins:
    """Return bins ordered by bucket and place; a place may occur twice."""
    bucket_ids, places, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(bucket_ids * _PLACE + _MIDDLE + places)
    return _Bins(bucket_ids[order], places[order], counts[order])


def _values_at(bins: _Bins, buckets: _Integers, ranks: _Integers) -> _Floats:
    """Return the values of ranks in buckets that have bins."""
    reached = np.cumsum(bins.counts)
    first = np.searchsorted(bins.bucket_ids, buckets)
    last = np.searchsorted(bins.bucket_ids, buckets, side="right") - 1
    before = reached[first] - bins.counts[first]
    places = bins.places[np.searchsorted(reached, before + ranks, side="right")]
    # Beyond `BINS_MAX` the bins next to zero share the last one.
    places = np.where(places > 0, np.maximum(places, bins.places[last] - BINS_MAX + 1), places)
    places = np.where(places < 0, np.minimum(places, bins.places[first] + BINS_MAX - 1), places)
    distinct, which = np.unique(places, return_inverse=True)
    return np.array([_value(place) for place in distinct.tolist()])[which]


def _value(place: int) -> float:
    if not place:
        return 0.0
    value = bin_value(abs(place) - _POSITIVE)
    return value if place > 0 else -value
