"""The true value of every datastream of the city at any instant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from math import exp
from typing import Any, TypeAlias

from simulators.truth.air_quality import AirQuality
from simulators.truth.household import Household, OutdoorConditions
from simulators.truth.local_calendar import GeoPoint
from simulators.truth.meter_registers import EPOCH_DAY
from simulators.truth.noise import noise_stream, smooth_noise, uniform_between
from simulators.truth.scripted_events import NO_EVENTS, ScriptedEvents
from simulators.truth.traffic import RoadTraffic, passage_count
from simulators.truth.water import Water
from simulators.truth.weather import Weather
from twin.instant import DAY, HOUR, MINUTE, Instant
from twin.model.city_model import CityPlan
from twin.model.entity import Entity
from twin.model.sensor import Datastream, Sensor

_ALKMAAR = GeoPoint(4.75, 52.63)
# Default number of connections of a transformer.
_CONNECTIONS = 180.0
_TAP_M3_H = 0.012  # mean water use of a household


class CityTruth:
    """The true values of one city; tests compare the twin with them."""

    def __init__(self, seed: int, plan: CityPlan, events: ScriptedEvents = NO_EVENTS) -> None:
        self.seed = seed
        self.timezone = plan.city.timezone
        self._entities = {entity.id: entity for entity in plan.entities}
        self._sensors = {sensor.id: sensor for sensor in plan.sensors}
        self._counters = Counter((one.entity, one.property) for one in plan.datastreams)
        # A sensor with a gas datastream needs a gas meter.
        self._with_gas = {one.sensor for one in plan.datastreams if one.property == "gas_volume"}
        self.place = _position(plan)
        self.weather = Weather(seed, self.place, events)
        self._outdoor = OutdoorConditions(self.weather, self.timezone)
        self._traffic: dict[str, RoadTraffic] = {}
        self._air: dict[str, AirQuality] = {}
        self._water: dict[str, Water] = {}
        self._households: dict[str, Household] = {}

    def value(self, datastream: Datastream, instant: Instant) -> float:
        """Return the true value in the canonical unit.

        Counts and rain are those of the interval that ends at the instant. A property without a simulation
        varies slowly around 50, so that custom properties have values, too.
        """
        compute = _PROPERTIES.get(datastream.property)
        if compute is not None:
            return compute(self, datastream, instant)
        source = noise_stream(self.seed, datastream.sensor, datastream.property)
        return 50.0 + 20.0 * smooth_noise(source, instant / (3 * HOUR))

    def share(self, datastream: Datastream) -> float:
        """Return the share of an entity's traffic that a datastream counts, such as one lane."""
        return 1.0 / self._counters.get((datastream.entity, datastream.property), 1)

    def traffic(self, entity: str) -> RoadTraffic:
        """Return the traffic on an entity."""
        traffic = self._traffic.get(entity)
        if traffic is None:
            attributes = self._attributes(entity)
            traffic = RoadTraffic(self.seed, entity, attributes, self.weather, self.timezone)
            self._traffic[entity] = traffic
        return traffic

    def air(self, entity: str) -> AirQuality:
        """Return the air around an entity."""
        air = self._air.get(entity)
        if air is None:
            air = self._air[entity] = AirQuality(self.seed, entity, self.weather, self.traffic(entity))
        return air

    def water(self, entity: str) -> Water:
        """Return the water at an entity."""
        water = self._water.get(entity)
        if water is None:
            water = self._water[entity] = Water(self.seed, entity, self._attributes(entity), self.weather)
        return water

    def household(self, sensor: str) -> Household:
        """Return the household of an energy sensor, or all connections of a transformer."""
        household = self._households.get(sensor)
        if household is None:
            size = self._connections(self._sensors[sensor])
            household = Household(self.seed, sensor, self._outdoor, size, gas=sensor in self._with_gas)
            self._households[sensor] = household
        return household

    def _connections(self, sensor: Sensor) -> float:
        if sensor.personal or sensor.feed in ("dsmr", "homewizard"):
            return 1.0
        connections = self._attributes(sensor.entity).get("connections", _CONNECTIONS)
        return float(connections) if isinstance(connections, int | float) else _CONNECTIONS

    def _attributes(self, entity: str) -> dict[str, Any]:
        known_entity = self._entities.get(entity)
        return dict(known_entity.attributes) if known_entity is not None else {}


_Compute: TypeAlias = Callable[[CityTruth, Datastream, Instant], float]


def _air(value: Callable[[AirQuality, Instant], float]) -> _Compute:
    return lambda city, datastream, now: value(city.air(datastream.entity), now)


def _traffic(value: Callable[[RoadTraffic, Instant], float]) -> _Compute:
    return lambda city, datastream, now: value(city.traffic(datastream.entity), now)


def _passages(rate: Callable[[RoadTraffic, Instant], float]) -> _Compute:
    """Count the passages in the interval of a datastream, which observes a share of the traffic."""

    def count(city: CityTruth, datastream: Datastream, now: Instant) -> float:
        source = noise_stream(city.seed, datastream.sensor, datastream.property, datastream.field)
        traffic = city.traffic(datastream.entity)
        share = city.share(datastream)
        return passage_count(partial(rate, traffic), now, datastream.interval, source, share)

    return count


def _water(value: Callable[[Water, Instant], float]) -> _Compute:
    return lambda city, datastream, now: value(city.water(datastream.entity), now)


def _weather(value: Callable[[Weather, Instant], float]) -> _Compute:
    return lambda city, datastream, now: value(city.weather, now)


def _household(value: Callable[[Household, Instant], float]) -> _Compute:
    return lambda city, datastream, now: value(city.household(datastream.sensor), now)


def _traffic_flow(city: CityTruth, datastream: Datastream, now: Instant) -> float:
    return city.traffic(datastream.entity).flow(now) * city.share(datastream)


def _air_temperature(city: CityTruth, datastream: Datastream, now: Instant) -> float:
    return city.weather.temperature(now) + _local_difference(city, datastream, now, 0.6)


def _rainfall(city: CityTruth, datastream: Datastream, now: Instant) -> float:
    return city.weather.rain.fallen(now - datastream.interval, now)


def _signal_strength(city: CityTruth, datastream: Datastream, now: Instant) -> float:
    return -96.0 + _local_difference(city, datastream, now, 14.0)


def _local_difference(city: CityTruth, datastream: Datastream, now: Instant, width: float) -> float:
    """Return the slowly changing difference between one place and the city."""
    source = noise_stream(city.seed, datastream.sensor, datastream.property)
    return width * smooth_noise(source, now / (50 * MINUTE))


def _water_volume(city: CityTruth, datastream: Datastream, now: Instant) -> float:
    source = noise_stream(city.seed, datastream.sensor, "tap")
    return uniform_between(source, -1, 200.0, 2000.0) + _TAP_M3_H * (now - EPOCH_DAY * DAY) / HOUR


def _battery_level(city: CityTruth, datastream: Datastream, now: Instant) -> float:
    """Return the charge of a battery, which falls from 99 to 30 percent in three years and is replaced."""
    life = 3 * 365 * DAY
    source = noise_stream(city.seed, datastream.sensor, "battery")
    used = ((now + int(life * uniform_between(source, -1, 0.0, 1.0))) % life) / life
    return 99.0 - 69.0 * (1.0 - exp(-2.0 * used)) / (1.0 - exp(-2.0))


_PROPERTIES: Mapping[str, _Compute] = {
    "pm1": _air(AirQuality.pm1),
    "pm2_5": _air(AirQuality.pm2_5),
    "pm10": _air(AirQuality.pm10),
    "no2": _air(AirQuality.no2),
    "o3": _air(AirQuality.o3),
    "so2": _air(AirQuality.so2),
    "co2": _air(AirQuality.co2),
    "noise_level": _air(AirQuality.noise),
    "traffic_flow": _traffic_flow,
    "vehicle_speed": _traffic(RoadTraffic.speed),
    "vehicle_count": _passages(RoadTraffic.flow),
    "bicycle_count": _passages(RoadTraffic.bicycles),
    "pedestrian_count": _passages(RoadTraffic.pedestrians),
    "water_level": _water(Water.level),
    "water_flow": _water(Water.flow),
    "water_temperature": _water(Water.temperature),
    "pump_state": _water(Water.pump_state),
    "air_temperature": _air_temperature,
    "relative_humidity": _weather(Weather.humidity),
    "air_pressure": _weather(Weather.pressure),
    "wind_speed": _weather(Weather.wind_speed),
    "wind_direction": _weather(Weather.wind_direction),
    "rainfall": _rainfall,
    "power_import": _household(lambda home, now: max(0.0, home.net_power(now))),
    "power_export": _household(lambda home, now: max(0.0, -home.net_power(now))),
    # The power of a transformer keeps its sign; its sensor measures all connections of the area.
    "transformer_power": _household(Household.net_power),
    "energy_import_t1": _household(lambda home, now: home.energy(now).in_low),
    "energy_import_t2": _household(lambda home, now: home.energy(now).in_normal),
    "energy_export_t1": _household(lambda home, now: home.energy(now).out_low),
    "energy_export_t2": _household(lambda home, now: home.energy(now).out_normal),
    "energy_import": _household(lambda home, now: sum(home.energy(now)[:2])),
    "energy_export": _household(lambda home, now: sum(home.energy(now)[2:])),
    "gas_volume": _household(Household.gas),
    "voltage_l1": _household(lambda home, now: home.voltage(now, 1)),
    "voltage_l2": _household(lambda home, now: home.voltage(now, 2)),
    "voltage_l3": _household(lambda home, now: home.voltage(now, 3)),
    "current_l1": _household(lambda home, now: home.current(now, 1)),
    "current_l2": _household(lambda home, now: home.current(now, 2)),
    "current_l3": _household(lambda home, now: home.current(now, 3)),
    "water_volume": _water_volume,
    "battery_level": _battery_level,
    "signal_strength": _signal_strength,
}
SIMULATED = frozenset(_PROPERTIES)
"""The observed properties that the city simulates."""


def _position(plan: CityPlan) -> GeoPoint:
    """Return the first point of the first entity with a geometry, as the position of the whole city."""
    for entity in plan.entities:
        point = _first_point(entity)
        if point is not None:
            return point
    return _ALKMAAR


def _first_point(entity: Entity) -> GeoPoint | None:
    coordinates: Any = entity.geometry.get("coordinates") if entity.geometry else None
    while isinstance(coordinates, list | tuple) and coordinates and isinstance(coordinates[0], list | tuple):
        coordinates = coordinates[0]
    return GeoPoint(float(coordinates[0]), float(coordinates[1])) if coordinates else None
