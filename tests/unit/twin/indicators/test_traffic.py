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


def test_the_part_of_an_interval_that_was_not_counted_is_like_the_rest() -> None:
    assert intensity_from_count(90, HOUR, coverage=0.75) == 120


def test_a_counter_without_uptime_has_no_intensity() -> None:
    assert intensity_from_count(0, HOUR, coverage=0) is None


def test_nobody_passing_is_not_a_standstill() -> None:
    assert speed_ratio(0, 50, flow=0) is None
    assert speed_ratio(0, 50) is None
    assert speed_ratio(0, 50, flow=60) == 0


def test_speed_above_the_free_speed_is_told_as_it_is() -> None:
    assert speed_ratio(60, 50) == pytest.approx(1.2)


@pytest.mark.parametrize(("speed", "free"), [(50, 0), (50, -1), (-1, 50)])
def test_speeds_that_cannot_be_have_no_ratio(speed: float, free: float) -> None:
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


def test_intensity_is_set_against_a_capacity_where_there_is_one() -> None:
    assert capacity_ratio(1600, 2000) == 0.8
    assert capacity_ratio(1600, 0) is None
