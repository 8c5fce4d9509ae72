"""The true value of every datastream of the city at any instant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from math import exp
from typing import Any

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
        self.place = _place(plan)
        self.weather = Weather(seed, self.place, events)
        self._sky = OutdoorConditions(self.weather, self.timezone)
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
        found = self._traffic.get(entity)
        if found is None:
            attributes = self._attributes(entity)
            found = RoadTraffic(self.seed, entity, attributes, self.weather, self.timezone)
            self._traffic[entity] = found
        return found

    def air(self, entity: str) -> AirQuality:
        """Return the air around an entity."""
        found = self._air.get(entity)
        if found is None:
            found = self._air[entity] = AirQuality(self.seed, entity, self.weather, self.traffic(entity))
        return found

    def water(self, entity: str) -> Water:
        """Return the water at an entity."""
        found = self._water.get(entity)
        if found is None:
            found = self._water[entity] = Water(self.seed, entity, self._attributes(entity), self.weather)
        return found

    def household(self, sensor: str) -> Household:
        """Return the household of an energy sensor, or all connections of a transformer."""
        found = self._households.get(sensor)
        if found is None:
            size = self._connections(self._sensors[sensor])
            found = Household(self.seed, sensor, self._sky, size, gas=sensor in self._with_gas)
            self._households[sensor] = found
        return found

    def _connections(self, sensor: Sensor) -> float:
        if sensor.personal or sensor.feed in ("dsmr", "homewizard"):
            return 1.0
        connections = self._attributes(sensor.entity).get("connections", _CONNECTIONS)
        return float(connections) if isinstance(connections, int | float) else _CONNECTIONS

    def _attributes(self, entity: str) -> dict[str, Any]:
        found = self._entities.get(entity)
        return dict(found.attributes) if found is not None else {}


_Compute = Callable[[CityTruth, Datastream, Instant], float]


def _at_entity() -> Iterator[tuple[str, _Compute]]:
    yield "pm1", lambda city, one, now: city.air(one.entity).pm1(now)
    yield "pm2_5", lambda city, one, now: city.air(one.entity).pm2_5(now)
    yield "pm10", lambda city, one, now: city.air(one.entity).pm10(now)
    yield "no2", lambda city, one, now: city.air(one.entity).no2(now)
    yield "o3", lambda city, one, now: city.air(one.entity).o3(now)
    yield "so2", lambda city, one, now: city.air(one.entity).so2(now)
    yield "co2", lambda city, one, now: city.air(one.entity).co2(now)
    yield "noise_level", lambda city, one, now: city.air(one.entity).noise(now)
    yield "traffic_flow", lambda city, one, now: city.traffic(one.entity).flow(now) * city.share(one)
    yield "vehicle_speed", lambda city, one, now: city.traffic(one.entity).speed(now)
    yield "vehicle_count", lambda city, one, now: _passed(city, one, now, city.traffic(one.entity).flow)
    yield "bicycle_count", lambda city, one, now: _passed(city, one, now, city.traffic(one.entity).bicycles)
    yield (
        "pedestrian_count",
        lambda city, one, now: _passed(city, one, now, city.traffic(one.entity).pedestrians),
    )
    yield "water_level", lambda city, one, now: city.water(one.entity).level(now)
    yield "water_flow", lambda city, one, now: city.water(one.entity).flow(now)
    yield "water_temperature", lambda city, one, now: city.water(one.entity).temperature(now)
    yield "pump_state", lambda city, one, now: city.water(one.entity).pump_state(now)


def _passed(city: CityTruth, one: Datastream, now: Instant, rate: Callable[[Instant], float]) -> int:
    source = noise_stream(city.seed, one.sensor, one.property, one.field)
    return passage_count(rate, now, one.interval, source, city.share(one))


def _weather() -> Iterator[tuple[str, _Compute]]:
    yield (
        "air_temperature",
        lambda city, one, now: city.weather.temperature(now) + _local(city, one, now, 0.6),
    )
    yield "relative_humidity", lambda city, one, now: city.weather.humidity(now)
    yield "air_pressure", lambda city, one, now: city.weather.pressure(now)
    yield "wind_speed", lambda city, one, now: city.weather.wind_speed(now)
    yield "wind_direction", lambda city, one, now: city.weather.wind_direction(now)
    yield "rainfall", lambda city, one, now: city.weather.rain.fallen(now - one.interval, now)


def _energy() -> Iterator[tuple[str, _Compute]]:
    yield "power_import", lambda city, one, now: max(0.0, city.household(one.sensor).net_power(now))
    yield "power_export", lambda city, one, now: max(0.0, -city.household(one.sensor).net_power(now))
    # The power of a transformer keeps its sign; behind its sensor are all connections of the area.
    yield "transformer_power", lambda city, one, now: city.household(one.sensor).net_power(now)
    yield "energy_import_t1", lambda city, one, now: city.household(one.sensor).energy(now).in_low
    yield "energy_import_t2", lambda city, one, now: city.household(one.sensor).energy(now).in_normal
    yield "energy_export_t1", lambda city, one, now: city.household(one.sensor).energy(now).out_low
    yield "energy_export_t2", lambda city, one, now: city.household(one.sensor).energy(now).out_normal
    yield "energy_import", lambda city, one, now: sum(city.household(one.sensor).energy(now)[:2])
    yield "energy_export", lambda city, one, now: sum(city.household(one.sensor).energy(now)[2:])
    yield "gas_volume", lambda city, one, now: city.household(one.sensor).gas(now)
    yield "voltage_l1", lambda city, one, now: city.household(one.sensor).voltage(now, 1)
    yield "voltage_l2", lambda city, one, now: city.household(one.sensor).voltage(now, 2)
    yield "voltage_l3", lambda city, one, now: city.household(one.sensor).voltage(now, 3)
    yield "current_l1", lambda city, one, now: city.household(one.sensor).current(now, 1)
    yield "current_l2", lambda city, one, now: city.household(one.sensor).current(now, 2)
    yield "current_l3", lambda city, one, now: city.household(one.sensor).current(now, 3)


def _device() -> Iterator[tuple[str, _Compute]]:
    yield "water_volume", _tap
    yield "battery_level", _battery
    yield "signal_strength", lambda city, one, now: -96.0 + _local(city, one, now, 14.0)


def _local(city: CityTruth, one: Datastream, now: Instant, width: float) -> float:
    """Return the slowly changing difference between one place and the city."""
    return width * smooth_noise(noise_stream(city.seed, one.sensor, one.property), now / (50 * MINUTE))


def _tap(city: CityTruth, one: Datastream, now: Instant) -> float:
    source = noise_stream(city.seed, one.sensor, "tap")
    return uniform_between(source, -1, 200.0, 2000.0) + _TAP_M3_H * (now - EPOCH_DAY * DAY) / HOUR


def _battery(city: CityTruth, one: Datastream, now: Instant) -> float:
    """Return the charge of a battery, which falls from 99 to 30 percent in three years and is replaced."""
    life = 3 * 365 * DAY
    used = (
        (now + int(life * uniform_between(noise_stream(city.seed, one.sensor, "battery"), -1, 0.0, 1.0)))
        % life
    ) / life
    return 99.0 - 69.0 * (1.0 - exp(-2.0 * used)) / (1.0 - exp(-2.0))


_PROPERTIES: dict[str, _Compute] = dict([*_at_entity(), *_weather(), *_energy(), *_device()])
SIMULATED = frozenset(_PROPERTIES)
"""The observed properties that the city simulates."""


def _place(plan: CityPlan) -> GeoPoint:
    """Return the first point of the first entity with a geometry, as the position of the whole city."""
    for entity in plan.entities:
        point = _first_point(entity)
        if point is not None:
            return point
    return _ALKMAAR


def _first_point(entity: Entity) -> GeoPoint | None:
    found: Any = entity.geometry.get("coordinates") if entity.geometry else None
    while isinstance(found, list | tuple) and found and isinstance(found[0], list | tuple):
        found = found[0]
    return GeoPoint(float(found[0]), float(found[1])) if found else None
