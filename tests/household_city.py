"""A town with households: so many smart meters on each of its transformer areas."""

from __future__ import annotations

from twin.entity import Entity
from twin.instant import MINUTE
from twin.model import City, CityModel
from twin.sensor import Datastream, Sensor


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
            datastreams[id] = Datastream(
                id=id,
                sensor=sensor,
                entity=area,
                property="power_import",
                field="power_import",
                unit="kW",
                scale=1.0,
                offset=0.0,
                interval=MINUTE,
            )
    return CityModel(
        version=1,
        city=City(id="town", name="Town", timezone="Europe/Amsterdam"),
        entities=entities,
        sensors=sensors,
        datastreams=datastreams,
    )
