"""Sums the increases of counters over single readings, by the function that the stream uses."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from storage.history.read_plan import ReadSpan
from twin.instant import Instant
from twin.state.counter import counter_increase

COUNTER_READINGS_MAX = 500_000
"""The most readings that one request may process: about a second of work."""


class CounterReading(NamedTuple):
    """A usable reading of a counter."""

    datastream: int
    time: Instant
    value: float  #: calibrated


def sum_increases(
    readings: Iterable[CounterReading],
    span: ReadSpan,
    edges: Sequence[tuple[Instant, Instant]],
    *,
    wraps_at: float | None = None,
    rate_max: float | None = None,
) -> dict[tuple[Instant, int], float]:
    """Return the sums of increases by bucket and datastream, of the readings within the span.

    `readings` are ordered by time within each datastream and begin before the span, so that its first reading
    can be compared with one before. An increase belongs to the later of its two readings. For `wraps_at` and
    `rate_max` see `twin.state.counter.counter_increase`.

    >>> readings = [CounterReading(1, 5, 90.0), CounterReading(1, 15, 95.0), CounterReading(1, 25,
    ...  4.0), CounterReading(1, 26, 6.0)]
    >>> sum_increases(readings, ReadSpan("raw", 10, 30), [(10, 20), (20, 30)], wraps_at=100)
    {(10, 1): 5.0, (20, 1): 11.0}
    """
    starts = [start for start, _ in edges]
    register: dict[int, tuple[Instant, float]] = {}
    sums: defaultdict[tuple[Instant, int], float] = defaultdict(float)
    for datastream, time, value in readings:
        before = register.get(datastream)
        if before is None:
            register[datastream] = time, value
            continue
        counted = counter_increase(before, (time, value), wraps_at=wraps_at, rate_max=rate_max)
        register[datastream] = time, counted.register
        if span.start <= time < span.end:
            sums[starts[bisect_right(starts, time) - 1], datastream] += counted.amount
    return dict(sums)
