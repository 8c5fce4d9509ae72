"""Quantile sketches: mergeable summaries of values, from which percentiles are read.

A sketch keeps few values as they are. More values are counted in bins whose widths grow with the value, so
that the error of a percentile is at most one hundredth of it (Masson, Rim & Lee, DDSketch: a fast and
fully-mergeable quantile sketch with relative-error guarantees, PVLDB 12, 2019). Counts add up, so neither the
order of the values nor that of merges matters, not even for the encoding.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from twin.errors import MessageError
from twin.wire.codec import DECODE_ERRORS

RELATIVE_ACCURACY = 0.01
"""Greatest error of a percentile, as a share of the value."""

BINS_MAX = 1_024
"""Bins for each sign: values from x to 700 million times x. Smaller absolute values share the last bin."""

VALUES_EXACT_MAX = 32
"""Up to this number values are kept: percentiles of a minute, and of most ten minutes, are exact."""

# Bin k holds values in (γ^(k-1), γ^k], and counts for 2γ^k / (γ + 1). Stored sketches rely on these
# expressions: another way to compute the same could move a value at the edge of a bin.
_GAMMA = 1 + 2 * RELATIVE_ACCURACY / (1 - RELATIVE_ACCURACY)
_BINS_PER_OCTAVE = 1 / math.log1p(2 * RELATIVE_ACCURACY / (1 - RELATIVE_ACCURACY)) * math.log(2)

ZERO_MAX = sys.float_info.min * _GAMMA
"""Greatest absolute value that counts as zero."""


def bin_key(value: float) -> int:
    """Return the key of the bin of a value greater than `ZERO_MAX`; it is within ±40,000."""
    return math.ceil(math.log(value, 2) * _BINS_PER_OCTAVE)


def bin_value(key: int) -> float:
    """Return the value that represents a bin.

    >>> bin_value(bin_key(12.5))
    12.553937179918435
    """
    return math.pow(2.0, key / _BINS_PER_OCTAVE) * (2.0 / (1 + _GAMMA))


class EncodedSketch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Either the values, ascending, or the non-empty bins: (key minus that of the bin before, count, …)."""

    values: tuple[float, ...] = ()
    zeros: int = 0
    positive: tuple[int, ...] = ()
    negative: tuple[int, ...] = ()


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[EncodedSketch])

# The first byte of a MessagePack array whose length follows in four bytes.
_ARRAY = b"\xdd"


class Sketch:
    """The distribution of values. Mutable."""

    __slots__ = ("_negative", "_positive", "_values", "_zeros")

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._values: list[float] | None = []  # None once they are counted in bins
        self._zeros = 0
        self._positive: dict[int, int] = {}  # counts by bin
        self._negative: dict[int, int] = {}  # the same for negative values, by the bins of absolute values
        self.extend(values)

    def extend(self, values: Iterable[float]) -> None:
        """Add finite values."""
        if self._values is None:
            self._count(values)
            return
        self._values.extend(values)
        if len(self._values) > VALUES_EXACT_MAX:
            self._use_bins()

    def merge(self, other: Sketch) -> None:
        """Add the content of another sketch, which does not change."""
        if other._values is not None:
            self.extend(other._values)
        else:
            self._add_bins(other._zeros, other._positive, other._negative)

    def encode(self) -> bytes:
        """Return the sketch as bytes: equal for equal contents, empty without values."""
        if self._values is None:
            return _ENCODER.encode(
                EncodedSketch((), self._zeros, tuple(_steps(self._positive)), tuple(_steps(self._negative)))
            )
        # Adding zero makes minus zero zero: the two are equal, but not as bytes.
        values = tuple(sorted(value + 0.0 for value in self._values))
        return _ENCODER.encode(EncodedSketch(values=values)) if values else b""

    @classmethod
    def decode(cls, data: bytes) -> Sketch:
        """Return the sketch in the bytes; raise MessageError when they cannot be read."""
        return merge_encoded(data, 1 if data else 0)

    def _use_bins(self) -> None:
        values, self._values = self._values or (), None
        self._count(values)

    def _count(self, values: Iterable[float]) -> None:
        # The values of a sensor repeat, because its resolution is limited.
        for value, times in Counter(values).items():
            if value > ZERO_MAX:
                key = bin_key(value)
                self._positive[key] = self._positive.get(key, 0) + times
            elif value < -ZERO_MAX:
                key = bin_key(-value)
                self._negative[key] = self._negative.get(key, 0) + times
            else:
                self._zeros += times
        self._collapse()

    def _add_bins(self, zeros: int, positive: Mapping[int, int], negative: Mapping[int, int]) -> None:
        if self._values is not None:
            self._use_bins()
        self._zeros += zeros
        for bins, added in ((self._positive, positive), (self._negative, negative)):
            for key, count in added.items():
                bins[key] = bins.get(key, 0) + count
        self._collapse()

    def _collapse(self) -> None:
        """Let all bins beyond `BINS_MAX` share the last one: those of the smallest absolute values."""
        for bins in (self._positive, self._negative):
            if not bins:
                continue
            last = max(bins) - BINS_MAX + 1
            if min(bins) < last:
                low = [key for key in bins if key < last]
                bins[last] = bins.get(last, 0) + sum(bins.pop(key) for key in low)


def merge_encoded(data: bytes, count: int) -> Sketch:
    """Merge `count` concatenated sketches; raise MessageError when they cannot be read."""
    values: list[float] = []
    zeros = 0
    positive: Counter[int] = Counter()
    negative: Counter[int] = Counter()
    for encoded in decode_sketches(data, count):
        values.extend(encoded.values)
        zeros += encoded.zeros
        for bins, steps in ((positive, encoded.positive), (negative, encoded.negative)):
            key = 0
            for step, times in zip(steps[::2], steps[1::2], strict=True):
                key += step
                bins[key] += times
    sketch = Sketch(values)
    if zeros or positive or negative:
        sketch._add_bins(zeros, positive, negative)
    return sketch


def decode_sketches(data: bytes, count: int) -> list[EncodedSketch]:
    """Return `count` concatenated sketches, none of them empty; raise MessageError when unreadable."""
    try:
        return _DECODER.decode(_ARRAY + count.to_bytes(4) + data)
    except DECODE_ERRORS as error:
        raise MessageError(f"{len(data)} bytes of {count} sketches cannot be read: {error}") from error


def _steps(bins: Mapping[int, int]) -> Iterator[int]:
    before = 0
    for key in sorted(bins):
        yield key - before
        yield bins[key]
        before = key
