"""Grid formulas."""

from __future__ import annotations

import pytest

from twin.indicators.grid import (
    feed_in_share,
    net_power,
    transformer_load,
    voltage_deviation,
)


def test_load_is_of_the_apparent_power_in_either_direction() -> None:
    assert transformer_load(342.0, 400.0, 0.9) == pytest.approx(95)
    assert transformer_load(-342.0, 400.0, 0.9) == pytest.approx(95)
    assert transformer_load(0.0, 400.0) == 0


@pytest.mark.parametrize(("rated", "factor"), [(0, 1), (-400, 1), (400, 0), (400, 1.1)])
def test_an_impossible_rating_has_no_load(rated: float, factor: float) -> None:
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
