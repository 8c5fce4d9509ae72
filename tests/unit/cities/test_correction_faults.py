"""Faults in properties, calibrations and maintenance have file, line and subject."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cities.city_folders import FaultCase, assert_fault, faults_of, write_city_folder

CASES: list[FaultCase] = [
    # quality and retention
    (
        "properties",
        "rateMax",
        "rate_max",
        7,
        "quality.rate_max: unknown key (did you mean rateMax?): expected minimum, maximum, rateMax, spike",
    ),
    ("properties", "durationMin: PT6H, ", "", 7, "quality.stuck.durationMin: key is missing"),
    ("properties", "durationMin", "duration", 7, "quality.stuck.duration: unknown key (did you mean dura"),
    ("properties", "rateMax: 0.5", "rateMax: 0", 7, "quality.rateMax: found 0, expected more than 0"),
    (
        "properties",
        "maximum: 1500",
        "maximum: 1500, minimum: 1500",
        7,
        "quality.maximum: found 1500, expected",
    ),
    ("properties", "count: 12", "count: 1", 7, "quality.stuck.count: found 1, expected at least 2"),
    (
        "properties",
        "lateAfter: PT3H",
        "lateAfter: 3",
        10,
        "lateAfter: found 3, expected an ISO 8601 duration",
    ),
    ("properties", "lateAfter: PT3H", "lateAfter: null", 10, "quality.lateAfter: found nothing"),
    (
        "properties",
        "spike: null",
        "spike: {deviationMin: 1, window: 32}",
        11,
        "quality.spike.window: found 32, expected at most 16",
    ),
    ("properties", "raw: P30D", "raw: P61D", 12, "minute is kept for less time than raw, which is finer"),
    ("properties", "raw: P30D", "raw: PT1H", 12, "retention.raw: found 'PT1H', expected P1D to P36525D"),
    (
        "properties",
        "maximum: 4000",
        "maximum: 4000\n    wrapsAt: 65536",
        7,
        "wrapsAt: only a counter starts again at 0; turbidity aggregates by mean",
    ),
    ("properties", "name: turbidity", "name: [turbidity]", 2, "name: found a list of 1, expected text"),
    # calibrations and maintenance
    ("calibrations", "property: pm2_5", "property: [pm2_5]", 4, "property: found a list of 1, expected text"),
    ("maintenance", "sensor: air-1", "sensor: {air-1: 1}", 2, "sensor: found a mapping, expected text"),
    (
        "calibrations",
        "{sensor: level-1",
        "{sensor: level-2",
        2,
        "calibrations[0] level-2: sensor: found 'level-2', expected the id of a sensor of this city (did",
    ),
    ("calibrations", "property: pm2_5", "property: pm25", 4, "found 'pm25' (did you mean pm2_5?)"),
    (
        "calibrations",
        "property: pm2_5",
        "property: no2",
        4,
        "found 'no2', expected what air-1 observes: air_temperature, pm2_5",
    ),
    (
        "calibrations",
        "from: 2026-03-01T08:00+01:00, until",
        "from: 2026-03-01T08:00, until",
        2,
        "from: found '2026-03-01T08:00', expected an ISO 8601 time with its zone",
    ),
    ("calibrations", "from: 2026-03-01T08:00+01:00, until", "until", 2, "from: key is missing"),
    (
        "calibrations",
        "until: 2026-06",
        "until: 2026-02",
        2,
        "until: found 2026-02-01T00:00:00Z, expected later",
    ),
    (
        "calibrations",
        "until: 2026-06-01T00Z",
        "until: 2026-06-01T00:00:01Z",
        3,
        "overlaps the calibration of the same sensor and property in line 2, which ends 2026-06-01T00:00:01Z",
    ),
    ("calibrations", "until: 2026-06-01T00Z, ", "", 3, "in line 2, which has no until"),
    ("calibrations", "gain: 0.9", "gain: 0", 4, "gain: found 0, expected a factor"),
    ("calibrations", "gain: 0.9", "gian: 0.9", 4, "gian: unknown key (did you mean gain?)"),
    ("maintenance", "{sensor: air-1", "{sensor: air-9", 2, "maintenance[0] air-9: sensor: found 'air-9'"),
    ("maintenance", "until: 2026-04-07T11", "until: 2026-04-07T08", 2, "until: found 2026-04-07T06:30:00Z"),
    (
        "maintenance",
        "sensor: level-1, from: 2026-11-01T00:00:00Z",
        "sensor: air-1, from: 2026-04-07T07:00:00Z",
        3,
        "start of maintenance of this sensor is used twice: first in line 2",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case[4][:50] for case in CASES])
def test_a_fault_has_its_file_and_line(tmp_path: Path, case: FaultCase) -> None:
    assert_fault(tmp_path, case)


def test_without_sensors_corrections_are_not_checked(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path, sensors=None)
    assert [str(fault) for fault in faults_of(folder)] == [f"{folder / 'sensors.yaml'}:1: file is missing"]
