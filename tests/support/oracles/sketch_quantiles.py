"""Percentiles of one sketch, read from its encoding, bin by bin: the oracle for those of many at once."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

from twin.state.sketch import Sketch, bin_value, decode_sketches


def value_count(sketch: Sketch) -> int:
    """Return how many values a sketch holds."""
    return sum(count for _, count in _ascending(sketch))


def quantile(sketch: Sketch, q: float) -> float | None:
    """Return the value of rank floor(q · (n - 1)) of n in ascending order; None without values."""
    rank = floor(q * (value_count(sketch) - 1))
    for value, count in _ascending(sketch):
        rank -= count
        if rank < 0:
            return value
    return None


def _ascending(sketch: Sketch) -> Iterator[tuple[float, int]]:
    data = sketch.encode()
    if not data:
        return
    (encoded,) = decode_sketches(data, 1)
    yield from ((value, 1) for value in encoded.values)
    yield from ((-bin_value(key), count) for key, count in reversed(list(_bins(encoded.negative))))
    yield 0.0, encoded.zeros
    yield from ((bin_value(key), count) for key, count in _bins(encoded.positive))


def _bins(steps: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    key = 0
    for step, count in zip(steps[::2], steps[1::2], strict=True):
        key += step
        yield key, count
