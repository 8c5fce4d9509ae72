"""The true values of the simulated city are reproducible, continuous, plausible and consistent."""

from __future__ import annotations

import math
import random
from math import asin, degrees

import pytest

from cities import default_city
from cities.folder_reader import read_city
from simulators.truth.city_truth import SIMULATED, CityTruth
from simulators.truth.household import Household, OutdoorConditions
from simulators.truth.local_calendar import GeoPoint, sun_elevation_sine
from simulators.truth.meter_registers import EPOCH_DAY
from simulators.truth.rain import Rain
from simulators.truth.traffic import RoadTraffic
from simulators.truth.water import Water
from simulators.truth.weather import Weather
from tests.support.cities.fleet import fleet
from tests.support.cities.sensor_city import datastream_spec, sensor_city
from twin.instant import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.sensor import Datastream

ALKMAAR = GeoPoint(4.75, 52.63)
MONDAY = parse_instant("2026-11-23T00:00:00+01:00")
# Properties that jump on purpose: counts of an interval, a switch.
STEPS = {"vehicle_count", "bicycle_count", "pedestrian_count", "pump_state"}
EVERY_PROPERTY = sensor_city("native", *(datastream_spec(name) for name in sorted(BUILT_IN_PROPERTIES)))


def household(name: str, seed: int = 1, size: float = 1.0) -> Household:
    return Household(seed, name, OutdoorConditions(Weather(seed, ALKMAAR), "Europe/Amsterdam"), size)


def home_with_panels() -> Household:
    return next(one for one in map(household, map(str, range(50))) if one.equipment.solar_kw > 3.0)


def test_every_built_in_property_is_simulated() -> None:
    # transformer_power is Alkmaar's own.
    assert set(BUILT_IN_PROPERTIES) | {"transformer_power"} == SIMULATED


def test_every_value_is_possible_at_every_hour_of_a_year() -> None:
    truth = CityTruth(3, EVERY_PROPERTY)
    for hour in range(0, 365 * 24, 97):
        for datastream in EVERY_PROPERTY.datastreams:
            known = BUILT_IN_PROPERTIES[datastream.property]
            value = truth.value(datastream, MONDAY + hour * HOUR)
            assert known.minimum <= value <= known.maximum, (known.name, hour, value)


def test_values_do_not_depend_on_the_order_of_calls() -> None:
    instants = [MONDAY + n * 37 * MINUTE for n in range(60)]
    forwards, anyhow = CityTruth(5, EVERY_PROPERTY), CityTruth(5, EVERY_PROPERTY)
    first = {
        (datastream.property, now): forwards.value(datastream, now)
        for now in instants
        for datastream in EVERY_PROPERTY.datastreams
    }
    shuffled = list(first)
    random.Random(1).shuffle(shuffled)
    by_property = {one.property: one for one in EVERY_PROPERTY.datastreams}
    assert {key: anyhow.value(by_property[key[0]], key[1]) for key in shuffled} == first


def test_another_seed_is_another_city() -> None:
    first, other = CityTruth(1, EVERY_PROPERTY), CityTruth(2, EVERY_PROPERTY)
    differing = [
        datastream.property
        for datastream in EVERY_PROPERTY.datastreams
        if first.value(datastream, MONDAY + 9 * HOUR) != other.value(datastream, MONDAY + 9 * HOUR)
    ]
    assert len(differing) > len(EVERY_PROPERTY.datastreams) * 0.8


@pytest.mark.parametrize(
    "property", sorted(set(BUILT_IN_PROPERTIES) - STEPS - {"wind_direction", "battery_level"})
)
def test_values_are_continuous_in_time(property: str) -> None:
    plan = sensor_city("native", datastream_spec(property))
    truth, (datastream,) = CityTruth(4, plan), plan.datastreams
    day = [truth.value(datastream, MONDAY + n * 10 * MINUTE) for n in range(145)]
    scale = max(day) - min(day) + 1e-9
    for n in range(0, 86_400, 613):
        now = MONDAY + n * SECOND
        step = abs(truth.value(datastream, now + SECOND) - truth.value(datastream, now))
        assert step <= 0.03 * scale + 0.02 * BUILT_IN_PROPERTIES[property].unit.startswith("dB"), (
            property,
            n,
            step,
        )


def test_a_transformer_carries_the_power_of_its_area_in_either_direction() -> None:
    plan = read_city(default_city())
    truth = CityTruth(1, plan)
    areas = {one.id: one.attributes for one in plan.entities if one.type == "TransformerArea"}
    noon, evening = parse_instant("2026-06-21T11:40:00Z"), parse_instant("2026-12-21T17:00:00Z")
    for datastream in plan.datastreams:
        if datastream.property == "transformer_power":
            rated = areas[datastream.entity]["ratedPower"]["kVA"]
            assert 0.2 * rated < truth.value(datastream, evening) < rated
            assert -rated < min(truth.value(datastream, noon + day * DAY) for day in range(30)) < 0


def test_registers_are_the_integral_of_the_power() -> None:
    home = home_with_panels()
    start, step = MONDAY + 7 * HOUR, 5 * SECOND
    imported = exported = 0.0
    for n in range(8 * 720):
        net = home.net_power(start + n * step + step // 2)
        imported += max(0.0, net) * step / HOUR
        exported += max(0.0, -net) * step / HOUR
    before, after = home.energy(start), home.energy(start + 8 * HOUR)
    assert after.in_low + after.in_normal - before.in_low - before.in_normal == pytest.approx(
        imported, abs=1e-3
    )
    assert after.out_low + after.out_normal - before.out_low - before.out_normal == pytest.approx(
        exported, abs=1e-3
    )
    assert after.in_low == pytest.approx(before.in_low), "a Monday from 7 to 15 has the normal tariff"


@pytest.mark.parametrize("day", [EPOCH_DAY - 40, EPOCH_DAY, EPOCH_DAY + 200])
def test_registers_never_fall(day: int) -> None:
    home = home_with_panels()
    previous = home.energy(day * DAY - HOUR)
    for n in range(-50, 800):
        energy = home.energy(day * DAY + n * 67 * SECOND)
        assert all(now >= before for now, before in zip(energy, previous, strict=True))
        previous = energy


def test_a_register_does_not_depend_on_the_order_of_calls() -> None:
    far, near = home_with_panels(), home_with_panels()
    later, earlier = (EPOCH_DAY + 90) * DAY + HOUR, (EPOCH_DAY + 20) * DAY
    expected = [near.energy(earlier), near.energy(later)]
    assert [far.energy(later), far.energy(earlier)] == expected[::-1]


def test_a_household_uses_more_gas_in_winter_than_in_summer() -> None:
    home = next(one for one in map(household, map(str, range(50))) if one.has_gas)
    january, july = (parse_instant(f"2026-{month}-15T00:00:00Z") for month in ("01", "07"))
    in_january, in_july = (home.gas(day + DAY) - home.gas(day) for day in (january, july))
    assert in_january > 3 * in_july > 0.0


def test_panels_feed_into_the_grid_at_noon_in_june_and_not_at_night() -> None:
    home = home_with_panels()
    noon = parse_instant("2026-06-21T12:00:00+00:00")
    assert min(home.net_power(noon + day * DAY) for day in range(5)) < -0.5
    assert min(home.net_power(noon + 12 * HOUR + day * DAY) for day in range(5)) > 0.0


def test_a_transformer_carries_its_connections() -> None:
    load = household("transformer", size=250.0).net_power(MONDAY + 19 * HOUR)
    assert 60.0 < load < 400.0


def elevation(instant: Instant) -> float:
    """Return the elevation of the sun over Alkmaar, in degrees."""
    return degrees(asin(sun_elevation_sine(ALKMAAR, instant)))


def test_the_elevation_of_the_sun_agrees_with_the_almanac() -> None:
    # Latitude 52.63: 90 - 52.63 + 23.44 at noon of the summer solstice, - 23.44 of the winter's.
    summer = parse_instant("2026-06-21T11:41:00+00:00")
    winter = parse_instant("2026-12-21T11:41:00+00:00")
    assert elevation(summer) == pytest.approx(60.8, abs=0.5)
    assert elevation(winter) == pytest.approx(13.9, abs=0.5)
    assert elevation(winter - 12 * HOUR) < 0.0


def test_rush_hours_are_busier_and_slower_than_the_night() -> None:
    road = RoadTraffic(1, "road", {"lanes": 2, "freeFlowSpeed": 80}, Weather(1, ALKMAAR), "Europe/Amsterdam")
    morning, night = MONDAY + 8 * HOUR, MONDAY + 3 * HOUR
    assert road.flow(morning) > 5 * road.flow(night)
    assert road.speed(morning) < road.speed(night) - 10
    sunday = morning + 6 * DAY
    assert road.flow(sunday) < 0.5 * road.flow(morning)


def test_counts_add_up_to_the_flow() -> None:
    plan = sensor_city("native", datastream_spec("vehicle_count"), datastream_spec("traffic_flow"))
    truth, (count, flow) = CityTruth(1, plan), plan.datastreams
    passed = sum(truth.value(count, MONDAY + n * count.interval) for n in range(1, 145))
    mean = sum(truth.value(flow, MONDAY + n * MINUTE) for n in range(1440)) / 60.0
    assert passed == pytest.approx(mean, rel=0.02)


def test_two_directions_share_the_bicycles_of_an_entity() -> None:
    both = sensor_city(
        "native", datastream_spec("bicycle_count", "LTR"), datastream_spec("bicycle_count", "RTL")
    )
    alone = sensor_city("native", datastream_spec("bicycle_count"))
    instants = [MONDAY + n * 10 * MINUTE for n in range(144)]

    def total(truth: CityTruth, streams: tuple[Datastream, ...]) -> float:
        return math.fsum(truth.value(one, now) for now in instants for one in streams)

    shared = total(CityTruth(1, both), both.datastreams)
    assert shared == pytest.approx(total(CityTruth(1, alone), alone.datastreams), rel=0.03)


def test_rain_over_a_day_is_the_sum_of_its_hours() -> None:
    rain = Rain(1)
    for day in range(20):
        start = MONDAY + day * DAY
        hours = [rain.fallen(start + n * HOUR, start + (n + 1) * HOUR) for n in range(24)]
        assert min(hours) >= -1e-12
        assert sum(hours) == pytest.approx(rain.fallen(start, start + DAY), abs=1e-9)


def test_rain_raises_the_water_level_and_pumps_restore_it() -> None:
    weather = Weather(1, ALKMAAR)
    water = Water(1, "polder", {"targetLevel": -3.8}, weather)
    hours = [MONDAY + n * HOUR for n in range(24 * 60)]
    wettest, driest = max(hours, key=weather.rain.stored), min(hours, key=weather.rain.stored)

    def level_without_tide(around: int) -> float:
        return sum(water.level(around + n * HOUR) for n in range(-12, 13)) / 25

    assert level_without_tide(wettest) > level_without_tide(driest) + 0.015
    assert all(abs(water.level(now) + 3.8) < 0.35 for now in hours)
    assert abs(water.level(driest) + 3.8) < 0.05


def test_all_datastreams_of_a_fleet_have_values() -> None:
    plan = fleet(70)
    truth = CityTruth(1, plan)
    assert all(truth.value(one, MONDAY) == truth.value(one, MONDAY) for one in plan.datastreams)
