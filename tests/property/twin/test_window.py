"""The laws of windows: parts merge into the whole, and sketches give percentiles."""

from __future__ import annotations

import random
from itertools import pairwise
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.oracles.sketch_quantiles import quantile, value_count
from twin.instant import DAY, HOUR, MINUTE
from twin.model.datastream_policy import WINDOW_SIZES
from twin.model.observed_property import Aggregation
from twin.quality.quality_flags import QualityFlag
from twin.state.sketch import RELATIVE_ACCURACY, Sketch
from twin.state.window import WindowAccumulator, aggregate_of, window_start

FLAGS = [0, 0, 0, int(QualityFlag.LATE), int(QualityFlag.SPIKE), int(QualityFlag.MAINTENANCE)]

Reading = tuple[int, float, int, float]

COPIES_MAX = 40

instants = st.integers(-10 * DAY, 10 * DAY)
kinds: st.SearchStrategy[Aggregation] = st.sampled_from(
    ["mean", "sum", "max", "last", "counter", "circular_mean"]
)
reading = st.tuples(
    st.integers(0, HOUR // COPIES_MAX).map(lambda n: n * COPIES_MAX),
    st.floats(-1e4, 1e4).map(lambda value: round(value, 3)),
    st.sampled_from(FLAGS),
    st.floats(0, 100),
)
copies = st.sampled_from([1, 5, COPIES_MAX])


def copied(some: list[Reading], times: int) -> list[Reading]:
    """Repeat each reading, a little later and a little higher."""
    return [
        (time + n, value + n / 2, flags, increase)
        for time, value, flags, increase in some
        for n in range(times)
    ]


# One reading for each time, as in a datastream; up to hundreds, so that values are counted in bins.
readings = st.builds(copied, st.lists(reading, max_size=12, unique_by=lambda one: one[0]), copies)
# Within the range that the bins cover for each sign: beyond it the values next to zero share a bin.
measured = st.floats(1e-3, 1e5)
values = st.builds(
    lambda some, times: some * times,
    st.lists(measured | measured.map(lambda value: -value) | st.just(0.0), max_size=100),
    copies,
)


def accumulated(some: list[Reading], kind: Aggregation) -> WindowAccumulator:
    accumulator = WindowAccumulator()
    for time, value, flags, increase in sorted(some):
        accumulator.add(time, value, flags, kind, increase)
    return accumulator


def exact_parts(accumulator: WindowAccumulator, kind: Aggregation) -> tuple[object, ...]:
    """Return the parts of the aggregate that do not depend on rounding."""
    one = aggregate_of(accumulator, datastream=1, size=HOUR, start=0, revision=1, interval=MINUTE, kind=kind)
    return (one.count, one.suspect, one.flags, one.minimum, one.maximum, one.first, one.last, one.sketch)


@given(instants, st.sampled_from(WINDOW_SIZES))
def test_every_instant_lies_in_one_window(time: int, size: int) -> None:
    start = window_start(time, size)
    assert start <= time < start + size
    assert start % size == 0


@given(instants)
def test_small_windows_lie_within_large_ones(time: int) -> None:
    minute, ten, hour = (window_start(time, size) for size in WINDOW_SIZES)
    assert hour <= ten <= minute
    assert minute + MINUTE <= ten + 10 * MINUTE <= hour + HOUR


@given(readings, st.lists(st.integers(0, 3), min_size=7, max_size=7), kinds, st.permutations(range(4)))
def test_parts_merge_in_any_order_into_the_whole(
    some: list[Reading], places: list[int], kind: Aggregation, order: list[int]
) -> None:
    merged = WindowAccumulator()
    for place in order:
        merged.merge(accumulated([one for n, one in enumerate(some) if places[n % 7] == place], kind))
    whole = accumulated(some, kind)
    assert exact_parts(merged, kind) == exact_parts(whole, kind)
    for name in ("total", "sine", "cosine", "increase"):
        assert getattr(merged, name) == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-6)


@given(readings, readings, readings, kinds)
def test_merging_is_associative(
    a: list[Reading], b: list[Reading], c: list[Reading], kind: Aggregation
) -> None:
    # Hours apart, so that no two have the same time.
    first, second, third = (
        accumulated([(one[0] + 2 * n * HOUR, *one[1:]) for one in part], kind)
        for n, part in enumerate((a, b, c))
    )
    left = first.copy()
    left.merge(second)
    left.merge(third)
    tail = second.copy()
    tail.merge(third)
    right = first.copy()
    right.merge(tail)
    assert exact_parts(left, kind) == exact_parts(right, kind)


@given(readings, readings)
def test_merging_does_not_change_the_other_accumulator(a: list[Reading], b: list[Reading]) -> None:
    one, other = accumulated(a, "mean"), accumulated(b, "mean")
    before = other.copy()
    one.merge(other)
    one.add(2 * HOUR, 1.0, 0, "mean")
    assert other == before


@given(values.filter(bool), st.floats(0, 1))
def test_a_percentile_is_within_a_hundredth_of_the_value_of_its_rank(some: list[float], q: float) -> None:
    exact = sorted(some)[floor(q * (len(some) - 1))]
    assert quantile(Sketch(some), q) == pytest.approx(exact, rel=RELATIVE_ACCURACY + 1e-9, abs=0.0)


@given(values, st.lists(st.integers(0, 300), max_size=4), st.randoms(use_true_random=False))
def test_sketches_merge_in_any_order_into_the_same_bytes(
    some: list[float], cuts: list[int], dice: random.Random
) -> None:
    edges = [0, *sorted(cuts), len(some)]
    parts = [Sketch(some[start:end]) for start, end in pairwise(edges) if start < end]
    dice.shuffle(parts)
    merged = Sketch()
    for part in parts:
        merged.merge(Sketch.decode(part.encode()))
    assert value_count(merged) == len(some)
    assert merged.encode() == Sketch(some).encode()


@given(values)
def test_a_decoded_sketch_equals_the_encoded_one(some: list[float]) -> None:
    sketch = Sketch(some)
    again = Sketch.decode(sketch.encode())
    assert again.encode() == sketch.encode()
    assert [quantile(again, q) for q in (0.0, 0.5, 0.98)] == [quantile(sketch, q) for q in (0.0, 0.5, 0.98)]


@given(st.lists(st.floats(-1e300, 1e300), min_size=40, max_size=200), st.randoms(use_true_random=False))
def test_the_order_does_not_matter_even_where_bins_are_full(some: list[float], dice: random.Random) -> None:
    shuffled = list(some)
    dice.shuffle(shuffled)
    half = len(some) // 2
    merged = Sketch(shuffled[:half])
    merged.merge(Sketch(shuffled[half:]))
    one_by_one = Sketch()
    for value in shuffled:
        one_by_one.extend([value])
    assert merged.encode() == one_by_one.encode() == Sketch(some).encode()
