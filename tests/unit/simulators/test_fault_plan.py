"""Fault plans from files and from seeds."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from simulators.faults import (
    DeviceReading,
    DeviceReport,
    FaultPlanError,
    apply_faults,
    faults_for_sensor,
    random_fault_plan,
    read_fault_plan,
)
from simulators.faults.fault import FOR_EVER, FaultLocation
from simulators.faults.fault_plan import FAULT_TYPES
from simulators.faults.network_faults import OutageFault
from simulators.faults.sensor_faults import SpikeFault, StuckFault
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, parse_instant

NOON = parse_instant("2026-11-23T12:00:00Z")
DEVICES = [f"probe-{number}" for number in range(200)]


def written(folder: Path, text: str) -> Path:
    path = folder / "faults.yaml"
    path.write_text(text)
    return path


def test_a_plan_assigns_faults_to_devices_and_times(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        faults:
          - {device: "wl-*", fault: stuck, field: level, from: PT10M, for: PT2H}
          - {device: aq-1, fault: spike, probability: 0.5, height: 300}
          - {device: "*", fault: outage, from: 2026-11-24T03:00:00+01:00, for: PT30M, every: P1D, capacity: 7}
        """,
    )
    plan = read_fault_plan(path, NOON)
    night = OutageFault(
        start=parse_instant("2026-11-24T02:00:00Z"), length=30 * MINUTE, every=DAY, capacity=7
    )
    stuck = StuckFault(start=NOON + 10 * MINUTE, length=2 * HOUR, field="level")
    assert faults_for_sensor(plan, "wl-overdie-1") == [stuck, night]
    assert faults_for_sensor(plan, "aq-1") == [
        SpikeFault(start=INSTANT_MIN, length=FOR_EVER, probability=0.5, height=300.0),
        night,
    ]
    assert faults_for_sensor(plan, "aq-10") == [night]


def test_a_plan_may_be_json_and_a_bare_list(tmp_path: Path) -> None:
    path = written(tmp_path, '[{"device": "*", "fault": "late", "by": "PT5M"}]')
    assert [one.fault.name for one in read_fault_plan(path, NOON)] == ["late"]


@pytest.mark.parametrize(
    ("text", "expected_text"),
    [
        ("faults: 3", "expected a list of faults under 'faults'"),
        ("faults: [3]", "fault 1: found 3, expected {device: …, fault: …}"),
        ("faults: [{fault: stuck}]", "device is None, expected a sensor id or a glob"),
        ("faults: [{device: x, fault: broken}]", "fault is 'broken', expected one of wrong-unit, stuck"),
        (
            "faults: [{device: x, fault: late, bye: PT1H}]",
            "found 'bye', which is no parameter of the fault 'late'",
        ),
        ("faults: [{device: x, fault: late, by: 3}]", "by is 3: expected an ISO 8601 duration"),
        ("faults: [{device: x, fault: late, from: soon}]", "from is 'soon'"),
        ("faults: [{device: x, fault: late, from: 2026-11-24T03:00:00}]", "no time zone"),
        ("faults: [{device: x, fault: spike, probability: 2}]", "probability is 2, expected 0 to 1"),
        ("faults: [{device: x, fault: drift, per_hour: fast}]", "per_hour is 'fast', expected a number"),
        ("faults: [{device: x, fault: outage, capacity: -1}]", "capacity is -1, expected a whole number"),
        ("faults: [", "expected YAML or JSON"),
    ],
)
def test_the_error_of_a_wrong_plan_has_its_place_and_what_is_expected(
    tmp_path: Path, text: str, expected_text: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(FaultPlanError) as caught:
        read_fault_plan(path, NOON)
    assert str(path) in str(caught.value)
    assert expected_text in str(caught.value)


def test_random_plans_are_reproducible_and_depend_on_the_seed() -> None:
    assert random_fault_plan(3, DEVICES, start=NOON) == random_fault_plan(3, DEVICES, start=NOON)
    assert random_fault_plan(3, DEVICES, start=NOON) != random_fault_plan(4, DEVICES, start=NOON)


def test_a_random_plan_has_every_fault_for_about_half_of_the_devices_within_its_span() -> None:
    plan = random_fault_plan(3, DEVICES, start=NOON, span=6 * HOUR)
    assert {one.fault.name for one in plan} == set(FAULT_TYPES)
    assert 70 < len({one.device for one in plan}) < 130
    assert all(NOON <= one.fault.start < NOON + 6 * HOUR for one in plan)
    assert all(one.fault.start + one.fault.length <= NOON + 6 * HOUR for one in plan)


def test_a_random_plan_has_only_the_requested_kinds() -> None:
    kinds = ("late", "duplicate")
    assert {one.fault.name for one in random_fault_plan(1, DEVICES, kinds=kinds)} == set(kinds)


def test_random_network_faults_change_no_value_and_lose_only_where_allowed() -> None:
    reports = [
        DeviceReport(now, (DeviceReading("level", now, now / MINUTE),)) for now in range(0, DAY, 20 * MINUTE)
    ]
    lossless = [
        name
        for name, kind in FAULT_TYPES.items()
        if kind.location is FaultLocation.NETWORK and name != "dropout"
    ]
    lossless.remove("outage")
    for seed in range(200):
        plan = random_fault_plan(seed, ["wl-1"], kinds=lossless)
        found = apply_faults(reports, faults_for_sensor(plan, "wl-1"), Random(seed))
        assert all(one.readings == one.truth for one in found), f"seed {seed}"
        assert {one.number for one in found} == set(range(len(reports))), f"seed {seed}"
        assert sum(not one.is_copy for one in found) == len(reports), f"seed {seed}"
