"""From where a range of history is read: pure, so each case is a line."""

from __future__ import annotations

import pytest

from storage.bucket_interval import BucketInterval, QueryError
from storage.history_source import RAW_EXPECTED_MAX, Kept, Question, Span, segments, spans
from twin.calibration import Calibration
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, Duration, Instant, parse_instant

AMSTERDAM = "Europe/Amsterdam"
BEGIN = parse_instant("2026-10-01T00:00:00+02:00")
END = BEGIN + 30 * DAY


def kept(interval: Duration = MINUTE, **since: Instant) -> Kept:
    return Kept(id=1, interval=interval, created=BEGIN, retired=None, **since)


def asked(
    interval: str, start: Instant = BEGIN, end: Instant = END, zone: str = AMSTERDAM, *, exact: bool = False
) -> Question:
    length = BucketInterval.parse(interval)
    return Question(start, end, length, zone if length.is_calendar else "UTC", AMSTERDAM, False, exact)


def test_few_observations_are_read_one_by_one() -> None:
    few = BEGIN + RAW_EXPECTED_MAX * MINUTE
    assert spans([kept(complete_to=END)], asked("PT1H", end=few)) == [Span("raw", BEGIN, few)]


def test_many_are_read_from_hours_and_the_edges_one_by_one() -> None:
    start, end = BEGIN + 7 * MINUTE, END - 7 * MINUTE
    complete_to = END - 3 * HOUR
    assert spans([kept(complete_to=complete_to)], asked("P1D", start, end)) == [
        Span("raw", start, BEGIN + HOUR),
        Span("hour", BEGIN + HOUR, complete_to),
        Span("raw", complete_to, end),
    ]


@pytest.mark.parametrize(
    ("interval", "zone"), [("PT15M", AMSTERDAM), ("PT90M", AMSTERDAM), ("P1D", "Asia/Kolkata")]
)
def test_what_hours_do_not_fit_is_read_one_by_one(interval: str, zone: str) -> None:
    question = asked(interval, zone=zone)
    assert spans([kept(complete_to=END)], question) == [Span("raw", BEGIN, END)]


def test_what_must_be_exact_is_read_one_by_one_while_it_is_there() -> None:
    assert spans([kept(complete_to=END)], asked("P1D", exact=True)) == [Span("raw", BEGIN, END)]


def test_hours_count_only_as_far_as_they_are_complete_for_all() -> None:
    both = [kept(complete_to=END), kept(complete_to=INSTANT_MIN)]
    assert spans(both, asked("P1D")) == [Span("raw", BEGIN, END)]


def test_older_than_single_observations_the_coarsest_that_fits_is_read() -> None:
    since = kept(raw_from=BEGIN + 20 * DAY, minute_from=BEGIN + 10 * DAY, hour_from=BEGIN + 5 * DAY)
    raw = Span("raw", BEGIN + 20 * DAY, END)
    assert spans([since], asked("P1D")) == [
        Span("day", BEGIN, BEGIN + 5 * DAY),
        Span("hour", BEGIN + 5 * DAY, BEGIN + 20 * DAY),
        raw,
    ]
    later = BEGIN + 12 * DAY
    assert spans([since], asked("PT30M", later)) == [Span("ten_minutes", later, BEGIN + 20 * DAY), raw]
    assert spans([since], asked("PT5M", later)) == [Span("minute", later, BEGIN + 20 * DAY), raw]
    assert spans([since], asked("P1D", BEGIN + HOUR, BEGIN + DAY)) == [Span("day", BEGIN, BEGIN + DAY)]


@pytest.mark.parametrize(
    ("interval", "start", "advice"),
    [
        ("PT1H", BEGIN, "whole days"),
        ("PT5M", BEGIN + 6 * DAY, "whole hours"),
        ("PT7S", BEGIN + 12 * DAY, "whole hours"),
        ("P1D", BEGIN, "Europe/Amsterdam"),
    ],
)
def test_what_is_finer_than_what_is_kept_is_refused(interval: str, start: Instant, advice: str) -> None:
    since = kept(raw_from=BEGIN + 20 * DAY, minute_from=BEGIN + 10 * DAY, hour_from=BEGIN + 5 * DAY)
    with pytest.raises(QueryError, match=advice):
        spans([since], asked(interval, start, zone="Europe/London"))


def test_of_overlapping_calibrations_the_later_start_holds() -> None:
    def calibration(start: Instant, end: Instant, gain: float) -> Calibration:
        return Calibration(sensor="s", property="p", start=start, end=end, gain=gain)

    one = Kept(
        id=3,
        interval=MINUTE,
        created=None,
        retired=None,
        calibrations=(calibration(0, 100, 2.0), calibration(40, 60, 3.0)),
    )
    assert [one[1:4] for one in segments([one], 10, 120)] == [
        (10, 40, 2.0),
        (40, 60, 3.0),
        (60, 100, 2.0),
        (100, 120, 1.0),
    ]
