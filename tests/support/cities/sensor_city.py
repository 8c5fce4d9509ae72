"""Plans of one sensor on one entity, for tests of devices and decoders."""

from __future__ import annotations

from tests.support.cities.city_builder import CityBuilder, Observed
from twin.instant import MINUTE, SECOND, Duration
from twin.model.city_model import CityPlan
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.units import unit_conversion

INTERVALS: dict[str, Duration] = {"dsmr": 10 * SECOND, "homewizard": 10 * SECOND, "airrohr": 145 * SECOND}


def datastream_spec(
    property: str,
    field: str | None = None,
    unit: str | None = None,
    mapping: tuple[float, float] | None = None,
) -> Observed:
    """Return a datastream to observe; its default scale and offset convert the unit to the canonical one."""
    canonical = BUILT_IN_PROPERTIES[property].unit
    scale, offset = mapping or unit_conversion(unit or canonical, canonical)
    return Observed(property, unit or canonical, field or property, scale, offset)


def sensor_city(
    feed: str,
    *observed: Observed,
    sensor: str = "probe",
    device: str = "probe",
    attributes: dict[str, object] | None = None,
) -> CityPlan:
    """Return the plan of a city of one sensor on one entity."""
    return (
        CityBuilder("alkmaar", "Alkmaar")
        .entity("alkmaar.place", "MonitoringSite", "Place", attributes=attributes)
        .sensor(
            sensor,
            "alkmaar.place",
            *observed,
            feed=feed,
            device=device,
            interval=INTERVALS.get(feed, 10 * MINUTE),
            personal=feed in ("dsmr", "homewizard"),
        )
        .plan()
    )
