"""Plans from which source history is read: single observations or stored aggregates, and for which time.

A range is divided into spans of one source each. Single observations are exact and answer every request,
while they are kept and are not too many; hourly aggregates answer requests for whole hours over a year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from storage.database import QueryError
from storage.history.bucket_interval import BucketInterval
from twin.instant import (
    DAY,
    HOUR,
    INSTANT_MIN,
    MINUTE,
    Duration,
    Instant,
    format_instant,
    from_datetime,
    to_datetime,
)
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
"""The aggregates that the stream computes, coarsest first."""

RAW_ROWS_MAX = 10_000
"""A request for more observations is answered from aggregates where the interval allows: each observation
takes about 1 µs on an idle machine, and several on a busy one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastreamExtent:
    """From when on the observations and aggregates of a datastream are kept, with its model data."""

    id: int
    interval: Duration  #: 0 where the model does not have the datastream
    created: Instant | None
    retired: Instant | None
    raw_from: Instant = INSTANT_MIN  #: earlier single observations were removed
    minute_from: Instant = INSTANT_MIN  #: earlier aggregates of one and ten minutes were removed
    hour_from: Instant = INSTANT_MIN
    complete_to: Instant = INSTANT_MIN  #: before this, every hour with observations has a correct aggregate
    calibrations: tuple[Calibration, ...] = ()


class ReadSpan(NamedTuple):
    """A time range that is read from one source."""

    source: HistorySource
    start: Instant
    end: Instant


class CalibrationSegment(NamedTuple):
    """A time range of one datastream in which one calibration applies."""

    datastream: int
    start: Instant
    end: Instant
    gain: float
    offset: float


def calibration_segments(
    extents: Sequence[DatastreamExtent], start: Instant, end: Instant
) -> list[CalibrationSegment]:
    """Return the segments of datastreams in start ≤ t < end, for each datastream without gap or overlap.

    >>> calibration = Calibration(sensor="s", property="p", start=20, end=30, gain=2.0)
    >>> extent = DatastreamExtent(id=1, interval=60, created=None, retired=None, calibrations=(calibration,))
    >>> [tuple(segment) for segment in calibration_segments([extent], 0, 40)]
    [(1, 0, 20, 1.0, 0.0), (1, 20, 30, 2.0, 0.0), (1, 30, 40, 1.0, 0.0)]
    """
    segments: list[CalibrationSegment] = []
    for extent in extents:
        changes = {
            edge for calibration in extent.calibrations for edge in (calibration.start, calibration.end)
        }
        edges = [start, *sorted(change for change in changes if start < change < end), end]
        for begin, end_of_segment in pairwise(edges):
            calibration = calibration_at(extent.calibrations, begin)
            gain, offset = (calibration.gain, calibration.offset) if calibration else (1.0, 0.0)
            segments.append(CalibrationSegment(extent.id, begin, end_of_segment, gain, offset))
    return segments


class HistoryRequest(NamedTuple):
    """The properties of a request that decide about the sources."""

    start: Instant
    end: Instant
    interval: BucketInterval
    zone: str  #: of the buckets
    day_zone: str | None  #: time zone of the aggregates of a day
    at_known_time: bool  #: as known at an earlier time: aggregates have no versions
    exact: bool  #: not to be answered from aggregates while single observations are kept


def plan_spans(extents: Sequence[DatastreamExtent], request: HistoryRequest) -> list[ReadSpan]:
    """Return the spans to read, in order and without a gap.

    Where single observations were removed and the range begins or ends within an aggregate, the whole
    aggregate is read. Raises QueryError where single observations were removed and no aggregates fit the
    interval.
    """
    raw_from = max((extent.raw_from for extent in extents), default=INSTANT_MIN)
    if request.at_known_time and request.start < raw_from:
        raise QueryError(
            "what was known at an earlier time can be read only as far back as single observations are kept, "
            f"here from {format_instant(raw_from)}"
        )
    expected = sum((request.end - request.start) // extent.interval for extent in extents if extent.interval)
    are_few = expected <= RAW_ROWS_MAX
    if request.start >= raw_from and (are_few or request.at_known_time or request.exact):
        return [ReadSpan("raw", request.start, request.end)]
    complete_to = min((extent.complete_to for extent in extents), default=INSTANT_MIN)
    planned: list[ReadSpan] = []
    begin = request.start
    if begin < raw_from:
        planned = _plan_before_raw(extents, request, min(raw_from, request.end))
        begin = planned[-1].end
    # From here on single observations are kept; aggregates are only faster.
    first, last = begin + -begin % HOUR, min(request.end, complete_to)
    last -= last % HOUR
    source = None if are_few or request.exact else _coarsest_source(extents, request, expected)
    if source is not None and first < last:
        planned += [
            ReadSpan("raw", begin, first),
            ReadSpan(source, first, last),
            ReadSpan("raw", last, request.end),
        ]
    else:
        planned.append(ReadSpan("raw", begin, request.end))
    return [span for span in planned if span.start < span.end]


def _plan_before_raw(
    extents: Sequence[DatastreamExtent], request: HistoryRequest, end: Instant
) -> list[ReadSpan]:
    """Return the spans before single observations are kept: of the coarsest aggregates that fit and exist."""
    hour_from = max(extent.hour_from for extent in extents)
    minute_from = max(extent.minute_from for extent in extents)
    planned: list[ReadSpan] = []
    begin = request.start
    if begin < hour_from:
        if not _fits_interval(request, "day"):
            raise QueryError(
                f"before {format_instant(hour_from)} only days are kept; ask for an interval of whole days "
                f"in the time zone {request.day_zone}"
            )
        begin = min(hour_from, end)
        assert request.day_zone is not None  # noqa: S101 - days fit only where their zone is known
        planned.append(ReadSpan("day", local_midnight(request.start, request.day_zone), begin))
    if begin < end:
        source = next(
            (
                candidate
                for candidate in STREAM_SOURCES
                if _fits_interval(request, candidate) and _is_produced(extents, candidate)
            ),
            None,
        )
        if source is None or (source != "hour" and begin < minute_from):
            raise QueryError(
                f"before {format_instant(max(minute_from if source else end, begin))} single observations "
                "are not kept any more; ask for an interval of whole hours"
            )
        # Observations are removed by whole hours, so this is a whole number of aggregates.
        planned.append(ReadSpan(source, begin - begin % AGGREGATE_SIZES[source], end + -end % HOUR))
    return planned


def _coarsest_source(
    extents: Sequence[DatastreamExtent], request: HistoryRequest, expected: int
) -> HistorySource | None:
    """Return the coarsest aggregates that fit: hours, or shorter ones with at most half as many rows."""
    for source in STREAM_SOURCES:
        if _fits_interval(request, source):
            rows = len(extents) * ((request.end - request.start) // AGGREGATE_SIZES[source])
            are_fewer = 2 * rows <= expected and _is_produced(extents, source)
            return source if source == "hour" or are_fewer else None
    return None


def _fits_interval(request: HistoryRequest, source: HistorySource) -> bool:
    """Return whether no aggregate of a source overlaps two buckets."""
    if source == "day":
        return request.interval.is_calendar and request.zone == request.day_zone
    size = AGGREGATE_SIZES[source]
    if not request.interval.is_calendar:
        return request.interval.elapsed % size == 0
    zone = ZoneInfo(request.zone)
    offsets = (zone.utcoffset(to_datetime(time).astimezone(zone)) for time in (request.start, request.end))
    return all(offset is not None and offset.total_seconds() * 1_000_000 % size == 0 for offset in offsets)


def _is_produced(extents: Sequence[DatastreamExtent], source: HistorySource) -> bool:
    """Return whether aggregates of this size exist: none is shorter than the sensor's interval."""
    return all(AGGREGATE_SIZES[source] in window_sizes_for(extent.interval) for extent in extents)


def local_midnight(time: Instant, zone: str) -> Instant:
    """Return the last midnight of a time zone (IANA name) at or before a time."""
    local = to_datetime(time).astimezone(ZoneInfo(zone))
    return from_datetime(local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0))
