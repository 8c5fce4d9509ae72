"""Bucket lengths: elapsed time and calendar time."""

from __future__ import annotations

import pytest

from storage.database import QueryError
from storage.history.bucket_interval import BucketInterval
from twin.instant import DAY, HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT1H", BucketInterval(elapsed=HOUR)),
        ("PT24H", BucketInterval(elapsed=DAY)),
        ("PT1H30M", BucketInterval(elapsed=90 * MINUTE)),
        ("PT10S", BucketInterval(elapsed=10 * SECOND)),
        ("P1D", BucketInterval(days=1)),
        ("P2W", BucketInterval(days=14)),
        ("P1M", BucketInterval(months=1)),
        ("P1Y6M", BucketInterval(months=18)),
    ],
)
def test_a_duration_is_read(text: str, expected: BucketInterval) -> None:
    assert BucketInterval.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "PT0S", "P0D", "1h", "-PT1H", "P1DT1H", "P1M1D", "PT1.5H", "P1D ", "PT99999999H"]
)
def test_an_invalid_bucket_length_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="interval"):
        BucketInterval.parse(text)


def test_the_estimated_count_of_buckets_is_never_too_low() -> None:
    assert BucketInterval(elapsed=HOUR).count_max(30 * MINUTE, 90 * MINUTE) >= 2
    assert BucketInterval(days=1).count_max(0, 10 * DAY - HOUR) >= 11
    assert BucketInterval(months=1).count_max(0, 59 * DAY) >= 3
    assert BucketInterval(days=1).count_max(10, 0) >= 0
