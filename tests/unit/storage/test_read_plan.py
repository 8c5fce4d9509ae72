"""History is never read from aggregates that do not exist."""

from __future__ import annotations

import pytest

from storage.database import QueryError
from storage.history.bucket_interval import BucketInterval
from storage.history.read_plan import DatastreamExtent, HistoryRequest, ReadSpan, plan_spans
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, SECOND, Duration

RAW_FROM = 100 * DAY


def kept(interval: Duration) -> DatastreamExtent:
    return DatastreamExtent(
        id=1, interval=interval, created=INSTANT_MIN, retired=None, raw_from=RAW_FROM, complete_to=RAW_FROM
    )


def asked(interval: str) -> HistoryRequest:
    return HistoryRequest(0, 2 * HOUR, BucketInterval.parse(interval), "UTC", "UTC", False, False)


@pytest.mark.parametrize(
    ("sensor", "interval"), [(15 * MINUTE, "PT15M"), (15 * MINUTE, "PT10M"), (2 * MINUTE, "PT2M")]
)
def test_windows_shorter_than_the_interval_are_refused_without_single_values(
    sensor: Duration, interval: str
) -> None:
    with pytest.raises(QueryError, match="ask for an interval of whole hours"):
        plan_spans([kept(sensor)], asked(interval))


@pytest.mark.parametrize(
    ("sensor", "interval", "source"),
    [
        (15 * MINUTE, "PT2H", "hour"),
        (2 * MINUTE, "PT20M", "ten_minutes"),
        (MINUTE, "PT2M", "minute"),
    ],
)
def test_the_coarsest_existing_aggregates_that_fit_are_read(
    sensor: Duration, interval: str, source: str
) -> None:
    assert plan_spans([kept(sensor)], asked(interval)) == [ReadSpan(source, 0, 2 * HOUR)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sensor", "interval", "source"),
    [
        (MINUTE, "P1D", "hour"),
        (MINUTE, "PT30M", "ten_minutes"),
        (10 * SECOND, "PT15M", "minute"),
        (MINUTE, "PT15M", "raw"),  # a minute would repeat the observation
        (MINUTE, "PT90S", "raw"),
        (20 * MINUTE, "P1D", "hour"),
        (20 * MINUTE, "PT30M", "raw"),  # none shorter than an hour are made
    ],
)
def test_many_single_values_are_read_as_the_longest_fitting_windows(
    sensor: Duration, interval: str, source: str
) -> None:
    days = 400
    one = DatastreamExtent(
        id=1, interval=sensor, created=INSTANT_MIN, retired=None, complete_to=(days - 1) * DAY + 7 * MINUTE
    )
    wanted = HistoryRequest(
        7 * MINUTE, days * DAY, BucketInterval.parse(interval), "Europe/Amsterdam", None, False, False
    )
    found = plan_spans([one], wanted)
    if source == "raw":
        assert found == [ReadSpan("raw", 7 * MINUTE, days * DAY)]
    else:
        assert found == [
            ReadSpan("raw", 7 * MINUTE, HOUR),
            ReadSpan(source, HOUR, (days - 1) * DAY),  # type: ignore[arg-type]
            ReadSpan("raw", (days - 1) * DAY, days * DAY),
        ]


def test_zones_with_half_hours_are_read_from_ten_minutes() -> None:
    one = DatastreamExtent(id=1, interval=MINUTE, created=INSTANT_MIN, retired=None, complete_to=100 * DAY)
    wanted = HistoryRequest(0, 100 * DAY, BucketInterval.parse("P1D"), "Asia/Kolkata", None, False, False)
    assert plan_spans([one], wanted) == [ReadSpan("ten_minutes", 0, 100 * DAY)]
