"""Correlation of two hourly series."""

from __future__ import annotations

import math
import random
from statistics import correlation

import pytest

from twin.indicators.correlation import HOURS_MAX, LAG_MAX, PAIRS_MIN, correlate
from twin.instant import HOUR, MINUTE


def hourly(values: list[float], start: int = 0) -> dict[int, float]:
    return {(start + number) * HOUR: value for number, value in enumerate(values)}


def noise(seed: int, count: int, memory: float = 0.0) -> list[float]:
    dice = random.Random(seed)
    values = [0.0]
    while len(values) < count:
        values.append(memory * values[-1] + dice.gauss(0, 1))
    return values


def test_pearson_agrees_with_the_standard_library() -> None:
    x, y = noise(1, 200), noise(2, 200)
    best = correlate(hourly(x), hourly(y)).best
    assert best is not None
    assert best.coefficient == pytest.approx(correlation(x, y))
    assert best.pairs == 200


def test_spearman_agrees_with_the_published_example_of_its_interval() -> None:
    """As ci.spear of the R package statpsych computes it; ten hours apart, pairs are not autocorrelated."""
    y = [21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19]
    x = [67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51]
    first = {number * 10 * HOUR: float(one) for number, one in enumerate(x)}
    second = {number * 10 * HOUR: float(one) for number, one in enumerate(y)}
    best = correlate(first, second, "spearman").best
    assert best is not None
    assert best.coefficient == pytest.approx(0.8699639, abs=1e-7)
    assert best.effective_pairs == best.pairs == 15
    assert (best.low, best.high) == pytest.approx((0.5840951, 0.9638297), abs=1e-7)


def test_spearman_sees_any_rising_relation_and_pearson_a_straight_one() -> None:
    x = [float(one) for one in range(1, 30)]
    y = [math.exp(one) for one in x]
    ranked, straight = correlate(hourly(x), hourly(y), "spearman").best, correlate(hourly(x), hourly(y)).best
    assert ranked is not None
    assert straight is not None
    assert ranked.coefficient == pytest.approx(1)
    assert straight.coefficient < 0.6


def test_the_interval_of_pearson_is_fishers() -> None:
    best = correlate(hourly(noise(12, 300)), hourly(noise(12, 150) + noise(13, 150))).best
    assert best is not None
    reach = 1.959964 / math.sqrt(best.effective_pairs - 3)
    centre = math.atanh(best.coefficient)
    assert best.low == pytest.approx(math.tanh(centre - reach), abs=1e-6)
    assert best.high == pytest.approx(math.tanh(centre + reach), abs=1e-6)


def test_a_lag_is_found_with_its_sign() -> None:
    x = noise(3, 400)
    late = [0.0] * 6 + x[:-6]
    follows = correlate(hourly(x), hourly(late), lag_max=12).best
    leads = correlate(hourly(late), hourly(x), lag_max=12).best
    assert follows is not None
    assert leads is not None
    assert (follows.lag, leads.lag) == (6, -6)
    assert follows.coefficient == pytest.approx(1)


def test_only_hours_that_both_have_count() -> None:
    x, y = hourly(noise(4, 100)), hourly(noise(5, 100), start=40)
    x[50 * HOUR] = math.nan
    del y[60 * HOUR]
    best = correlate(x, y).best
    assert best is not None
    assert best.pairs == 58


def test_autocorrelated_hours_count_for_less() -> None:
    x, y = noise(6, 1000, memory=0.9), noise(7, 1000, memory=0.9)
    best = correlate(hourly(x), hourly(y)).best
    assert best is not None
    # Of two first-order series n* ≈ n × (1 - 0.81) / (1 + 0.81), about a tenth.
    assert 50 < best.effective_pairs < 250


def test_unrelated_autocorrelated_series_are_seldom_significant() -> None:
    """If hours counted as independent, more than half of these would be significant."""
    found = sum(
        correlate(
            hourly(noise(seed, 300, memory=0.9)), hourly(noise(1000 + seed, 300, memory=0.9))
        ).significant
        for seed in range(100)
    )
    assert found <= 15


def test_the_best_of_many_lags_must_be_better_to_be_significant() -> None:
    found = sum(
        correlate(hourly(noise(seed, 120)), hourly(noise(500 + seed, 120)), lag_max=24).significant
        for seed in range(60)
    )
    assert found <= 9


def test_a_real_relation_is_significant() -> None:
    x = noise(8, 500, memory=0.8)
    dice = random.Random(9)
    y = [one + dice.gauss(0, 1) for one in x]
    assert correlate(hourly(x), hourly(y), lag_max=24).significant


def test_too_few_pairs_or_a_constant_have_no_coefficient() -> None:
    few = hourly(noise(10, PAIRS_MIN - 1))
    assert correlate(few, few).best is None
    constant = hourly([0.1] * 50)
    found = correlate(constant, hourly(noise(11, 50)), "spearman", lag_max=3)
    assert (found.lags, found.best, found.significant) == ((), None, False)
    assert correlate({}, {}).best is None


def test_invalid_series_are_refused_with_the_reason() -> None:
    one = {0: 1.0}
    with pytest.raises(ValueError, match="lag_max is 169 hours, expected 0 to 168"):
        correlate(one, one, lag_max=LAG_MAX + 1)
    with pytest.raises(ValueError, match="give hourly means"):
        correlate({MINUTE: 1.0}, one)
    with pytest.raises(ValueError, match="ask for a shorter time"):
        correlate(one, {HOURS_MAX * HOUR: 1.0})
