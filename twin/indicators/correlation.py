"""Correlation of two hourly series, at a range of lags, with an interval that does not overstate it.

Hourly values of a city depend on the hours before, so n pairs carry less evidence than n independent pairs.
The effective number n* corrects for it (Bartlett 1935; Pyper & Peterman, Can. J. Fish. Aquat. Sci. 55, 1998,
2127-2140, eq. 1): 1/n* = 1/n + 2/n × Σ (1 - k/n) r_x(k) r_y(k), over the autocorrelations of both series. The
interval is Fisher's: atanh r ± 1.96 / √(n* - 3), and for Spearman's rank correlation with √(1 + r²/2) on top
(Bonett & Wright, Psychometrika 65, 2000, 23-28).

A correlation does not prove a cause.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twin.instant import HOUR, Instant

Method: TypeAlias = Literal["pearson", "spearman"]

HOURS_MAX = 10_000  #: from the first to the last hour of both series: over a year
LAG_MAX = 168  #: hours; a week
PAIRS_MIN = 8  #: our choice: fewer pairs give no useful estimate
CONFIDENCE = 0.95

# Pyper & Peterman recommend lags up to a fifth of the series; a week bounds the work.
AUTOCORRELATION_LAGS_MAX = 168

_Values: TypeAlias = NDArray[np.float64]


class LagCorrelation(NamedTuple):
    """The correlation at one lag: the second series is taken `lag` hours later."""

    lag: int  #: hours; positive: the second follows the first
    coefficient: float  #: -1 to 1
    pairs: int  #: hours at which both have a value
    effective_pairs: float  #: n*, at most `pairs`
    low: float  #: of the 95 % interval
    high: float


class Correlation(NamedTuple):
    """The correlation of two series at each lag, and the strongest of them."""

    method: Method
    lags: tuple[LagCorrelation, ...]  #: those that have a coefficient, by rising lag
    best: LagCorrelation | None  #: the strongest; of equal ones that of the shortest lag
    significant: bool  #: the best's interval excludes 0 although it was picked among many (Bonferroni)


def correlate(
    first: Mapping[Instant, float],
    second: Mapping[Instant, float],
    method: Method = "pearson",
    lag_max: int = 0,
) -> Correlation:
    """Return the correlation of two series of hourly values at lags of -lag_max to lag_max hours.

    Only hours at which both have a finite value count. A lag has no coefficient where fewer than PAIRS_MIN
    remain or one of the series is constant. Raises ValueError when an hour does not start on the hour, the
    series span more than HOURS_MAX, or lag_max is not 0 to LAG_MAX.
    """
    if not 0 <= lag_max <= LAG_MAX:
        raise ValueError(f"lag_max is {lag_max} hours, expected 0 to {LAG_MAX}")
    x, y = _aligned(first, second)
    products = _autocorrelation_products(x, y, method)
    lags = []
    for lag in range(-lag_max, lag_max + 1):
        xs, ys = _pairs(x, y, lag)
        coefficient = _coefficient(xs, ys, method)
        if coefficient is not None:
            effective = _effective_pairs(len(xs), products)
            low, high = _interval(coefficient, effective, method, CONFIDENCE)
            lags.append(LagCorrelation(lag, coefficient, len(xs), effective, low, high))
    best = max(lags, key=lambda one: (abs(one.coefficient), -abs(one.lag), one.lag), default=None)
    significant = False
    if best is not None:
        confidence = 1 - (1 - CONFIDENCE) / len(lags)
        low, high = _interval(best.coefficient, best.effective_pairs, method, confidence)
        significant = low > 0 or high < 0
    return Correlation(method, tuple(lags), best, significant)


def _aligned(first: Mapping[Instant, float], second: Mapping[Instant, float]) -> tuple[_Values, _Values]:
    """Return both series on one grid of hours, NaN where there is no finite value."""
    hours = first.keys() | second.keys()
    if not hours:
        return np.empty(0), np.empty(0)
    misaligned = next((hour for hour in hours if hour % HOUR), None)
    if misaligned is not None:
        raise ValueError(f"a value at {misaligned} µs, expected the start of an hour; give hourly means")
    start = min(hours)
    length = (max(hours) - start) // HOUR + 1
    if length > HOURS_MAX:
        raise ValueError(f"series over {length} hours, expected at most {HOURS_MAX}; ask for a shorter time")
    return _on_grid(first, start, length), _on_grid(second, start, length)


def _on_grid(series: Mapping[Instant, float], start: Instant, length: int) -> _Values:
    grid = np.full(length, np.nan)
    for hour, value in series.items():
        if math.isfinite(value):
            grid[(hour - start) // HOUR] = value
    return grid


def _pairs(x: _Values, y: _Values, lag: int) -> tuple[_Values, _Values]:
    """Return the values at hours where both series have one, the second series shifted by the lag."""
    count = max(0, len(x) - abs(lag))
    left, right = (x[:count], y[lag:]) if lag >= 0 else (x[-lag:], y[:count])
    both = ~(np.isnan(left) | np.isnan(right))
    return left[both], right[both]


def _coefficient(xs: _Values, ys: _Values, method: Method) -> float | None:
    if len(xs) < PAIRS_MIN or xs.min() == xs.max() or ys.min() == ys.max():
        return None
    if method == "spearman":
        xs, ys = _ranks(xs), _ranks(ys)
    dx, dy = xs - xs.mean(), ys - ys.mean()
    scale = math.sqrt(dx @ dx) * math.sqrt(dy @ dy)
    return min(1.0, max(-1.0, float(dx @ dy) / scale)) if scale > 0 else None


def _ranks(values: _Values) -> _Values:
    """Return the rank of each value from 0; equal values share the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: _Values = (np.cumsum(counts) - (counts + 1) / 2)[group]
    return ranks


def _autocorrelation_products(x: _Values, y: _Values, method: Method) -> _Values:
    """Return r_x(k) × r_y(k) for k = 1, 2, … up to a fifth of the series."""
    count = min(int((~np.isnan(x)).sum()), int((~np.isnan(y)).sum()))
    longest = min(count // 5, AUTOCORRELATION_LAGS_MAX)
    if longest < 1:
        return np.empty(0)
    return _autocorrelations(x, longest, method) * _autocorrelations(y, longest, method)


def _autocorrelations(grid: _Values, longest: int, method: Method) -> _Values:
    """Return the autocorrelations at lags 1 to `longest`; 0 where fewer than PAIRS_MIN pairs exist."""
    present = ~np.isnan(grid)
    values = grid[present]
    deviations = np.zeros(len(grid))
    if method == "spearman":
        values = _ranks(values)
    deviations[present] = values - values.mean()
    variance = deviations @ deviations / len(values)
    found = np.zeros(longest)
    if variance == 0:
        return found
    for lag in range(1, longest + 1):
        pairs = np.count_nonzero(present[:-lag] & present[lag:])
        if pairs >= PAIRS_MIN:
            found[lag - 1] = deviations[:-lag] @ deviations[lag:] / pairs / variance
    return found.clip(-1.0, 1.0)


def _effective_pairs(pairs: int, products: _Values) -> float:
    """Return n*, at most the number of pairs: a larger n* is not trusted."""
    lags = np.arange(1, min(len(products) + 1, pairs))
    total = float((1 - lags / pairs) @ products[: len(lags)])
    return pairs / max(1.0, 1 + 2 * total)


def _interval(coefficient: float, effective: float, method: Method, confidence: float) -> tuple[float, float]:
    """Return the interval of a coefficient; all of -1 to 1 where too few pairs are effective."""
    freedom = effective - 3
    if freedom <= 0:
        return -1.0, 1.0
    if abs(coefficient) >= 1:
        return coefficient, coefficient
    spread = math.sqrt((1 + coefficient**2 / 2 if method == "spearman" else 1.0) / freedom)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * spread
    centre = math.atanh(coefficient)
    return math.tanh(centre - half), math.tanh(centre + half)
