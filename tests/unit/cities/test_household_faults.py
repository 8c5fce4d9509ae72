"""A city folder must not mix personal and other sensors of one property on an entity."""

from __future__ import annotations

from pathlib import Path

from cities.folder_reader import read_city
from tests.support.cities.city_folders import SENSORS, assert_fault, faults_of, write_city_folder


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
    assert read_city(write_city_folder(tmp_path, sensors=text + observed)).city.id == "delta"
