"""A generated city with any number of devices, spread over all feeds, for tests."""

from __future__ import annotations

from simulators.devices.lorawan import made_up_hex
from twin.instant import MINUTE, SECOND, Duration
from twin.model.city_model import City, CityPlan
from twin.model.entity import Entity
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.sensor import Datastream, Sensor
from twin.model.units import unit_conversion

ENTITIES_MAX = 200
"""With more devices than this, several devices share an entity, as in a real city."""

# Feed, entity type, interval, and the datastreams of each device: (property, field, unit).
_KINDS: tuple[tuple[str, str, Duration, tuple[tuple[str, str, str], ...]], ...] = (
    ("native", "Road", MINUTE, (("vehicle_count", "vehicles", "1"), ("vehicle_speed", "speed", "km/h"))),
    ("senml", "Waterway", 5 * MINUTE, (("water_level", "level", "cm"), ("water_temperature", "temp", "Cel"))),
    ("ttn", "Neighbourhood", 10 * MINUTE, (("pm2_5", "pm2_5", "ug/m3"), ("battery_level", "battery", "%"))),
    ("chirpstack", "MonitoringSite", 10 * MINUTE, (("bicycle_count", "LTR", "1"),)),
    (
        "dsmr",
        "TransformerArea",
        10 * SECOND,
        (
            ("power_import", "power_import", "kW"),
            ("power_export", "power_export", "kW"),
            ("energy_import_t1", "energy_import_t1", "kWh"),
            ("gas_volume", "gas_volume", "m3"),
        ),
    ),
    (
        "homewizard",
        "TransformerArea",
        10 * SECOND,
        (("power_import", "power_import", "W"), ("energy_import", "energy_import", "kWh")),
    ),
    (
        "airrohr",
        "Neighbourhood",
        145 * SECOND,
        (
            ("pm10", "SDS_P1", "ug/m3"),
            ("pm2_5", "SDS_P2", "ug/m3"),
            ("air_pressure", "BME280_pressure", "Pa"),
        ),
    ),
)
FEEDS = tuple(kind[0] for kind in _KINDS)


def fleet(devices: int, *, city: str = "fleet", interval: Duration | None = None) -> CityPlan:
    """Return a city with this many devices, of each feed in turn; `interval` replaces their own intervals."""
    entities: dict[str, Entity] = {}
    sensors: list[Sensor] = []
    datastreams: list[Datastream] = []
    for number in range(devices):
        feed, kind, own_interval, observed = _KINDS[number % len(_KINDS)]
        every = interval or own_interval
        entity = f"{city}.{kind.lower()}-{number // len(_KINDS) % (ENTITIES_MAX // len(_KINDS))}"
        entities.setdefault(entity, Entity(id=entity, type=kind, name=entity, parent=city))
        sensor = f"{feed}-{number}"
        sensors.append(
            Sensor(
                id=sensor,
                feed=feed,
                device=_device_name(feed, sensor),
                entity=entity,
                interval=every,
                personal=feed in ("dsmr", "homewizard"),
            )
        )
        datastreams += (_datastream(sensor, entity, one, every) for one in observed)
    root = Entity(id=city, type="Municipality", name=city)
    return CityPlan(
        city=City(id=city, name=city, timezone="Europe/Amsterdam"),
        entities=(root, *entities.values()),
        sensors=tuple(sensors),
        datastreams=tuple(datastreams),
    )


def _device_name(feed: str, sensor: str) -> str:
    if feed == "ttn":
        return f"eui-{made_up_hex(8, sensor)}"
    if feed == "chirpstack":
        return made_up_hex(8, sensor)
    if feed == "airrohr":
        return str(int(made_up_hex(3, sensor), 16))
    return sensor


def _datastream(sensor: str, entity: str, observed: tuple[str, str, str], interval: Duration) -> Datastream:
    property, field, unit = observed
    canonical = unit_conversion(unit, BUILT_IN_PROPERTIES[property].unit)
    return Datastream(
        id=0,
        sensor=sensor,
        entity=entity,
        property=property,
        field=field,
        unit=unit,
        scale=canonical.scale,
        offset=canonical.offset,
        interval=interval,
    )
