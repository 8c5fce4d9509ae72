"""Correlation of two hourly series, at a range of lags, with an interval that does not overstate it.

Hourly values of a city follow their own yesterday, so n pairs carry less than n pairs' worth of evidence. The
effective number n* corrects for it (Bartlett 1935; Pyper & Peterman, Can. J. Fish. Aquat. Sci. 55, 1998,
2127-2140, eq. 1): 1/n* = 1/n + 2/n × Σ (1 - k/n) r_x(k) r_y(k), over the autocorrelations of both series. The
interval is Fisher's: atanh r ± 1.96 / √(n* - 3), and for Spearman's rank correlation with √(1 + r²/2) on top
(Bonett & Wright, Psychometrika 65, 2000, 23-28).

A correlation is a reason to look, not a cause.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import mul
from statistics import NormalDist
from typing import Literal, NamedTuple, TypeAlias

from twin.instant import HOUR, Instant

Method: TypeAlias = Literal["pearson", "spearman"]

HOURS_MAX = 10_000  #: from the first to the last hour of both series: over a year
LAG_MAX = 168  #: hours; a week
PAIRS_MIN = 8  #: fewer say nothing; our choice
CONFIDENCE = 0.95

# Pyper & Peterman advise up to a fifth of the series; a week bounds the work.
AUTOCORRELATION_LAGS_MAX = 168

_Cells: TypeAlias = list[float | None]


class LagCorrelation(NamedTuple):
    """How the series go together where the second is taken `lag` hours later."""

    lag: int  #: hours; positive: the second follows the first
    coefficient: float  #: -1 to 1
    pairs: int  #: hours at which both have a value
    effective_pairs: float  #: n*, at most `pairs`
    low: float  #: of the 95 % interval
    high: float


class Correlation(NamedTuple):
    """How two series go together."""

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
    series reach over more than HOURS_MAX, or lag_max is not 0 to LAG_MAX.
    """
    if not 0 <= lag_max <= LAG_MAX:
        raise ValueError(f"lag_max is {lag_max} hours, expected 0 to {LAG_MAX}")
    x, y = _aligned(first, second)
    shared = _shared_autocorrelations(x, y, method)
    lags = []
    for lag in range(-lag_max, lag_max + 1):
        pairs = _pairs(x, y, lag)
        coefficient = _coefficient(pairs, method)
        if coefficient is not None:
            effective = _effective(len(pairs[0]), shared)
            low, high = _interval(coefficient, effective, method, CONFIDENCE)
            lags.append(LagCorrelation(lag, coefficient, len(pairs[0]), effective, low, high))
    best = max(lags, key=lambda one: (abs(one.coefficient), -abs(one.lag), one.lag), default=None)
    significant = False
    if best is not None:
        confidence = 1 - (1 - CONFIDENCE) / len(lags)
        low, high = _interval(best.coefficient, best.effective_pairs, method, confidence)
        significant = low > 0 or high < 0
    return Correlation(method, tuple(lags), best, significant)


def _aligned(first: Mapping[Instant, float], second: Mapping[Instant, float]) -> tuple[_Cells, _Cells]:
    """Return both series on one grid of hours, None where there is no value."""
    hours = first.keys() | second.keys()
    if not hours:
        return [], []
    odd = next((hour for hour in hours if hour % HOUR), None)
    if odd is not None:
        raise ValueError(f"a value at {odd} µs, expected the start of an hour; give hourly means")
    start = min(hours)
    length = (max(hours) - start) // HOUR + 1
    if length > HOURS_MAX:
        raise ValueError(f"series over {length} hours, expected at most {HOURS_MAX}; ask for a shorter time")
    return _on_grid(first, start, length), _on_grid(second, start, length)


def _on_grid(series: Mapping[Instant, float], start: Instant, length: int) -> _Cells:
    cells: _Cells = [None] * length
    for hour, value in series.items():
        if math.isfinite(value):
            cells[(hour - start) // HOUR] = value
    return cells


def _pairs(x: _Cells, y: _Cells, lag: int) -> tuple[list[float], list[float]]:
    left, right = (x, y[lag:]) if lag >= 0 else (x[-lag:], y)
    xs: list[float] = []
    ys: list[float] = []
    for one, other in zip(left, right, strict=False):
        if one is not None and other is not None:
            xs.append(one)
            ys.append(other)
    return xs, ys


def _coefficient(pairs: tuple[Sequence[float], Sequence[float]], method: Method) -> float | None:
    if len(pairs[0]) < PAIRS_MIN:
        return None
    xs, ys = (_ranks(one) for one in pairs) if method == "spearman" else pairs
    dx, dy = _deviations(xs), _deviations(ys)
    scale = math.sqrt(_product(dx, dx)) * math.sqrt(_product(dy, dy))
    # A constant series has no deviations but those of rounding its mean.
    if min(max(dx) - min(dx), max(dy) - min(dy)) == 0 or scale == 0:
        return None
    return min(1.0, max(-1.0, _product(dx, dy) / scale))


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    first = 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for place in order[first : last + 1]:
            ranks[place] = (first + last) / 2
        first = last + 1
    return ranks


def _deviations(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


def _product(left: Sequence[float], right: Sequence[float]) -> float:
    return float(sum(map(mul, left, right)))


def _shared_autocorrelations(x: _Cells, y: _Cells, method: Method) -> list[float]:
    """Return r_x(k) × r_y(k) for k = 1, 2, … up to a fifth of the series."""
    count = min(sum(one is not None for one in x), sum(one is not None for one in y))
    longest = min(count // 5, AUTOCORRELATION_LAGS_MAX)
    if longest < 1:
        return []
    return list(map(mul, _autocorrelations(x, longest, method), _autocorrelations(y, longest, method)))


def _autocorrelations(cells: _Cells, longest: int, method: Method) -> list[float]:
    """Return the autocorrelations at lags 1 to `longest`; 0 where too few pairs are there."""
    present = [value for value in cells if value is not None]
    deviations = iter(_deviations(_ranks(present) if method == "spearman" else present))
    known = [0 if value is None else 1 for value in cells]
    filled = [next(deviations) if one else 0.0 for one in known]
    variance = _product(filled, filled) / len(present)
    if variance == 0:
        return [0.0] * longest
    found = []
    for lag in range(1, longest + 1):
        pairs = _product(known, known[lag:])
        shared = _product(filled, filled[lag:]) / pairs if pairs >= PAIRS_MIN else 0.0
        found.append(min(1.0, max(-1.0, shared / variance)))
    return found


def _effective(pairs: int, shared: Sequence[float]) -> float:
    """Return n*, at most the number of pairs: that they count for more is not believed."""
    total = sum((1 - lag / pairs) * one for lag, one in enumerate(shared, 1) if lag < pairs)
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
