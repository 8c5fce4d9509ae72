"""A little city for these tests."""

from __future__ import annotations

from twin.instant import MINUTE
from twin.model.calibration import Calibration, Maintenance
from twin.model.city_model import City, CityFeed, CityPlan
from twin.model.entity import Entity, Relation
from twin.model.observed_property import ObservedProperty
from twin.model.sensor import Datastream, Sensor

CITY = City(id="alkmaar", name="Alkmaar", timezone="Europe/Amsterdam")


def canal_datastream(sensor: str, property: str, entity: str) -> Datastream:
    return Datastream(
        id=0,
        sensor=sensor,
        entity=entity,
        property=property,
        field=property,
        unit="cm",
        scale=0.01,
        offset=-0.1,
        interval=10 * MINUTE,
    )


def canal_plan(
    *,
    sensor_at: str = "canal",
    entity_name: str = "Canal",
    with_second: bool = True,
    calibrations: tuple[Calibration, ...] = (),
    maintenance: tuple[Maintenance, ...] = (),
) -> CityPlan:
    """Two entities below the city, a sensor that may stand at either, and perhaps a second one."""
    sensors = [Sensor(id="s1", feed="native", device="s1", entity=sensor_at, interval=10 * MINUTE)]
    datastreams = [
        canal_datastream("s1", "water_level", sensor_at),
        canal_datastream("s1", "depth", sensor_at),
    ]
    if with_second:
        sensors.append(
            Sensor(id="s2", feed="dsmr", device="m", entity="street", interval=MINUTE, personal=True)
        )
        datastreams.append(canal_datastream("s2", "power_import", "street"))
    return CityPlan(
        city=CITY,
        # Children first: the order of a plan is nobody's promise.
        entities=(
            Entity(
                id="canal",
                type="Canal",
                name=entity_name,
                parent="city",
                geometry={"type": "LineString", "coordinates": ((4.7, 52.6), (4.8, 52.65))},
                attributes={"depth": 2.5, "names": ["a", "b"]},
                relations=(Relation("feeds", "street"), Relation("adjacentTo", "city")),
            ),
            Entity(id="street", type="Street", name="Street", parent="city"),
            Entity(id="city", type="Municipality", name="City"),
        ),
        sensors=tuple(sensors),
        datastreams=tuple(datastreams),
        properties=(ObservedProperty(name="depth", unit="m", theme="water", minimum=0, maximum=1e3),),
        feeds=(CityFeed(id="own", filter="own/+/x", decoder="native", device_level=1),),
        calibrations=calibrations,
        maintenance=maintenance,
    )
