"""Traffic formulas."""

from __future__ import annotations

import pytest

from twin.indicators.traffic import (
    LevelOfService,
    capacity_ratio,
    intensity_from_count,
    level_of_service,
    speed_ratio,
)
from twin.instant import HOUR, MINUTE


def test_nine_cars_in_a_minute_are_540_an_hour() -> None:
    assert intensity_from_count(9, MINUTE) == 540


def test_the_uncovered_part_of_an_interval_is_assumed_like_the_rest() -> None:
    assert intensity_from_count(90, HOUR, coverage=0.75) == 120


def test_a_counter_without_uptime_has_no_intensity() -> None:
    assert intensity_from_count(0, HOUR, coverage=0) is None


def test_an_empty_road_is_not_a_standstill() -> None:
    assert speed_ratio(0, 50, flow=0) is None
    assert speed_ratio(0, 50) is None
    assert speed_ratio(0, 50, flow=60) == 0


def test_a_speed_above_the_free_speed_has_a_ratio_above_1() -> None:
    assert speed_ratio(60, 50) == pytest.approx(1.2)


@pytest.mark.parametrize(("speed", "free"), [(50, 0), (50, -1), (-1, 50)])
def test_impossible_speeds_have_no_ratio(speed: float, free: float) -> None:
    assert speed_ratio(speed, free) is None


def test_levels_of_service_change_at_three_quarters_and_half_of_the_free_speed() -> None:
    assert [level_of_service(one) for one in (1.2, 0.75, 0.7499, 0.5, 0.4999, 0)] == [
        LevelOfService.FREE,
        LevelOfService.FREE,
        LevelOfService.HEAVY,
        LevelOfService.HEAVY,
        LevelOfService.CONGESTED,
        LevelOfService.CONGESTED,
    ]


def test_intensity_is_relative_to_the_capacity_if_known() -> None:
    assert capacity_ratio(1600, 2000) == 0.8
    assert capacity_ratio(1600, 0) is None
