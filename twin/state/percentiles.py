"""Percentiles of many buckets at once, each from single values and sketches.

What `twin.state.sketch.Sketch` tells of one bucket after the other, computed for all of them in a few
operations on arrays: a chart of ten thousand buckets asks for as many percentiles as that.
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

# Bins in the order of their values: a key is within ±40,000, so that those of negative values, mirrored, zero
# and those of positive values lie apart, and those of one pool behind those of the pool before.
_POSITIVE = 1 << 17
_PLACE = 1 << 20
_MIDDLE = _PLACE >> 1


class BucketValues(NamedTuple):
    """What one bucket holds."""

    values: _Floats  #: single ones, in any order
    sketches: bytes = b""  #: encoded, one after the other
    sketch_count: int = 0


def percentiles(pools: Sequence[BucketValues], shares: Sequence[float]) -> list[list[float | None]]:
    """Return for each pool its percentiles, in the order of `shares`; None of no values.

    Without sketches they lie between the two nearest values (definition 7 of Hyndman & Fan, Sample quantiles
    in statistical packages, The American Statistician 50, 1996; percentile_cont of PostgreSQL is the same).
    With sketches they are those of `Sketch.quantile` for all values and sketches together.

    Raises MessageError when the sketches cannot be read.

    >>> percentiles([BucketValues(np.array([4.0, 1.0, 2.0]))], [0.5, 0.75])
    [[2.0, 3.0]]
    """
    found: list[list[float | None]] = [[None] * len(shares) for _ in pools]
    single = [number for number, pool in enumerate(pools) if not pool.sketch_count]
    if single:
        _take(found, single, _interpolated([pools[number] for number in single], shares))
    sketched = [number for number, pool in enumerate(pools) if pool.sketch_count]
    if sketched:
        _take(found, sketched, _ranked([pools[number] for number in sketched], shares))
    return found


def _take(found: list[list[float | None]], numbers: Sequence[int], columns: Sequence[_Floats]) -> None:
    for place, column in enumerate(columns):
        for number, value in zip(numbers, column.tolist(), strict=True):
            found[number][place] = None if value != value else value  # noqa: PLR0124 - NaN: of no values


def _ascending(owners: _Integers, values: _Floats, count: int) -> tuple[_Floats, _Integers, _Integers]:
    """Return values in the order of their owners and ascending, and for each owner its first and how many."""
    sizes = np.bincount(owners, minlength=count)
    return values[np.lexsort((values, owners))], np.cumsum(sizes) - sizes, sizes


def _single(pools: Sequence[BucketValues]) -> tuple[_Integers, _Floats]:
    """Return the single values of pools, and the number of the pool of each."""
    owners = np.repeat(np.arange(len(pools)), [len(pool.values) for pool in pools])
    return owners, np.concatenate([pool.values for pool in pools])


def _interpolated(pools: Sequence[BucketValues], shares: Sequence[float]) -> list[_Floats]:
    values, first, sizes = _ascending(*_single(pools), len(pools))
    found = []
    there = sizes > 0
    for share in shares:
        place = share * (sizes[there] - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, sizes[there] - 1)
        low, high = values[first[there] + below], values[first[there] + above]
        column = np.full(len(pools), np.nan)
        column[there] = low + (place - below) * (high - low)
        found.append(column)
    return found


class _Bins(NamedTuple):
    """Counts in bins: of which pool, at which place in ascending order, how many."""

    owners: _Integers
    places: _Integers
    counts: _Integers


def _ranked(pools: Sequence[BucketValues], shares: Sequence[float]) -> list[_Floats]:
    encoded = decode_sketches(
        b"".join(pool.sketches for pool in pools), sum(pool.sketch_count for pool in pools)
    )
    of_sketch = np.repeat(np.arange(len(pools)), [pool.sketch_count for pool in pools])
    owners, values = _single(pools)
    exact = np.fromiter(chain.from_iterable(one.values for one in encoded), np.float64)
    owners = np.concatenate([owners, np.repeat(of_sketch, [len(one.values) for one in encoded])])
    values = np.concatenate([values, exact])
    bins = _binned(encoded, of_sketch)
    totals = np.bincount(owners, minlength=len(pools)) + np.bincount(
        bins.owners, bins.counts, minlength=len(pools)
    ).astype(np.int64)
    few = totals <= VALUES_EXACT_MAX
    counted = ~few[owners]
    bins = _joined(bins, _counted(owners[counted], values[counted]))
    ascending, first, _ = _ascending(owners[~counted], values[~counted], len(pools))
    found = []
    for share in shares:
        rank = np.floor(share * (totals - 1)).astype(np.int64)
        column = np.full(len(pools), np.nan)
        there = few & (totals > 0)
        column[there] = ascending[(first + rank)[there]]
        if not few.all():
            column[~few] = _values_at(bins, np.flatnonzero(~few), rank[~few])
        found.append(column)
    return found


def _binned(encoded: Sequence[EncodedSketch], of_sketch: _Integers) -> _Bins:
    """Return the bins of encoded sketches."""
    numbers = [number for number, one in enumerate(encoded) if not one.values]
    owners = of_sketch[numbers]
    parts = [
        _Bins(
            owners,
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
        # Each key is so many steps from the one before: what all stores before have come to goes off again.
        reached = np.cumsum(flat[::2])
        before = np.concatenate([np.zeros(1, np.int64), reached])[np.cumsum(sizes) - sizes]
        keys = reached - np.repeat(before, sizes)
        parts.append(_Bins(np.repeat(owners, sizes), sign * (keys + _POSITIVE), flat[1::2]))
    return _joined(*parts)


def _counted(owners: _Integers, values: _Floats) -> _Bins:
    """Return single values as bins of one."""
    # A sensor has few distinct values: its resolution sees to that.
    distinct, which = np.unique(values, return_inverse=True)
    places = np.array([_place(value) for value in distinct.tolist()], np.int64)
    return _Bins(owners, places[which], np.ones(len(owners), np.int64))


def _place(value: float) -> int:
    if value > ZERO_MAX:
        return bin_key(value) + _POSITIVE
    if value < -ZERO_MAX:
        return -bin_key(-value) - _POSITIVE
    return 0


def _joined(*parts: _Bins) -> _Bins:
    """Return bins in the order of their pools and ascending; some may be there twice."""
    owners, places, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(owners * _PLACE + _MIDDLE + places)
    return _Bins(owners[order], places[order], counts[order])


def _values_at(bins: _Bins, pools: _Integers, ranks: _Integers) -> _Floats:
    """Return the values of ranks in pools that have bins."""
    reached = np.cumsum(bins.counts)
    first = np.searchsorted(bins.owners, pools)
    last = np.searchsorted(bins.owners, pools, side="right") - 1
    before = reached[first] - bins.counts[first]
    places = bins.places[np.searchsorted(reached, before + ranks, side="right")]
    # Beyond so many bins those next to zero share the last one.
    places = np.where(places > 0, np.maximum(places, bins.places[last] - BINS_MAX + 1), places)
    places = np.where(places < 0, np.minimum(places, bins.places[first] + BINS_MAX - 1), places)
    distinct, which = np.unique(places, return_inverse=True)
    return np.array([_value(place) for place in distinct.tolist()])[which]


def _value(place: int) -> float:
    if not place:
        return 0.0
    value = bin_value(abs(place) - _POSITIVE)
    return value if place > 0 else -value
