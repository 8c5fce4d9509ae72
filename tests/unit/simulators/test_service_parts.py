"""The clock, the schedule, the journal and the settings of the simulate role, without real time."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from simulators.devices import VirtualDevice, devices_of
from simulators.report_schedule import ReportSchedule
from simulators.sent_journal import SentJournal
from simulators.service import CATCH_UP_SPEED, CLOCK_STEP_MAX, CityClock
from simulators.settings import SimulatorSettings
from simulators.truth.city_truth import CityTruth
from tests.support.cities.fleet import FEEDS, fleet
from tests.support.cities.sensor_city import datastream_spec, sensor_city
from twin.instant import HOUR, MINUTE, SECOND, parse_instant

NOW = parse_instant("2026-11-23T12:00:00Z")


def fleet_devices(count: int) -> list[VirtualDevice]:
    plan = fleet(count)
    return devices_of(plan, CityTruth(1, plan))[0]


def test_the_city_runs_at_its_speed() -> None:
    clock = CityClock(NOW - HOUR, 60.0, NOW)
    for n in range(1, 11):
        assert clock.tick(NOW + n * SECOND // 10) == NOW - HOUR + n * 6 * SECOND


def test_the_city_never_passes_the_present() -> None:
    clock = CityClock(NOW - MINUTE, 60.0, NOW)
    times = [(now, clock.tick(now)) for now in (NOW + n * SECOND // 4 for n in range(1, 40))]
    assert all(city <= now for now, city in times)
    assert all(city == now for now, city in times[8:])


def test_a_pause_before_the_present_is_not_caught_up() -> None:
    clock = CityClock(NOW - 10 * HOUR, 2.0, NOW)
    clock.tick(NOW + SECOND)
    assert clock.tick(NOW + 100 * SECOND) == NOW - 10 * HOUR + 2 * SECOND + 2 * CLOCK_STEP_MAX


def test_a_pause_after_the_present_is_caught_up() -> None:
    clock = CityClock(NOW, 1.0, NOW)
    clock.tick(NOW + SECOND)
    late = clock.tick(NOW + 61 * SECOND)
    assert late == NOW + SECOND + int(CLOCK_STEP_MAX * CATCH_UP_SPEED)
    for n in range(1, 20):
        late = clock.tick(NOW + (61 + n) * SECOND)
    assert late == NOW + 80 * SECOND


def test_city_time_does_not_decrease_with_the_wall_clock() -> None:
    clock = CityClock(NOW, 1.0, NOW)
    ahead = clock.tick(NOW + SECOND // 2)
    assert clock.tick(NOW - 5 * SECOND) == ahead


def test_waits_are_in_wall_time() -> None:
    assert CityClock(NOW - HOUR, 60.0, NOW).wait_s(NOW - HOUR + MINUTE, NOW) == 1.0
    assert CityClock(NOW, 1.0, NOW).wait_s(NOW + 3 * SECOND, NOW) == 3.0
    assert CityClock(NOW, 1.0, NOW).wait_s(NOW - 3 * SECOND, NOW) == 0.0


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_every_device_reports_within_two_seconds_of_wall_time(speed: float) -> None:
    devices = fleet_devices(70)
    schedule = ReportSchedule(devices, NOW, speed)
    early = {index for _, index, _ in schedule.take_due(NOW + int(2 * SECOND * speed))}
    assert early == set(range(70))


def test_reports_are_in_order_and_each_device_has_its_phase_and_interval() -> None:
    devices = fleet_devices(21)
    schedule = ReportSchedule(devices, NOW, 1.0)
    reports = list(schedule.take_due(NOW + HOUR))
    instants = [instant for instant, _, _ in reports]
    assert instants == sorted(instants)
    for number, device in enumerate(devices):
        own = [instant for instant, index, _ in reports if index == number]
        steps = {later - earlier for earlier, later in pairwise(own[1:])}
        assert steps == {device.sensor.interval}
        assert 0 < own[1] - own[0] <= device.sensor.interval
    phases = {instant % device.sensor.interval for instant, _, device in reports[21:]}
    assert len(phases) > 15


def test_a_schedule_that_is_interrupted_loses_no_report() -> None:
    whole = [report[:2] for report in ReportSchedule(fleet_devices(14), NOW, 1.0).take_due(NOW + 5 * MINUTE)]
    schedule = ReportSchedule(fleet_devices(14), NOW, 1.0)
    parts = []
    for n in range(1, 301):
        parts += [report[:2] for report in schedule.take_due(NOW + n * SECOND)]
    assert parts == whole
    # A caller that stops during a report gets it again.
    again = ReportSchedule(fleet_devices(14), NOW, 1.0)
    first = next(again.take_due(NOW + 2 * SECOND))
    assert next(again.take_due(NOW + 2 * SECOND)) == first


def test_the_journal_counts_each_gas_reading_once(tmp_path: Path) -> None:
    plan = sensor_city("dsmr", datastream_spec("power_import"), datastream_spec("gas_volume"))
    (device,) = devices_of(plan, CityTruth(1, plan))[0]
    journal = SentJournal()
    for n in range(90):  # a quarter of an hour, every ten seconds
        instant = NOW + n * 10 * SECOND
        journal.record(device.sensor, instant, device.message(instant))
    journal.write(tmp_path / "journal.jsonl", unacknowledged=0)
    sensor, totals = map(json.loads, (tmp_path / "journal.jsonl").read_text().splitlines())
    counts = {one["property"]: one["observations"] for one in sensor["datastreams"]}
    assert counts == {"power_import": 90, "gas_volume": 4}
    assert totals == {"messages": 90, "observations": 94, "unacknowledged": 0}


def test_a_fleet_has_every_format_and_unique_devices() -> None:
    plan = fleet(500)
    assert len(devices_of(plan, CityTruth(1, plan))[0]) == 500
    assert len({(one.feed, one.device) for one in plan.sensors}) == 500
    assert {one.feed for one in plan.sensors} == set(FEEDS)
    assert {one.entity for one in plan.sensors} <= {one.id for one in plan.entities}


def test_a_city_starts_now_and_a_fast_one_thirty_hours_ago() -> None:
    assert SimulatorSettings().start_instant(NOW) == NOW
    assert SimulatorSettings(speed=60).start_instant(NOW) == NOW - 30 * HOUR
    with_start = SimulatorSettings(speed=60, start="2026-11-23T00:00:00+01:00")
    assert with_start.start_instant(NOW) == parse_instant("2026-11-22T23:00:00Z")
    assert SimulatorSettings(start="2099-01-01T00:00:00Z").start_instant(NOW) == NOW


def test_a_start_without_an_offset_is_refused() -> None:
    with pytest.raises(ValidationError, match="time zone"):
        SimulatorSettings(start="2026-11-23T00:00:00")
