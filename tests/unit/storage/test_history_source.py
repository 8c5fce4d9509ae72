"""Where history is read from: never from aggregates that are not made."""

from __future__ import annotations

import pytest

from storage.bucket_interval import BucketInterval, QueryError
from storage.history_source import Kept, Question, Span, spans
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, Duration

RAW_FROM = 100 * DAY


def kept(interval: Duration) -> Kept:
    return Kept(
        id=1, interval=interval, created=INSTANT_MIN, retired=None, raw_from=RAW_FROM, complete_to=RAW_FROM
    )


def asked(interval: str) -> Question:
    return Question(0, 2 * HOUR, BucketInterval.parse(interval), "UTC", "UTC", False, False)


@pytest.mark.parametrize(
    ("sensor", "interval"), [(15 * MINUTE, "PT15M"), (15 * MINUTE, "PT10M"), (2 * MINUTE, "PT2M")]
)
def test_a_window_shorter_than_the_sensors_interval_is_refused_where_single_values_are_gone(
    sensor: Duration, interval: str
) -> None:
    with pytest.raises(QueryError, match="ask for an interval of whole hours"):
        spans([kept(sensor)], asked(interval))


@pytest.mark.parametrize(
    ("sensor", "interval", "source"),
    [
        (15 * MINUTE, "PT2H", "hour"),
        (2 * MINUTE, "PT20M", "ten_minutes"),
        (MINUTE, "PT2M", "minute"),
    ],
)
def test_the_coarsest_aggregates_that_fit_and_are_made_answer(
    sensor: Duration, interval: str, source: str
) -> None:
    assert spans([kept(sensor)], asked(interval)) == [Span(source, 0, 2 * HOUR)]  # type: ignore[arg-type]
