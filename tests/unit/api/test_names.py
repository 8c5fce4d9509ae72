"""What the names of values denote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.cities.city_builder import CityBuilder
from twin.indicators.registry import REGISTRY
from twin.instant import HOUR, MINUTE, SECOND
from twin.model.city_model import CityModel
from twin.model.names import (
    all_value_names,
    coverage_min_of,
    resolve_name,
    series_interval,
    typical_interval,
)


def test_a_roll_up_has_the_unit_and_theme_of_what_is_rolled_up(model: CityModel) -> None:
    for name, base, unit, theme in (
        ("area_pm2_5", "pm2_5", "ug/m3", "environment"),
        ("area_lki", "lki", "1", "environment"),
        ("area_freeboard", "freeboard", "m", "water"),
    ):
        value_name = resolve_name(name, model)
        assert value_name is not None
        assert (value_name.base, value_name.unit, value_name.theme) == (base, unit, theme)
        assert value_name.rolled_up
        assert not value_name.observed


@pytest.mark.parametrize("name", ["joy", "area_joy", "area_area_pm2_5", "area_wind_direction", "area_", ""])
def test_what_is_not_rolled_up_has_no_roll_up(model: CityModel, name: str) -> None:
    assert resolve_name(name, model) is None


def test_every_name_is_listed_once_and_resolves(model: CityModel) -> None:
    value_name = list(all_value_names(model))
    assert len({one.name for one in value_name}) == len(value_name)
    assert all(resolve_name(one.name, model) == one for one in value_name)
    assert {*model.properties, *REGISTRY} <= {one.name for one in value_name}


def test_the_interval_of_a_value_is_that_of_its_sensors_or_of_its_window(model: CityModel) -> None:
    for entity, name, expected in (
        ("city.east.hill", "pm2_5", 10 * MINUTE),
        ("city.east.hill", "lki", HOUR),
        ("city", "area_lki", HOUR),
        ("city", "area_no2", 10 * MINUTE),
        ("city.canal", "lki", None),
        ("city.canal", "area_no2", None),
    ):
        what = resolve_name(name, model)
        assert what is not None
        assert typical_interval(entity, what, model) == expected


def test_a_slot_is_as_long_as_the_slowest_sensor_of_the_city_needs() -> None:
    def interval(name: str, *intervals: int) -> int:
        builder = CityBuilder().entity("town", "Municipality")
        for number, each in enumerate(intervals):
            builder.entity(f"town.{number}", "Street").sensor(
                f"s{number}", f"town.{number}", "pm2_5", interval=each
            )
        return series_interval(name, builder.model())

    assert interval("pm2_5", 10 * SECOND, MINUTE) == MINUTE
    assert interval("pm2_5", 10 * SECOND, 5 * MINUTE) == 10 * MINUTE
    assert interval("pm2_5", 10 * SECOND, 15 * MINUTE) == HOUR
    assert interval("pm2_5", 24 * HOUR) == HOUR
    assert interval("lki", 10 * SECOND) == HOUR, "an index of hourly means has no value in between"


def test_a_sum_needs_more_of_an_area_than_a_mean_unless_the_property_says_otherwise() -> None:
    city = CityBuilder().entity("town", "Municipality").model()
    strict = replace(city.properties["pm2_5"], coverage_min=1.0)
    strict_city = replace(city, properties={**city.properties, "pm2_5": strict})
    assert [coverage_min_of(name, city) for name in ("power_import", "pm2_5", "lki")] == [0.75, 0.5, 0.5]
    assert coverage_min_of("pm2_5", strict_city) == 1.0
