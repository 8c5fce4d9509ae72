"""Small cities for the tests of the simulators."""

from __future__ import annotations

from twin.instant import MINUTE, SECOND, Duration
from twin.model.city_model import City, CityPlan
from twin.model.entity import Entity
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.sensor import Datastream, Sensor
from twin.model.units import unit_conversion

INTERVALS: dict[str, Duration] = {"dsmr": 10 * SECOND, "homewizard": 10 * SECOND, "airrohr": 145 * SECOND}


def datastream_spec(
    property: str,
    field: str | None = None,
    unit: str | None = None,
    mapping: tuple[float, float] | None = None,
) -> tuple[str, str, str, tuple[float, float]]:
    """One datastream to be: property, field, unit, (scale, offset)."""
    unit = unit or BUILT_IN_PROPERTIES[property].unit
    return (
        property,
        field or property,
        unit,
        mapping or unit_conversion(unit, BUILT_IN_PROPERTIES[property].unit),
    )


def sensor_city(
    feed: str,
    *observes: tuple[str, str, str, tuple[float, float]],
    sensor: str = "probe",
    device: str = "probe",
    attributes: dict[str, object] | None = None,
) -> CityPlan:
    """A city of one sensor on one entity."""
    every = INTERVALS.get(feed, 10 * MINUTE)
    return CityPlan(
        city=City(id="alkmaar", name="Alkmaar", timezone="Europe/Amsterdam"),
        entities=(
            Entity(id="alkmaar.place", type="MonitoringSite", name="Place", attributes=attributes or {}),
        ),
        sensors=(
            Sensor(
                id=sensor,
                feed=feed,
                device=device,
                entity="alkmaar.place",
                interval=every,
                personal=feed in ("dsmr", "homewizard"),
            ),
        ),
        datastreams=tuple(
            Datastream(
                id=0,
                sensor=sensor,
                entity="alkmaar.place",
                property=property,
                field=field,
                unit=unit,
                scale=mapping[0],
                offset=mapping[1],
                interval=every,
            )
            for property, field, unit, mapping in observes
        ),
    )
