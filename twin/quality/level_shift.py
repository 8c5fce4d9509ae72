"""Level shifts: jumps that later values confirm, so that they are no spikes.

A value is confirmed by its neighbours in time: it is one of `LEVEL_COUNT` consecutive values that are all
near it. So a lasting step is one finding, on its first value, and not a fault of the values after it. No
published source was found for the number; an outlier of a sensor is one value, seldom two.
"""

from __future__ import annotations

from collections.abc import Sequence

from twin.instant import Duration, Instant

QUALITY_LOOKAHEAD = 3
"""How many following observations a quality check uses at most."""

LEVEL_COUNT = QUALITY_LOOKAHEAD + 1
"""How many consecutive values near each other are a level, and not a series of outliers."""

LEVEL_INTERVALS_MAX = 12
"""Greatest distance in time of a value that confirms another, in intervals: three of four may be lost."""


def is_level(  # noqa: PLR0917 - called by position from the check of each observation
    context: Sequence[tuple[Instant, float]],
    time: Instant,
    value: float,
    after: Sequence[tuple[Instant, float]],
    tolerance: float,
    interval: Duration,
) -> bool:
    """Return whether a value and its neighbours in time form a level.

    `context` and `after` hold the observations before and after it, both ascending. `tolerance` is the
    greatest difference, in the canonical unit.

    >>> before = [(0, 1.0), (60, 1.0)]
    >>> is_level(before, 120, 5.0, [(180, 5.1), (240, 5.1), (300, 4.9)], 0.2, 60)
    True
    >>> is_level(before, 120, 5.0, [(180, 5.1), (240, 1.0), (300, 5.0)], 0.2, 60)
    False
    """
    low, high = value - tolerance, value + tolerance
    reach = LEVEL_INTERVALS_MAX * interval
    count = 1
    for moment, other in after:
        if not low <= other <= high or moment > time + reach:
            break
        count += 1
    for moment, other in reversed(context):
        if count >= LEVEL_COUNT or not low <= other <= high or moment < time - reach:
            break
        count += 1
    return count >= LEVEL_COUNT
