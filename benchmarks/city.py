"""The city of the benchmark: four properties on each entity, each from a sensor of its own.

One datastream for each property of an entity: so every observation is one update, whose phenomenon time is
that of the observation, and an event can be traced back to the message that caused it.
"""

from __future__ import annotations

from benchmarks.traffic import Traffic
from twin.entity import Entity
from twin.instant import HOUR
from twin.model import City, CityModel
from twin.sensor import Datastream, Sensor

CITY = "bench"
ENTITIES = 500

#: with canonical units; `value_of` is plausible for all of them
PROPERTIES = (
    ("noise_level", "dB[A]"),
    ("air_temperature", "Cel"),
    ("relative_humidity", "%"),
    ("co2", "ppm"),
)
SENSORS = ENTITIES * len(PROPERTIES)

# Far longer than a run: no value ages, so an event that comes twice is a fault.
_INTERVAL = HOUR

_VALUE_MIN = 20.0
_VALUE_STEPS = 400


def sensor_name(index: int) -> str:
    """Return the id of the sensor with an index from 0 to SENSORS - 1."""
    return f"sensor-{index:04d}"


def entity_name(index: int) -> str:
    """Return the id of the entity that the sensor with an index observes."""
    return f"{CITY}.site-{index // len(PROPERTIES):03d}"


def property_name(index: int) -> str:
    """Return what the sensor with an index observes; its field has the same name."""
    return PROPERTIES[index % len(PROPERTIES)][0]


def sensor_of(sequence: int) -> int:
    """Return the index of the sensor that sends the message with a number: each in turn."""
    return sequence % SENSORS


def value_of(sequence: int) -> float:
    """Return the value in the message with a number; a sensor's next message has another one."""
    return round(_VALUE_MIN + (sequence + sequence // SENSORS) % _VALUE_STEPS / 10, 1)


def bench_city() -> CityModel:
    """Return the model; the ids of its datastreams are replaced when it is applied."""
    root = Entity(id=CITY, type="Municipality", name="Benchmark")
    sites = {entity_name(index) for index in range(SENSORS)}
    entities = [
        root,
        *(Entity(id=one, type="MonitoringSite", name=one, parent=CITY) for one in sorted(sites)),
    ]
    return CityModel(
        version=0,
        city=City(id=CITY, name="Benchmark", timezone="Europe/Amsterdam"),
        entities={one.id: one for one in entities},
        sensors={sensor_name(index): _sensor(index) for index in range(SENSORS)},
        datastreams={index + 1: _datastream(index) for index in range(SENSORS)},
    )


def _sensor(index: int) -> Sensor:
    name = sensor_name(index)
    return Sensor(id=name, feed="native", device=name, entity=entity_name(index), interval=_INTERVAL)


def _datastream(index: int) -> Datastream:
    observed, unit = PROPERTIES[index % len(PROPERTIES)]
    return Datastream(
        id=index + 1,
        sensor=sensor_name(index),
        entity=entity_name(index),
        property=observed,
        field=observed,
        unit=unit,
        scale=1.0,
        offset=0.0,
        interval=_INTERVAL,
    )


TRAFFIC = Traffic(
    city=CITY, sensors=SENSORS, sensor_name=sensor_name, property_name=property_name, value_of=value_of
)
