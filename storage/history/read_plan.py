"""Where the history of datastreams is read from: single observations, or stored aggregates, and since when.

A range is cut into spans of one source each. Single observations are exact and answer whatever is asked, as
long as they are kept and are not too many; aggregates of an hour answer for a year what is asked by the hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from storage.database import QueryError
from storage.history.bucket_interval import BucketInterval
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, Duration, Instant, format_instant, to_datetime
from twin.model.calibration import Calibration, calibration_at
from twin.model.datastream_policy import window_sizes_for

HistorySource: TypeAlias = Literal["raw", "minute", "ten_minutes", "hour", "day"]

AGGREGATE_SIZES: dict[HistorySource, Duration] = {
    "minute": MINUTE,
    "ten_minutes": 10 * MINUTE,
    "hour": HOUR,
    "day": DAY,
}

STREAM_SOURCES: tuple[HistorySource, ...] = ("hour", "ten_minutes", "minute")
"""The sizes that the stream makes, coarsest first."""

RAW_ROWS_MAX = 10_000
"""More observations than this are answered from aggregates where the interval allows: reading single ones
takes about 1 µs each on a quiet machine, and several on a busy one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastreamExtent:
    """What is kept of one datastream, and what is known of it."""

    id: int
    interval: Duration  #: 0 where the datastream is not known
    created: Instant | None
    retired: Instant | None
    raw_from: Instant = INSTANT_MIN  #: single observations before are gone
    minute_from: Instant = INSTANT_MIN  #: aggregates of a minute and of ten minutes before are gone
    hour_from: Instant = INSTANT_MIN
    complete_to: Instant = INSTANT_MIN  #: up to here every hour with observations has its right aggregate
    calibrations: tuple[Calibration, ...] = ()


class ReadSpan(NamedTuple):
    """A stretch of time that is read from one source."""

    source: HistorySource
    start: Instant
    end: Instant


class CalibrationSegment(NamedTuple):
    """A stretch of one datastream with one calibration."""

    datastream: int
    start: Instant
    end: Instant
    gain: float
    offset: float


def calibration_segments(
    kept: Sequence[DatastreamExtent], start: Instant, end: Instant
) -> list[CalibrationSegment]:
    """Return the segments of datastreams in start ≤ t < end: each instant of each lies in exactly one.

    >>> calibration = Calibration(sensor="s", property="p", start=20, end=30, gain=2.0)
    >>> one = DatastreamExtent(id=1, interval=60, created=None, retired=None, calibrations=(calibration,))
    >>> [tuple(segment) for segment in calibration_segments([one], 0, 40)]
    [(1, 0, 20, 1.0, 0.0), (1, 20, 30, 2.0, 0.0), (1, 30, 40, 1.0, 0.0)]
    """
    found: list[CalibrationSegment] = []
    for one in kept:
        marks = {edge for calibration in one.calibrations for edge in (calibration.start, calibration.end)}
        edges = [start, *sorted(mark for mark in marks if start < mark < end), end]
        for begin, stop in pairwise(edges):
            calibration = calibration_at(one.calibrations, begin)
            gain, offset = (calibration.gain, calibration.offset) if calibration else (1.0, 0.0)
            found.append(CalibrationSegment(one.id, begin, stop, gain, offset))
    return found


class HistoryRequest(NamedTuple):
    """What decides about the sources."""

    start: Instant
    end: Instant
    interval: BucketInterval
    zone: str  #: of the buckets
    day_zone: str | None  #: of the aggregates of a day
    at_known_time: bool  #: as it was known at some time: aggregates have no past
    exact: bool  #: must not be answered from aggregates while single observations are there


def plan_spans(kept: Sequence[DatastreamExtent], asked: HistoryRequest) -> list[ReadSpan]:
    """Return what to read, in order and without a gap.

    Raises QueryError where single observations are gone and no aggregates fit the interval. Where a range
    begins or ends within an aggregate, and single observations are gone, the whole aggregate counts.
    """
    raw_from = max((one.raw_from for one in kept), default=INSTANT_MIN)
    if asked.at_known_time and asked.start < raw_from:
        raise QueryError(
            "what was known at an earlier time can only be told as far back as single observations are kept, "
            f"here from {format_instant(raw_from)}"
        )
    expected = sum((asked.end - asked.start) // one.interval for one in kept if one.interval)
    few = expected <= RAW_ROWS_MAX
    if asked.start >= raw_from and (few or asked.at_known_time or asked.exact):
        return [ReadSpan("raw", asked.start, asked.end)]
    complete_to = min((one.complete_to for one in kept), default=INSTANT_MIN)
    found: list[ReadSpan] = []
    begin = asked.start
    if begin < raw_from:
        found = _plan_before_raw(kept, asked, min(raw_from, asked.end))
        begin = found[-1].end
    # From here single observations are there; aggregates are only faster.
    first, last = begin + -begin % HOUR, min(asked.end, complete_to)
    last -= last % HOUR
    source = None if few or asked.exact else _coarsest_source(kept, asked, expected)
    if source is not None and first < last:
        found += [
            ReadSpan("raw", begin, first),
            ReadSpan(source, first, last),
            ReadSpan("raw", last, asked.end),
        ]
    else:
        found.append(ReadSpan("raw", begin, asked.end))
    return [one for one in found if one.start < one.end]


def _plan_before_raw(kept: Sequence[DatastreamExtent], asked: HistoryRequest, end: Instant) -> list[ReadSpan]:
    """Return the spans of what is gone from raw: the coarsest aggregates that fit and are there."""
    hour_from = max(one.hour_from for one in kept)
    minute_from = max(one.minute_from for one in kept)
    found: list[ReadSpan] = []
    begin = asked.start
    if begin < hour_from:
        if not _fits_interval(asked, "day"):
            raise QueryError(
                f"before {format_instant(hour_from)} only days are kept; ask for an interval of whole days "
                f"in the time zone {asked.day_zone}"
            )
        begin = min(hour_from, end)
        found.append(ReadSpan("day", _midnight(asked.start, asked.day_zone), begin))
    if begin < end:
        fitting = next(
            (one for one in STREAM_SOURCES if _fits_interval(asked, one) and _is_produced(kept, one)), None
        )
        if fitting is None or (fitting != "hour" and begin < minute_from):
            raise QueryError(
                f"before {format_instant(max(minute_from if fitting else end, begin))} single observations "
                "are not kept any more; ask for an interval of whole hours"
            )
        # What was dropped ends on the hour, so that this is a whole number of aggregates.
        found.append(ReadSpan(fitting, begin - begin % AGGREGATE_SIZES[fitting], end + -end % HOUR))
    return found


def _coarsest_source(
    kept: Sequence[DatastreamExtent], asked: HistoryRequest, expected: int
) -> HistorySource | None:
    """Return the coarsest aggregates that fit: hours, or shorter ones that are at most half as many."""
    for source in STREAM_SOURCES:
        if _fits_interval(asked, source):
            rows = len(kept) * ((asked.end - asked.start) // AGGREGATE_SIZES[source])
            fewer = 2 * rows <= expected and _is_produced(kept, source)
            return source if source == "hour" or fewer else None
    return None


def _fits_interval(asked: HistoryRequest, source: HistorySource) -> bool:
    """Whether no aggregate of a source lies in two buckets."""
    if source == "day":
        return asked.interval.is_calendar and asked.zone == asked.day_zone
    size = AGGREGATE_SIZES[source]
    if not asked.interval.is_calendar:
        return asked.interval.elapsed % size == 0
    zone = ZoneInfo(asked.zone)
    offsets = (zone.utcoffset(to_datetime(one).astimezone(zone)) for one in (asked.start, asked.end))
    return all(one is not None and one.total_seconds() * 1_000_000 % size == 0 for one in offsets)


def _is_produced(kept: Sequence[DatastreamExtent], source: HistorySource) -> bool:
    """Whether there are aggregates of this size: none are shorter than the sensor's interval."""
    return all(AGGREGATE_SIZES[source] in window_sizes_for(one.interval) for one in kept)


def _midnight(time: Instant, zone: str | None) -> Instant:
    assert zone is not None  # noqa: S101 - days fit only where their zone is known
    local = to_datetime(time).astimezone(ZoneInfo(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return round(midnight.timestamp() * 1_000_000)
