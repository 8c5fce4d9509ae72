"""A city of one household with a smart meter."""

from __future__ import annotations

from twin.instant import MINUTE
from twin.model.city_model import City, CityModel
from twin.model.entity import Entity
from twin.model.sensor import Datastream, Sensor


def meter_city(feed: str = "dsmr", device: str = "gw-12") -> CityModel:
    """Return a model of one connection, whose imported power is observed."""
    return CityModel(
        version=1,
        city=City(id="town", name="Town", timezone="Europe/Amsterdam"),
        entities={"town.house": Entity(id="town.house", type="Connection", name="House")},
        sensors={
            "meter-1": Sensor(id="meter-1", feed=feed, device=device, entity="town.house", interval=MINUTE)
        },
        datastreams={
            1: Datastream(
                id=1,
                sensor="meter-1",
                entity="town.house",
                property="power_import",
                field="power_import",
                unit="kW",
                scale=1.0,
                offset=0.0,
                interval=MINUTE,
            )
        },
    )
