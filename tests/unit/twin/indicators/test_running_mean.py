"""Running means of hourly values."""

from __future__ import annotations

import pytest

from twin.indicators.running_mean import EIGHT_HOURS, TimeMean, running_mean
from twin.instant import DAY, HOUR, MINUTE


def hours(*numbers: int, mean: float = 10.0) -> list[TimeMean]:
    return [TimeMean(number * HOUR, mean) for number in numbers]


def test_a_running_mean_includes_the_last_hour() -> None:
    series = [TimeMean(number * HOUR, float(number)) for number in range(30)]
    assert running_mean(series, 29 * HOUR) == TimeMean(6 * HOUR, sum(range(6, 30)) / 24, 1.0)
    assert running_mean(series, 29 * HOUR, EIGHT_HOURS) == TimeMean(22 * HOUR, 25.5, 1.0)


def test_eighteen_of_twenty_four_hours_are_enough_and_seventeen_are_not() -> None:
    found = running_mean(hours(*range(6, 24)), 23 * HOUR)
    assert found == TimeMean(0, 10.0, 0.75)
    assert running_mean(hours(*range(7, 24)), 23 * HOUR) is None


def test_six_of_eight_hours_are_enough_and_five_are_not() -> None:
    assert running_mean(hours(0, 1, 2, 3, 4, 7), 7 * HOUR, EIGHT_HOURS) is not None
    assert running_mean(hours(0, 1, 2, 3, 7), 7 * HOUR, EIGHT_HOURS) is None


def test_an_hour_of_less_than_forty_five_minutes_does_not_count() -> None:
    full = hours(*range(17))
    assert running_mean([*full, TimeMean(17 * HOUR, 99.0, 0.74)], 17 * HOUR) is None
    assert running_mean([*full, TimeMean(17 * HOUR, 10.0, 0.75)], 17 * HOUR) is not None


def test_a_corrected_hour_replaces_the_earlier_one() -> None:
    series = [*hours(*range(24), mean=10.0), TimeMean(5 * HOUR, 34.0)]
    assert running_mean(series, 23 * HOUR) == TimeMean(0, 11.0, 1.0)


def test_hours_outside_the_window_do_not_count() -> None:
    series = [*hours(*range(1, 25)), TimeMean(0, 1e9), TimeMean(25 * HOUR, 1e9)]
    assert running_mean(series, 24 * HOUR) == TimeMean(HOUR, 10.0, 1.0)


def test_nothing_measured_has_no_mean() -> None:
    assert running_mean([], 0) is None


@pytest.mark.parametrize("length", [0, 30 * MINUTE, DAY + 1])
def test_a_window_is_a_number_of_whole_hours(length: int) -> None:
    with pytest.raises(ValueError, match="expected a number of whole hours"):
        running_mean(hours(0), 0, length)
