"""The expected aggregates of a replayed recording, computed from what its maker knows of each line.

It shares no code with the product, not even a sum.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from simulators.replay.sample_recordings import AMSTERDAM, SampleEntry, SampleRecording
from twin.instant import DAY, HOUR, Duration, Instant, from_datetime, to_datetime


class TrueValue(NamedTuple):
    """A value that must be stored, and whether it is usable."""

    time: Instant
    value: float
    usable: bool


class ExpectedBucket(NamedTuple):
    """The expected content of a bucket."""

    usable: int
    suspect: int
    coverage: float
    mean: float | None
    low: float | None
    high: float | None
    first: float | None
    last: float | None


class RecordedSeries(NamedTuple):
    """The recordings of one sensor, as history must hold them."""

    entity: str
    observed_property: str
    interval: Duration
    values: list[TrueValue]

    @property
    def span(self) -> tuple[Instant, Instant]:
        """Begin and end of whole days around all values."""
        begin, end = self.values[0].time, self.values[-1].time
        return begin - begin % DAY - DAY, end - end % DAY + 2 * DAY


def true_values(*recordings: SampleRecording) -> list[TrueValue]:
    """Return the values that recordings must store: for each time the last line, and whether it is usable."""
    last: dict[Instant, SampleEntry] = {}
    for recording in recordings:
        for entry in recording.sent_entries():
            last[entry.time] = entry
    assert all(one.defect in {"", "false zero", "stuck", "unreliable"} for one in last.values())
    known = [TrueValue(one.time, one.value or 0.0, not one.defect) for _, one in sorted(last.items())]
    return list(as_detectable(known, {time for time, one in last.items() if one.defect == "stuck"}))


def as_detectable(known: list[TrueValue], stuck: set[Instant]) -> Iterator[TrueValue]:
    """Yield the values as quality checks can know them in the end.

    The level of these recordings changes each hour or so, so a run of equal values is known to be stuck after
    24 values and eight hours: all of it is suspect then, also its first value, which is true.
    """
    for _, values in groupby(known, key=lambda one: one.value):
        run = list(values)
        found = len(run) >= 24 and run[-1].time - run[0].time >= 8 * HOUR
        for one in run:
            yield one._replace(usable=not found) if found or one.time in stuck else one


def expected_bucket(values: Iterable[TrueValue], length: Duration, interval: Duration) -> ExpectedBucket:
    """Return the bucket that these values must give."""
    found = list(values)
    good = [one.value for one in found if one.usable]
    coverage = len(good) / (length / interval)
    if not good:
        return ExpectedBucket(0, len(found), coverage, None, None, None, None, None)
    mean = math.fsum(good) / len(good)
    return ExpectedBucket(
        len(good), len(found) - len(good), coverage, mean, min(good), max(good), good[0], good[-1]
    )


def hourly_buckets(series: RecordedSeries) -> dict[tuple[Instant, Instant], ExpectedBucket]:
    hours: defaultdict[Instant, list[TrueValue]] = defaultdict(list)
    for entry in series.values:
        hours[entry.time - entry.time % HOUR].append(entry)
    return {
        (start, start + HOUR): expected_bucket(values, HOUR, series.interval)
        for start, values in hours.items()
    }


def daily_buckets(series: RecordedSeries) -> dict[tuple[Instant, Instant], ExpectedBucket]:
    zone = ZoneInfo(AMSTERDAM)
    days: defaultdict[datetime, list[TrueValue]] = defaultdict(list)
    for entry in series.values:
        local = to_datetime(entry.time).astimezone(zone)
        days[datetime(local.year, local.month, local.day)].append(entry)  # noqa: DTZ001 - a date
    found = {}
    for day, values in days.items():
        start = from_datetime(day.replace(tzinfo=zone))
        end = from_datetime((day + timedelta(days=1)).replace(tzinfo=zone))
        found[start, end] = expected_bucket(values, end - start, series.interval)
    return found


def buckets_equal(returned: ExpectedBucket, wanted: ExpectedBucket) -> bool:
    return all(
        actual == other
        if actual is None or other is None
        else math.isclose(actual, other, rel_tol=1e-9, abs_tol=1e-9)
        for actual, other in zip(returned, wanted, strict=True)
    )
