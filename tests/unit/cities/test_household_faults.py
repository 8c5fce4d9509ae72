"""A city folder must not mix personal and other sensors of one property on an entity."""

from __future__ import annotations

from pathlib import Path

import pytest

from cities.folder_reader import read_city
from tests.support.cities.city_folders import RULES, SENSORS, assert_fault, faults_of, write_city_folder


def test_a_personal_sensor_beside_another_is_a_fault_with_advice(tmp_path: Path) -> None:
    start = "    entity: delta.canal\n    interval: PT1M\n    observes:\n"
    personal = (
        "    entity: delta.quay\n    interval: PT1M\n    personal: true\n    observes:\n"
        "      - {property: pm2_5, field: pm, unit: ug/m3}\n"
    )
    message = (
        "observes[0].property: pm2_5 of delta.quay is personal here, and not in air-1, line 2: expected only "
        "personal sensors of a property on an entity, or none; observe it as another property"
    )
    assert_fault(tmp_path, ("sensors", start, personal, 16, message))


def test_a_mix_of_personal_and_other_sensors_is_one_fault_per_property(tmp_path: Path) -> None:
    observes = "    observes: [{property: power_import, field: power, unit: kW}]\n"
    meters = "".join(
        f"  - {{id: m-{number}, feed: dsmr, device: m-{number}, entity: delta.quay, interval: PT1M, "
        "observes: [{property: power_import, field: power_import, unit: kW}]}\n"
        for number in range(3)
    )
    rail = "  - id: rail\n    feed: native\n    entity: delta.quay\n    interval: PT1M\n" + observes
    folder = write_city_folder(tmp_path, sensors=SENSORS + meters + rail + meters.replace("m-", "n-"))
    (fault,) = faults_of(folder)
    assert (fault.subject, fault.line) == ("sensors[5] rail", 23)
    assert "power_import of delta.quay is not personal here, and personal in m-0, line 16" in fault.message


def test_the_same_property_may_be_personal_on_another_entity(tmp_path: Path) -> None:
    text = SENSORS.replace("interval: PT1M\n", "interval: PT1M\n    personal: true\n")
    observed = "      - {property: pm2_5, field: pm, unit: ug/m3}\n"
    folder = write_city_folder(tmp_path, sensors=text + observed, rules=None)
    assert read_city(folder).city.id == "delta"


TOO_FEW = "of households only sums of at least 10 are published"


def households(count: int) -> str:
    """Return sensors.yaml with meters of so many households on the quay."""
    return SENSORS + "".join(
        f"  - {{id: m-{number}, feed: dsmr, device: m-{number}, entity: delta.quay, interval: PT1M, "
        "observes: [{property: power_import, field: power_import, unit: kW}]}\n"
        for number in range(count)
    )


def power_rule(select: str, condition: str) -> str:
    """Return rules.yaml with a rule on the power of the households."""
    return (
        RULES
        + "  - id: power\n    title: {en: Power, nl: Vermogen}\n    theme: energy\n"
        + f"    select: {select}\n    when: {condition}\n"
    )


@pytest.mark.parametrize(
    ("select", "condition", "operand"),
    [
        ("{entities: [delta.quay]}", "{value: power_import, above: 9, severity: minor}", "power_import"),
        ("{entities: [delta.quay]}", "{expression: power_import > 9, severity: minor}", "power_import"),
        ("{entities: [delta]}", "{value: area.power_import, above: 9, severity: minor}", "area.power_import"),
    ],
)
def test_a_rule_on_the_sum_of_too_few_households_is_a_fault(
    tmp_path: Path, select: str, condition: str, operand: str
) -> None:
    folder = write_city_folder(tmp_path, sensors=households(9), rules=power_rule(select, condition))
    (fault,) = faults_of(folder)
    assert fault.subject == "rules[3] power"
    assert "the rule watches nothing: none of" in fault.message
    assert f"{operand} of delta" in fault.message
    assert f"never has a value: {TOO_FEW}" in fault.message
    folder = write_city_folder(tmp_path, sensors=households(10), rules=power_rule(select, condition))
    assert "power" in {rule.id for rule in read_city(folder).rules}


def test_a_rule_on_windows_of_households_is_a_fault(tmp_path: Path) -> None:
    rules = power_rule(
        "{entities: [delta.quay]}", "{value: power_import, over: PT1H, above: 9, severity: minor}"
    )
    (fault,) = faults_of(write_city_folder(tmp_path, sensors=households(10), rules=rules))
    assert "never has a value: sums of households have no windows" in fault.message


def test_a_rule_on_areas_in_which_nothing_observes_the_property_is_a_fault(tmp_path: Path) -> None:
    rules = power_rule("{entities: [delta]}", "{value: area.no2, above: 9, severity: minor}")
    (fault,) = faults_of(write_city_folder(tmp_path, rules=rules))
    assert "the rule watches nothing: none of delta has area.no2" in fault.message
