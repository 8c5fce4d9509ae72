"""Water formulas."""

from __future__ import annotations

import pytest

from twin.indicators.water import (
    POINTS_MAX,
    freeboard,
    freeboard_share,
    level_deviation,
    rate_of_rise,
)
from twin.instant import HOUR, MINUTE


def test_freeboard_is_what_is_left_to_the_danger_level() -> None:
    assert freeboard(-0.47, -0.20) == pytest.approx(0.27)
    assert freeboard(-0.10, -0.20) == pytest.approx(-0.10)


def test_deviation_is_positive_above_the_target() -> None:
    assert level_deviation(-0.47, -0.50) == pytest.approx(0.03)
    assert level_deviation(-0.55, -0.50) == pytest.approx(-0.05)


def test_the_share_of_freeboard_is_whole_at_the_target_and_none_at_the_danger_level() -> None:
    assert freeboard_share(-0.50, -0.50, -0.20) == pytest.approx(100)
    assert freeboard_share(-0.20, -0.50, -0.20) == pytest.approx(0)
    assert freeboard_share(-0.65, -0.50, -0.20) == pytest.approx(150)
    assert freeboard_share(-0.50, -0.20, -0.20) is None


def test_a_steady_rise_has_its_slope_in_any_order() -> None:
    points = [(minute * MINUTE, -0.5 + 0.12 * minute / 60) for minute in range(0, 61, 5)]
    assert rate_of_rise(points) == pytest.approx(0.12)
    assert rate_of_rise(points[::-1]) == rate_of_rise(points)


def test_one_false_zero_does_not_change_the_slope() -> None:
    points = [(quarter * 15 * MINUTE, -1.4 + 0.02 * quarter) for quarter in range(5)]
    points[3] = (points[3][0], 0.0)
    assert rate_of_rise(points) == pytest.approx(0.08, abs=1e-9)


def test_only_the_hour_before_the_newest_point_counts() -> None:
    fell = [(minute * MINUTE, 5.0 - minute) for minute in range(0, 60, 10)]
    still = [(2 * HOUR + minute * MINUTE, 1.0) for minute in (0, 30, 60)]
    assert rate_of_rise([*fell, *still]) == 0


def test_two_points_or_a_few_seconds_have_no_slope() -> None:
    assert rate_of_rise([]) is None
    assert rate_of_rise([(0, 1.0), (HOUR // 2, 1.1)]) is None
    assert rate_of_rise([(0, 1.0), (0, 1.1), (HOUR // 2, 1.2)]) is None
    assert rate_of_rise([(0, 1.0), (MINUTE, 1.01), (2 * MINUTE, 1.02)]) is None
    assert rate_of_rise([(0, 1.0), (5 * MINUTE, 1.0), (10 * MINUTE, 1.0)]) == 0


def test_many_points_are_bounded_to_the_newest() -> None:
    second = HOUR // 3600
    points = [(number * 10 * second, 0.0) for number in range(300)]
    rising = [(HOUR + number * 10 * second, number / 360) for number in range(POINTS_MAX)]
    assert rate_of_rise([*points, *rising]) == pytest.approx(1.0)
