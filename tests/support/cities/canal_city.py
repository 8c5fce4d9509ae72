"""The plan of a city with a canal, for tests of the database."""

from __future__ import annotations

from tests.support.cities.city_builder import CityBuilder, Observed
from twin.instant import MINUTE
from twin.model.calibration import Calibration, Maintenance
from twin.model.city_model import CityFeed, CityPlan
from twin.model.entity import Relation
from twin.model.observed_property import ObservedProperty


def _observed(property: str) -> Observed:
    return Observed(property, unit="cm", scale=0.01, offset=-0.1, interval=10 * MINUTE)


def canal_plan(
    *,
    sensor_at: str = "canal",
    entity_name: str = "Canal",
    with_second: bool = True,
    calibrations: tuple[Calibration, ...] = (),
    maintenance: tuple[Maintenance, ...] = (),
) -> CityPlan:
    """Return a plan of a canal and a street, a sensor on either, and perhaps a smart meter."""
    # Children come first: a plan may list entities in any order.
    builder = (
        CityBuilder("alkmaar", "Alkmaar")
        .entity(
            "canal",
            "Canal",
            entity_name,
            parent="city",
            geometry={"type": "LineString", "coordinates": ((4.7, 52.6), (4.8, 52.65))},
            attributes={"depth": 2.5, "names": ["a", "b"]},
            relations=(Relation("feeds", "street"), Relation("adjacentTo", "city")),
        )
        .entity("street", "Street", "Street", parent="city")
        .entity("city", "Municipality", "City")
        .sensor("s1", sensor_at, _observed("water_level"), _observed("depth"), interval=10 * MINUTE)
    )
    if with_second:
        power = _observed("power_import")
        builder.sensor("s2", "street", power, feed="dsmr", device="m", personal=True)
    return builder.plan(
        properties=(ObservedProperty(name="depth", unit="m", theme="water", minimum=0, maximum=1e3),),
        feeds=(CityFeed(id="own", filter="own/+/x", decoder="native", device_level=1),),
        calibrations=calibrations,
        maintenance=maintenance,
    )
