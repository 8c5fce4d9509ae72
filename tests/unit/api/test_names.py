"""What the names of values denote."""

from __future__ import annotations

import pytest

from twin.indicators.registry import REGISTRY
from twin.instant import HOUR, MINUTE
from twin.model.city_model import CityModel
from twin.model.names import all_value_names, resolve_name, typical_interval


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
