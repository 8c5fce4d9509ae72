"""Running means: the mean of the last 24 (or 8) hours, if enough of them were measured.

Directive 2008/50/EC, annex I (running means of hourly values) and the 75 % of `twin.indicators.validity`: 18
of 24 hours, 6 of 8. Missing hours are left out of the mean, not filled in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from twin.indicators.validity import is_valid
from twin.instant import DAY, HOUR, Duration, Instant

EIGHT_HOURS: Duration = 8 * HOUR


class TimeMean(NamedTuple):
    """A mean over a window of time: an hour, ten minutes, a day or a running window."""

    start: Instant
    mean: float
    coverage: float = 1.0  #: measured share of the window, 0 to 1


def running_mean(hours: Iterable[TimeMean], last: Instant, length: Duration = DAY) -> TimeMean | None:
    """Return the mean of the hours from `last + HOUR - length` to the hour that starts at `last`, inclusive.

    Only valid hours count; None if they are less than 75 % of the window. `coverage` is their share. Of two
    means of one hour the later in the sequence, the correction, counts. Raises ValueError if `length` is not
    a number of whole hours.
    """
    expected = _hours_in(length)
    start = last + HOUR - length
    known = {
        hour.start: hour.mean for hour in hours if start <= hour.start <= last and is_valid(hour.coverage)
    }
    mean = mean_of_hours(list(known.values()), length)
    return None if mean is None else TimeMean(start, mean, len(known) / expected)


def mean_of_hours(values: Sequence[float], length: Duration) -> float | None:
    """Return the mean of the valid hours of a window of a length; None if they are less than 75 % of it."""
    if not is_valid(len(values) / _hours_in(length)):
        return None
    return math.fsum(values) / len(values)


def _hours_in(length: Duration) -> int:
    hours, rest = divmod(length, HOUR)
    if rest or hours < 1:
        raise ValueError(f"a window of {length} µs, expected a number of whole hours")
    return hours
