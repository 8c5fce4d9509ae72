"""Scenarios change the true values as described, by seed and start, and do not change other days."""

from __future__ import annotations

from statistics import mean

import pytest

from cities.folder_reader import read_city
from simulators.devices import devices_of
from simulators.scenarios import SCENARIOS, build_scenario
from simulators.settings import SimulatorSettings
from simulators.truth.city_truth import CityTruth
from tests.support.cities.fleet import fleet
from tests.support.cities.sensor_city import datastream_spec, sensor_city
from tests.support.repository import ROOT
from twin.instant import DAY, HOUR, MINUTE, Instant, parse_instant
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.sensor import Datastream

EVENING = parse_instant("2026-11-24T17:00:00+01:00")
MIDNIGHT = parse_instant("2027-01-01T00:00:00+01:00")
PLAN = sensor_city("native", *(datastream_spec(name) for name in sorted(BUILT_IN_PROPERTIES)))
STREAMS = {one.property: one for one in PLAN.datastreams}
SEEDS = range(8)


def truth(name: str | None, seed: int, start: Instant = EVENING) -> CityTruth:
    return CityTruth(seed, PLAN, build_scenario(name, seed, start).events)


def series(city: CityTruth, property: str, start: Instant, length: int, every: int) -> list[float]:
    stream: Datastream = STREAMS[property]
    return [city.value(stream, now) for now in range(start, start + length, every)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_smoke_of_new_year_fires_the_hourly_index_and_not_the_daily_limit(seed: int) -> None:
    city = truth("new-year", seed, MIDNIGHT - 20 * MINUTE)
    assert mean(series(city, "pm2_5", MIDNIGHT, HOUR, MINUTE)) > 140.0
    assert mean(series(city, "pm2_5", MIDNIGHT, DAY, 5 * MINUTE)) < 50.0
    assert max(series(city, "pm2_5", MIDNIGHT - 6 * HOUR, 6 * HOUR, MINUTE)) < 50.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cloudburst_raises_the_polders_water_for_hours(seed: int) -> None:
    wet, dry = truth("cloudburst", seed), truth(None, seed)
    rain = [a.weather.rain.fallen(EVENING, EVENING + 2 * HOUR) for a in (wet, dry)]
    assert 50.0 <= rain[0] - rain[1] <= 75.0
    later = EVENING + 6 * HOUR
    rise = wet.value(STREAMS["water_level"], later) - dry.value(STREAMS["water_level"], later)
    assert 0.1 < rise < 1.0
    assert wet.value(STREAMS["water_level"], EVENING) == dry.value(STREAMS["water_level"], EVENING)


@pytest.mark.parametrize("seed", SEEDS)
def test_in_the_rush_hour_roads_are_slower_and_the_air_is_worse(seed: int) -> None:
    full, usual = truth("rush-hour", seed), truth(None, seed)
    busy = EVENING + HOUR
    assert full.value(STREAMS["vehicle_speed"], busy) < usual.value(STREAMS["vehicle_speed"], busy)
    assert full.value(STREAMS["no2"], busy) > usual.value(STREAMS["no2"], busy)


@pytest.mark.parametrize("seed", SEEDS)
def test_heat_pumps_more_than_double_the_load_of_a_street_and_registers_follow(seed: int) -> None:
    plan = sensor_city("native", datastream_spec("power_import"), datastream_spec("energy_import"))
    frost, usual = (
        CityTruth(seed, plan, build_scenario(name, seed, EVENING).events) for name in ("heat-pumps", None)
    )
    power, energy = plan.datastreams
    peak = EVENING + 3 * HOUR
    assert frost.value(power, peak) > 2.0 * usual.value(power, peak)
    used = [city.value(energy, peak) - city.value(energy, EVENING) for city in (frost, usual)]
    assert used[0] > 1.3 * used[1]


def test_a_gateway_outage_silences_its_lorawan_devices_and_no_others() -> None:
    plan = fleet(300)
    devices = devices_of(plan, CityTruth(1, plan))[0]
    silenced = {one.device for one in build_scenario("gateway-outage", 1, EVENING).faults(devices)}
    lorawan = {one.sensor.id for one in devices if one.sensor.feed in ("ttn", "chirpstack")}
    assert silenced < lorawan
    assert len(silenced) > len(lorawan) // 6


@pytest.mark.parametrize("seed", SEEDS)
def test_a_gateway_outage_in_alkmaar_is_of_one_gateway_that_the_city_names(seed: int) -> None:
    plan = read_city(ROOT / "cities" / "alkmaar")
    devices = devices_of(plan, CityTruth(seed, plan))[0]
    silenced = {one.device for one in build_scenario("gateway-outage", seed, EVENING).faults(devices)}
    gateways = {one.sensor.gateway for one in devices if one.sensor.id in silenced}
    assert len(gateways) == 1
    (gateway,) = gateways
    assert gateway in {one.id for one in plan.entities if one.type == "Gateway"}
    assert silenced == {one.id for one in plan.sensors if one.gateway == gateway}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_ends_after_some_days_and_changes_nothing_before_its_start(name: str) -> None:
    city, usual = truth(name, 3), truth(None, 3)
    registers = {one for one in BUILT_IN_PROPERTIES if BUILT_IN_PROPERTIES[one].aggregation == "counter"}
    for property in STREAMS.keys() - registers:
        for now in (EVENING - 2 * HOUR, EVENING + 30 * DAY):
            assert city.value(STREAMS[property], now) == pytest.approx(
                usual.value(STREAMS[property], now), abs=1e-6
            ), property


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_value_of_a_scenario_is_possible(name: str) -> None:
    city = truth(name, 5)
    for property, datastream in STREAMS.items():
        known = BUILT_IN_PROPERTIES[property]
        for now in range(EVENING, EVENING + 20 * HOUR, 37 * MINUTE):
            assert known.minimum <= city.value(datastream, now) <= known.maximum, property


def test_a_scenario_works_on_the_whole_city_of_alkmaar() -> None:
    plan = read_city(ROOT / "cities" / "alkmaar")
    city = CityTruth(1, plan, build_scenario("new-year", 1, MIDNIGHT).events)
    for datastream in plan.datastreams:
        if datastream.property == "pm2_5":
            hour = [city.value(datastream, MIDNIGHT + n * 5 * MINUTE) for n in range(12)]
            assert mean(hour) > 140.0


def test_the_settings_know_the_scenarios() -> None:
    assert SimulatorSettings(scenario="cloudburst").scenario == "cloudburst"
    with pytest.raises(ValueError, match="expected one of rush-hour, cloudburst"):
        SimulatorSettings(scenario="flood")
