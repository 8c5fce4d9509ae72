"""Summary of latencies: percentiles by the nearest rank, in milliseconds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from benchmarks.load.traffic import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySummary:
    """Percentiles in milliseconds; all 0 without measurements."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


def summarise(durations_us: Iterable[int] | Numbers) -> LatencySummary:
    """Return the summary of durations in microseconds."""
    durations = durations_us if isinstance(durations_us, np.ndarray) else np.fromiter(durations_us, np.int64)
    ordered = np.sort(durations)

    def rank(fraction: float) -> float:
        if not len(ordered):
            return 0.0
        return round(int(ordered[math.ceil(fraction * len(ordered)) - 1]) / 1000, 2)

    return LatencySummary(
        count=len(ordered), p50=rank(0.5), p90=rank(0.9), p99=rank(0.99), p999=rank(0.999), max=rank(1.0)
    )
