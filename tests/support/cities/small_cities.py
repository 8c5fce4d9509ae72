"""Small cities that tests of several packages use."""

from __future__ import annotations

from tests.support.cities.city_builder import CityBuilder
from twin.model.city_model import CityModel


def small_city(version: int = 1) -> CityModel:
    """Return a model of a street with three microphones and a canal with one level sensor."""
    builder = (
        CityBuilder()
        .entity("town", "Municipality", "Town")
        .entity("town.street", "Road", "Street")
        .entity("town.canal", "Waterway", "Canal")
    )
    for number in (1, 2, 3):
        builder.sensor(f"noise-{number}", "town.street", "noise_level")
    return builder.sensor("level-1", "town.canal", "water_level").model(version)


def meter_city(feed: str = "dsmr", device: str = "gw-12") -> CityModel:
    """Return a model of one household with a smart meter, whose imported power is observed."""
    return (
        CityBuilder()
        .entity("town.house", "Connection", "House")
        .sensor("meter-1", "town.house", "power_import", feed=feed, device=device)
        .model()
    )
