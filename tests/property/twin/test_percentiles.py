"""Percentiles of many buckets at once equal those of each bucket by itself."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.oracles.sketch_quantiles import quantile
from twin.state.percentiles import BucketValues, percentiles
from twin.state.sketch import VALUES_EXACT_MAX, Sketch

SHARES = (0.0, 0.05, 0.5, 0.95, 1.0)

# The few values of a sensor, of both signs and zero; and values so far apart that the bins are full.
near = st.integers(-400, 400).map(lambda tenths: tenths / 10)
far = st.floats(-1e300, 1e300)
some = st.builds(
    lambda values, times: values * times,
    st.lists(near, max_size=40) | st.lists(far, max_size=40),
    st.sampled_from([1, 1, 7]),
)
bucket = st.tuples(some, st.lists(some, max_size=4))
Parts = tuple[list[float], list[list[float]]]


def bucket_of(values: list[float], parts: list[list[float]]) -> BucketValues:
    encoded = [data for part in parts if (data := Sketch(part).encode())]
    return BucketValues(np.array(values, np.float64), b"".join(encoded), len(encoded))


def one_by_one(values: list[float], parts: list[list[float]]) -> list[float | None]:
    sketch = Sketch(values)
    for part in parts:
        sketch.merge(Sketch.decode(Sketch(part).encode()))
    return [quantile(sketch, share) for share in SHARES]


@given(st.lists(bucket, max_size=6))
@example([([10.0**n for n in range(-300, 300, 5)], [[-(10.0**n) for n in range(-300, 300, 5)]])])
@example([([], [[float(n) for n in range(VALUES_EXACT_MAX)]]), ([1.0], [[float(n) for n in range(32)]])])
@example([([], [[0.0] * 40]), ([], []), ([], [[-0.0, 5e-324]])])
def test_percentiles_of_many_buckets_equal_those_of_each(buckets: list[Parts]) -> None:
    found = percentiles([bucket_of(*one) for one in buckets], SHARES)
    for shown, (values, parts) in zip(found, buckets, strict=True):
        if any(parts):
            assert shown == one_by_one(values, parts)
        elif values:
            assert shown == pytest.approx(np.quantile(values, SHARES).tolist())
        else:
            assert shown == [None] * len(SHARES)


@given(some, st.lists(some, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_sketches_and_values_does_not_matter(
    values: list[float], parts: list[list[float]], dice: Random
) -> None:
    forth = percentiles([bucket_of(values, parts)], SHARES)
    dice.shuffle(values)
    dice.shuffle(parts)
    assert percentiles([bucket_of(values, parts)], SHARES) == forth
