"""A city with a given number of smart meters on each of its transformer areas."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from tests.support.cities.city_builder import CityBuilder
from twin.model.city_model import CityModel

REGISTERS = 1_000
"""The id of a meter's energy datastream is that of its power datastream plus this."""


def household_city(*counts: int) -> CityModel:
    """Return a model with an area for each count, in one district; datastreams are numbered from 1."""
    builder = CityBuilder().entity("town", "Municipality", "Town").entity("town.east", "District", "East")
    meters = 0
    for number, count in enumerate(counts):
        area = f"town.transformer-{number}"
        builder.entity(area, "TransformerArea", parent="town.east")
        for _ in range(count):
            meters += 1
            builder.sensor(f"meter-{meters}", area, "power_import", feed="dsmr", personal=True)
    return builder.model()


def with_subareas(model: CityModel, registers: int) -> CityModel:
    """Return the same town with a neighbourhood around two of its areas, and registers of some meters."""
    builder = CityBuilder.of(model).entity("town.east.quay", "Neighbourhood", "Quay")
    for area in ("town.transformer-0", "town.transformer-1"):
        builder.entities([replace(model.entities[area], parent="town.east.quay")])
    energy = {
        REGISTERS + datastream.id: replace(
            datastream,
            id=REGISTERS + datastream.id,
            property="energy_import",
            field="energy_import",
            unit="kWh",
        )
        for datastream in list(model.datastreams.values())[:registers]
    }
    extended = builder.model()
    return replace(extended, datastreams={**extended.datastreams, **energy})


def with_only_meters(model: CityModel, meters: Set[int], version: int) -> CityModel:
    """Return a later version of the model with only these meters."""
    kept = {id: one for id, one in model.datastreams.items() if id % REGISTERS in meters}
    sensors = {one.sensor: model.sensors[one.sensor] for one in kept.values()}
    return replace(model, version=version, datastreams=kept, sensors=sensors)
