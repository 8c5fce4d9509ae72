"""Sketches: percentiles of few and many values, and the encoding."""

from __future__ import annotations

import random

import pytest

from tests.support.oracles.sketch_quantiles import quantile, value_count
from twin.errors import MessageError
from twin.state.sketch import BINS_MAX, RELATIVE_ACCURACY, VALUES_EXACT_MAX, Sketch, merge_encoded


def test_an_empty_sketch_has_no_percentile_and_no_bytes() -> None:
    empty = Sketch()
    assert value_count(empty) == 0
    assert quantile(empty, 0.5) is None
    assert empty.encode() == b""
    assert value_count(Sketch.decode(b"")) == 0


def test_few_values_are_exact() -> None:
    sketch = Sketch([5.0, -1.0, 3.0, 2.0])
    assert [quantile(sketch, q) for q in (0.0, 0.34, 0.5, 0.99, 1.0)] == [-1.0, 2.0, 2.0, 3.0, 5.0]


def test_minus_zero_is_zero() -> None:
    assert Sketch([0.0, -0.0, 1.0]).encode() == Sketch([-0.0, 1.0, 0.0]).encode()
    assert Sketch([-0.0, 0.0]).encode() == Sketch([0.0, -0.0]).encode()


def test_many_values_are_accurate_to_one_hundredth() -> None:
    sketch = Sketch(range(1, 1_001))
    for q in (0.0, 0.05, 0.5, 0.95, 0.98, 1.0):
        exact = 1 + int(q * 999)
        assert quantile(sketch, q) == pytest.approx(exact, rel=RELATIVE_ACCURACY)


def test_negative_values_and_zeros_are_in_order() -> None:
    sketch = Sketch([*range(-100, 0), *([0.0] * 100), *range(1, 101)])
    assert quantile(sketch, 0.0) == pytest.approx(-100, rel=RELATIVE_ACCURACY)
    assert quantile(sketch, 0.5) == 0.0
    assert quantile(sketch, 1.0) == pytest.approx(100, rel=RELATIVE_ACCURACY)


def test_the_bins_are_bounded_and_the_high_values_keep_their_accuracy() -> None:
    dice = random.Random(1)
    values = sorted(10.0 ** dice.uniform(-40, 40) for _ in range(5_000))
    sketch = Sketch(values)
    assert len(sketch.encode()) < 6 * BINS_MAX
    for q in (0.95, 0.99, 1.0):
        assert quantile(sketch, q) == pytest.approx(values[int(q * 4_999)], rel=RELATIVE_ACCURACY)


def test_an_hour_of_readings_takes_few_bytes() -> None:
    dice = random.Random(2)
    assert len(Sketch(round(dice.gauss(20, 3), 1) for _ in range(360)).encode()) < 150


def test_values_are_exact_up_to_the_limit_and_binned_beyond() -> None:
    exact, counted = Sketch(range(VALUES_EXACT_MAX)), Sketch(range(VALUES_EXACT_MAX + 1))
    assert quantile(exact, 1.0) == VALUES_EXACT_MAX - 1
    assert quantile(counted, 1.0) == pytest.approx(VALUES_EXACT_MAX, rel=RELATIVE_ACCURACY)
    assert quantile(counted, 1.0) != VALUES_EXACT_MAX
    exact.extend([VALUES_EXACT_MAX])
    assert exact.encode() == counted.encode()


@pytest.mark.parametrize("data", [b"\xc1", b"hello", b"\x94\x90\x00"])
def test_unreadable_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError, match="sketches cannot be read"):
        Sketch.decode(data)


def test_merging_many_sketches_at_once_equals_merging_them_in_turn() -> None:
    dice = random.Random(7)
    parts = [[dice.lognormvariate(1, 2) * dice.choice((-1, 0, 1)) for _ in range(n)] for n in (0, 3, 40, 500)]
    one_by_one = Sketch()
    for part in parts:
        one_by_one.merge(Sketch(part))
    encoded = [data for part in parts if (data := Sketch(part).encode())]
    assert merge_encoded(b"".join(encoded), len(encoded)).encode() == one_by_one.encode()


def test_a_sketch_stored_by_an_earlier_release_is_read_and_written_again() -> None:
    """The bytes were written with the library `ddsketch` 3.0.1, which LiveTwin used before."""
    values = [round((number * 7919 % 401 - 200) / 10, 1) for number in range(60)]
    values += [0.0, 0.0, 0.0, 1e-9, 1e9, -1e12]
    stored = bytes.fromhex(
        "949003dc003a0e014a0103010201030102010201020102010201010102010201020101010201170101010101010201010101"
        "010101010102010101010101cd03770194cd01671fcd03ff01"
    )
    assert Sketch(values).encode() == stored
    assert Sketch.decode(stored).encode() == stored
