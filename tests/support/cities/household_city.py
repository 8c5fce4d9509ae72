"""A town with households: so many smart meters on each of its transformer areas."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from twin.instant import MINUTE
from twin.model.city_model import City, CityModel
from twin.model.entity import Entity
from twin.model.sensor import Datastream, Sensor

REGISTERS = 1_000
"""A meter's register, where it has one, is the datastream of so much more than that of its power."""


def household_city(*counts: int) -> CityModel:
    """Return a model with an area for each count, in one district; datastreams are numbered from 1."""
    entities = {
        "town": Entity(id="town", type="Municipality", name="Town"),
        "town.east": Entity(id="town.east", type="District", name="East", parent="town"),
    }
    sensors: dict[str, Sensor] = {}
    datastreams: dict[int, Datastream] = {}
    for number, count in enumerate(counts):
        area = f"town.transformer-{number}"
        entities[area] = Entity(id=area, type="TransformerArea", name=area, parent="town.east")
        for _ in range(count):
            id = len(datastreams) + 1
            sensor = f"meter-{id}"
            sensors[sensor] = Sensor(
                id=sensor, feed="dsmr", device=sensor, entity=area, interval=MINUTE, personal=True
            )
            datastreams[id] = _datastream(id, sensor, area, "power_import", "kW")
    return CityModel(
        version=1,
        city=City(id="town", name="Town", timezone="Europe/Amsterdam"),
        entities=entities,
        sensors=sensors,
        datastreams=datastreams,
    )


def _datastream(id: int, sensor: str, entity: str, property: str, unit: str) -> Datastream:
    return Datastream(
        id=id,
        sensor=sensor,
        entity=entity,
        property=property,
        field=property,
        unit=unit,
        scale=1.0,
        offset=0.0,
        interval=MINUTE,
    )


def with_subareas(model: CityModel, registers: int) -> CityModel:
    """Return the same town with a neighbourhood around two of its areas, and registers of some meters."""
    quay = Entity(id="town.east.quay", type="Neighbourhood", name="Quay", parent="town.east")
    inside = ("town.transformer-0", "town.transformer-1")
    moved = {id: replace(one, parent=quay.id) for id, one in model.entities.items() if id in inside}
    told = {
        REGISTERS + one.id: _datastream(REGISTERS + one.id, one.sensor, one.entity, "energy_import", "kWh")
        for one in list(model.datastreams.values())[:registers]
    }
    return replace(
        model,
        entities={**model.entities, **moved, quay.id: quay},
        datastreams={**model.datastreams, **told},
    )


def with_only_meters(model: CityModel, meters: Set[int], version: int) -> CityModel:
    """Return a later model of the same town, in which only these meters are registered."""
    kept = {id: one for id, one in model.datastreams.items() if id % REGISTERS in meters}
    sensors = {one.sensor: model.sensors[one.sensor] for one in kept.values()}
    return replace(model, version=version, datastreams=kept, sensors=sensors)
