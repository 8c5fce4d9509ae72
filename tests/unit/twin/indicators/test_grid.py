"""Grid formulas and voltage quality."""

from __future__ import annotations

import pytest

from twin.indicators.grid import (
    MEANS_A_WEEK,
    TEN_MINUTES,
    WEEK,
    feed_in_share,
    net_power,
    transformer_load,
    voltage_deviation,
    voltage_quality,
)
from twin.indicators.running_mean import TimeMean
from twin.instant import SECOND


def week(*exceptions: float, usual: float = 230.0) -> list[TimeMean]:
    volts = [*exceptions, *[usual] * (MEANS_A_WEEK - len(exceptions))]
    return [TimeMean(number * TEN_MINUTES, one) for number, one in enumerate(volts)]


def test_load_is_of_the_apparent_power_in_either_direction() -> None:
    assert transformer_load(342.0, 400.0, 0.9) == pytest.approx(95)
    assert transformer_load(-342.0, 400.0, 0.9) == pytest.approx(95)
    assert transformer_load(0.0, 400.0) == 0


@pytest.mark.parametrize(("rated", "factor"), [(0, 1), (-400, 1), (400, 0), (400, 1.1)])
def test_a_rating_that_cannot_be_has_no_load(rated: float, factor: float) -> None:
    assert transformer_load(100, rated, factor) is None


def test_net_power_is_negative_where_more_is_fed_in() -> None:
    assert net_power(3.0, 5.5) == -2.5


def test_feed_in_is_a_share_of_what_flows() -> None:
    assert feed_in_share(0, 5) == 100
    assert feed_in_share(5, 0) == 0
    assert feed_in_share(0, 0) is None


@pytest.mark.parametrize(("volts", "percent"), [(230, 0), (253, 10), (207, -10), (195.5, -15)])
def test_deviation_is_of_230_volts(volts: float, percent: float) -> None:
    assert voltage_deviation(volts) == percent


def test_a_week_at_230_volts_is_ok() -> None:
    found = voltage_quality(week())
    assert found is not None
    assert (found.word, found.means, found.coverage, found.share_within) == ("ok", 1008, 1.0, 1.0)


def test_253_and_207_volts_are_still_within() -> None:
    found = voltage_quality(week(253.0, 207.0))
    assert found is not None
    assert (found.word, found.share_within, found.lowest, found.highest) == ("ok", 1.0, 207.0, 253.0)


def test_fifty_low_means_of_a_week_are_allowed_and_fifty_one_are_not() -> None:
    allowed, too_many = voltage_quality(week(*[200.0] * 50)), voltage_quality(week(*[200.0] * 51))
    assert allowed is not None
    assert too_many is not None
    assert (allowed.word, too_many.word) == ("ok", "violated")
    assert too_many.share_within < 0.95


@pytest.mark.parametrize("volts", [253.1, 195.4])
def test_one_mean_beyond_the_outer_bounds_is_a_violation(volts: float) -> None:
    found = voltage_quality(week(volts))
    assert found is not None
    assert found.word == "violated"
    assert found.share_within > 0.95


def test_a_single_second_of_254_volts_is_no_violation() -> None:
    """A window of which only a second was measured is not a ten-minute mean."""
    one_second = TimeMean(0, 254.0, coverage=SECOND / TEN_MINUTES)
    found = voltage_quality([one_second, *week()[1:]])
    assert found is not None
    assert (found.word, found.means) == ("ok", MEANS_A_WEEK - 1)
    assert voltage_quality([one_second]) is None


def test_readings_that_are_not_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="give ten-minute means only"):
        voltage_quality([TimeMean(SECOND, 254.0)])


def test_more_than_a_week_is_refused() -> None:
    with pytest.raises(ValueError, match="expected those of one week"):
        voltage_quality([*week(), TimeMean(WEEK, 230.0)])


def test_part_of_a_week_says_how_much_of_it_is_known() -> None:
    found = voltage_quality(week()[:252])
    assert found is not None
    assert (found.word, found.coverage) == ("ok", 0.25)
