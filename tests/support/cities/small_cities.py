"""Models for tests: a small city of two entities and four datastreams, and what a plan becomes."""

from __future__ import annotations

from twin.instant import MINUTE
from twin.model.city_model import City, CityModel, CityPlan
from twin.model.entity import Entity
from twin.model.sensor import Datastream, Sensor


def small_city(version: int = 1) -> CityModel:
    """Return a model of a street with three microphones and a canal with one level sensor."""
    entities = {
        "town": Entity(id="town", type="Municipality", name="Town"),
        "town.street": Entity(id="town.street", type="Road", name="Street", parent="town"),
        "town.canal": Entity(id="town.canal", type="Waterway", name="Canal", parent="town"),
    }
    rows = [
        (1, "noise-1", "town.street", "noise_level", "dB[A]"),
        (2, "noise-2", "town.street", "noise_level", "dB[A]"),
        (3, "noise-3", "town.street", "noise_level", "dB[A]"),
        (4, "level-1", "town.canal", "water_level", "m"),
    ]
    return CityModel(
        version=version,
        city=City(id="town", name="Town", timezone="Europe/Amsterdam"),
        entities=entities,
        sensors={
            sensor: Sensor(id=sensor, feed="native", device=sensor, entity=entity, interval=MINUTE)
            for _, sensor, entity, _, _ in rows
        },
        datastreams={
            number: Datastream(
                id=number,
                sensor=sensor,
                entity=entity,
                property=name,
                field=name,
                unit=unit,
                scale=1.0,
                offset=0.0,
                interval=MINUTE,
            )
            for number, sensor, entity, name, unit in rows
        },
    )


def model_of(plan: CityPlan) -> CityModel:
    """Return a plan as the model that it becomes; ids of datastreams are in the order of the plan."""
    return plan.model(1)


# A city of one household with a smart meter.


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
