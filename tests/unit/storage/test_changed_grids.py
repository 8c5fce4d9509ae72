"""A change of the model may put derived series on another grid of event time."""

from __future__ import annotations

from storage.model.changed_grids import series_on_other_grids
from tests.support.cities.city_builder import CityBuilder
from twin.instant import DAY, HOUR, MINUTE


def town() -> CityBuilder:
    return (
        CityBuilder()
        .entity("town", "Municipality")
        .entity("town.north", "District")
        .entity("town.north.street", "Street")
        .entity("town.north.road", "Street")
        .sensor("first", "town.north.street", "pm2_5", "air_temperature", interval=10 * MINUTE)
        .sensor("second", "town.north.road", "power_import", interval=MINUTE)
    )


def test_the_same_city_has_the_same_grids() -> None:
    assert series_on_other_grids(town().model(), town().model(2)) == []


def test_a_slower_sensor_changes_the_slots_of_its_property_in_all_areas() -> None:
    slower = town().sensor("third", "town.north.road", "air_temperature", interval=HOUR)
    expected = [("town", "area_air_temperature"), ("town.north", "area_air_temperature")]
    assert series_on_other_grids(town().model(), slower.model(2)) == expected
    assert series_on_other_grids(slower.model(), town().model(2)) == expected


def test_a_sensor_that_is_as_fast_changes_no_slots() -> None:
    equal = town().sensor("third", "town.north.road", "air_temperature", interval=10 * MINUTE)
    assert series_on_other_grids(town().model(), equal.model(2)) == []


def test_no_slot_is_longer_than_an_hour() -> None:
    hourly = town().sensor("third", "town.north.road", "air_temperature", interval=HOUR)
    daily = town().sensor("third", "town.north.road", "air_temperature", interval=DAY)
    assert series_on_other_grids(hourly.model(), daily.model(2)) == []


def test_a_slower_sensor_of_an_entity_changes_the_windows_of_its_indicators() -> None:
    def city(interval: int) -> CityBuilder:
        return (
            CityBuilder()
            .entity("town", "Municipality")
            .entity("town.station", "TransformerStation", attributes={"ratedPower": 400.0})
            .sensor("meter", "town.station", "power_import", "power_export", interval=interval)
        )

    load = ("town.station", "transformer_load")
    for interval, changes in ((15 * MINUTE, True), (5 * MINUTE, False)):
        found = series_on_other_grids(city(MINUTE).model(), city(interval).model(2))
        assert (load in found) == changes
