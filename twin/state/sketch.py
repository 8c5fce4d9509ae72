"""Sketches: mergeable summaries from which percentiles are read, around the library `ddsketch`.

Few values are kept as they are; more are counted in bins whose widths grow with the value, so that a
percentile is off by at most one hundredth of itself (Masson, Rim & Lee, DDSketch: a fast and
fully-mergeable quantile sketch with relative-error guarantees, PVLDB 12, 2019). Counts add, so neither the
order of the values nor that of the merges matters: not even in the encoding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from math import floor

import msgspec
from ddsketch.ddsketch import BaseDDSketch
from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import CollapsingLowestDenseStore

from twin.errors import MessageError
from twin.wire.codec import DECODE_ERRORS

RELATIVE_ACCURACY = 0.01
"""A percentile lies within this share of the value that it stands for."""

BINS_MAX = 1_024
"""Bins for each sign: values from x to 700 million times x. Beyond, those next to zero share the last bin."""

VALUES_EXACT_MAX = 32
"""Up to so many values are kept as they are: a minute's and most ten minutes' percentiles are exact."""

BIN_MAPPING = LogarithmicMapping(RELATIVE_ACCURACY)
"""From values to the keys of their bins, and back."""


class EncodedSketch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Either the values, ascending, or the bins that are not empty: (step from the bin before, count, …)."""

    values: tuple[float, ...] = ()
    zeros: int = 0
    positive: tuple[int, ...] = ()
    negative: tuple[int, ...] = ()


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[EncodedSketch])

# How MessagePack begins an array whose length follows in four bytes.
_ARRAY = b"\xdd"


class Sketch:
    """How values are distributed. Mutable."""

    __slots__ = ("_bins", "_values")

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._values: list[float] = []
        self._bins: _Bins | None = None
        self.extend(values)

    @property
    def count(self) -> int:
        """How many values were added."""
        return len(self._values) if self._bins is None else self._bins.count

    def add(self, value: float) -> None:
        """Add one finite value."""
        self.extend((value,))

    def extend(self, values: Iterable[float]) -> None:
        """Add finite values."""
        if self._bins is not None:
            self._bins.add(values)
            return
        self._values.extend(values)
        if len(self._values) > VALUES_EXACT_MAX:
            self._bins = _Bins()
            self._bins.add(self._values)
            self._values = []

    def merge(self, other: Sketch) -> None:
        """Add everything that the other holds; the other stays as it is."""
        if other._bins is None:
            self.extend(other._values)
            return
        if self._bins is None:
            self._bins = _Bins()
            self._bins.add(self._values)
            self._values = []
        self._bins.merge(other._bins)

    def quantile(self, q: float) -> float | None:
        """Return the value of rank floor(q · (n - 1)) of n in ascending order, or None of no values.

        That is the "lower" of the customary definitions: with 0 the smallest, with 1 the greatest, and with
        0.5 the lower middle value. It may lie beyond the greatest value by `RELATIVE_ACCURACY`. Raises
        ValueError unless 0 ≤ q ≤ 1.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"quantile {q} is not a share: expected 0 to 1, such as 0.95")
        if self._bins is not None:
            return self._bins.quantile(q)
        if not self._values:
            return None
        return sorted(self._values)[floor(q * (len(self._values) - 1))]

    def encode(self) -> bytes:
        """Return the sketch as bytes; equal for equal contents, empty of no values."""
        if self._bins is not None:
            return _ENCODER.encode(self._bins.encoded())
        # Adding zero makes minus zero zero: the two are equal, but not as bytes.
        values = tuple(sorted(value + 0.0 for value in self._values))
        return _ENCODER.encode(EncodedSketch(values=values)) if values else b""

    @classmethod
    def decode(cls, data: bytes) -> Sketch:
        """Return the sketch that the bytes hold; raise MessageError when they hold none."""
        return merge_encoded(data, 1 if data else 0)

    @classmethod
    def of_bins(cls, zeros: int, positive: Mapping[int, int], negative: Mapping[int, int]) -> Sketch:
        """Return the sketch of counts by the keys of their bins."""
        sketch = cls()
        sketch._bins = _Bins(zeros)
        for store, counts in ((sketch._bins._positive, positive), (sketch._bins._negative, negative)):
            for key, count in sorted(counts.items()):
                store.add(key, count)
        return sketch


def merge_encoded(data: bytes, count: int) -> Sketch:
    """Return what `count` encoded sketches hold together; raise MessageError when they cannot be read.

    The counts of equal bins are added before they go into a sketch: a year of hours in milliseconds.
    """
    values: list[float] = []
    zeros = 0
    positive: Counter[int] = Counter()
    negative: Counter[int] = Counter()
    for one in decode_sketches(data, count):
        values.extend(one.values)
        zeros += one.zeros
        for counts, steps in ((positive, one.positive), (negative, one.negative)):
            key = 0
            for step, times in zip(steps[::2], steps[1::2], strict=True):
                key += step
                counts[key] += times
    sketch = Sketch(values)
    if zeros or positive or negative:
        sketch.merge(Sketch.of_bins(zeros, positive, negative))
    return sketch


def decode_sketches(data: bytes, count: int) -> list[EncodedSketch]:
    """Return `count` encoded sketches that stand one after the other, none of them empty.

    Raises MessageError when they cannot be read.
    """
    try:
        return _DECODER.decode(_ARRAY + count.to_bytes(4) + data)
    except DECODE_ERRORS as error:
        raise MessageError(f"{len(data)} bytes of {count} sketches cannot be read: {error}") from error


class _Bins:
    """The library's sketch, and the stores that it counts in."""

    __slots__ = ("_library", "_negative", "_positive", "_zeros")

    def __init__(self, zeros: int = 0) -> None:
        self._positive = CollapsingLowestDenseStore(BINS_MAX)
        self._negative = CollapsingLowestDenseStore(BINS_MAX)
        self._zeros = zeros

    @property
    def count(self) -> int:
        return int(self._positive.count + self._negative.count) + self._zeros

    def add(self, values: Iterable[float]) -> None:
        key, smallest = BIN_MAPPING.key, BIN_MAPPING.min_possible
        # A sensor has few distinct values: its resolution sees to that.
        for value, times in Counter(values).items():
            if value > smallest:
                self._positive.add(key(value), times)
            elif value < -smallest:
                self._negative.add(key(-value), times)
            else:
                self._zeros += times

    def merge(self, other: _Bins) -> None:
        self._positive.merge(other._positive)
        self._negative.merge(other._negative)
        self._zeros += other._zeros

    def quantile(self, q: float) -> float | None:
        library = BaseDDSketch(BIN_MAPPING, self._positive, self._negative, float(self._zeros))
        found: float | None = library.get_quantile_value(q)
        return found

    def encoded(self) -> EncodedSketch:
        return EncodedSketch(
            zeros=self._zeros,
            positive=tuple(chain.from_iterable(_steps(self._positive))),
            negative=tuple(chain.from_iterable(_steps(self._negative))),
        )


def _steps(store: CollapsingLowestDenseStore) -> Iterator[tuple[int, int]]:
    before = 0
    for index, count in enumerate(store.bins):
        if count:
            key = index + store.offset
            yield key - before, int(count)
            before = key
