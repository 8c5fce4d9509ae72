"""The sensor register of a city folder: entries, kinds and defaults, their faults, and Alkmaar's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cities import default_city
from cities.files.schema import SENSOR_KINDS_MAX
from cities.folder_reader import read_city
from cities.folder_writer import write_city
from tests.support.cities.city_folders import CITY, SENSORS, faults_of, write_city_folder
from twin.model.bilingual_text import BilingualText
from twin.model.sensor_register import NO_REGISTER

REGISTER = """\
city:
  id: delta
  name: Delta
  timezone: Europe/Amsterdam
  sensorRegister:
    owner: Delta
    contact: mailto:sensors@delta.example
    personalData: false
    kinds:
      level:
        device: {en: Level meter, nl: Waterstandmeter}
        purpose: {en: To see high water., nl: Om hoog water te zien.}
        owner: Water board
"""
ENTRY = "register: {kind: level, since: 2024-03-01, until: 2027-01-01, personalData: true}"


def register_folder(folder: Path, entry: str = ENTRY, city: str = REGISTER) -> Path:
    """Write the small city with a register, and an entry for its level meter."""
    sensors = SENSORS.replace("- id: level-1\n", f"- id: level-1\n    {entry}\n", 1)
    assert sensors != SENSORS
    return write_city_folder(folder, city=city, sensors=sensors)


def test_an_entry_has_what_it_lacks_from_its_kind_and_then_from_the_city(tmp_path: Path) -> None:
    plan = read_city(register_folder(tmp_path / "in"))
    (level,) = [one for one in plan.sensors if one.id == "level-1"]
    entry = plan.city.sensor_register.complete(level.register)
    assert (entry.since, entry.until, entry.personal_data) == ("2024-03-01", "2027-01-01", True)
    assert (entry.owner, entry.contact) == ("Water board", "mailto:sensors@delta.example")
    assert (entry.device, entry.observes) == (BilingualText("Level meter", "Waterstandmeter"), None)
    (air,) = [one for one in plan.sensors if one.id == "air-1"]
    other = plan.city.sensor_register.complete(air.register)
    assert (other.owner, other.kind, other.purpose, other.personal_data) == ("Delta", "", None, False)


def test_a_register_reads_back_as_it_was(tmp_path: Path) -> None:
    plan = read_city(register_folder(tmp_path / "in"))
    write_city(plan.model(1), tmp_path / "out")
    again = read_city(tmp_path / "out")
    assert again.city == plan.city
    assert {one.id: one for one in again.sensors} == {one.id: one for one in plan.sensors}


def test_a_city_without_a_register_has_none(tmp_path: Path) -> None:
    plan = read_city(write_city_folder(tmp_path / "in", city=CITY))
    assert plan.city.sensor_register == NO_REGISTER


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("kind: level", "kind: levels", "register.kind: found 'levels', expected one of the kinds"),
        ("until: 2027-01-01", "until: 2023-01-01", "register.until: found 2023-01-01, expected a date"),
        ("since: 2024-03-01", "since: spring", "register.since: found 'spring', expected a date such as"),
        ("since: 2024-03-01", "since: 20240301", "register.since: found 20240301, expected text"),
        ("kind: level", "kin: level", "register.kin: unknown key (did you mean kind?)"),
        ("kind: level", "contact: Jan", "register.contact: found 'Jan', expected mailto: with an address"),
        ("kind: level", "contact: 'mailto:a@b.example?bcc=c'", "expected mailto: with an address"),
        ("kind: level", "purpose: {en: x}", "register.purpose.nl: key is missing"),
    ],
)
def test_each_fault_of_an_entry_is_named(tmp_path: Path, old: str, new: str, text: str) -> None:
    assert old in ENTRY
    found = [str(one) for one in faults_of(register_folder(tmp_path / "in", ENTRY.replace(old, new, 1)))]
    assert len([one for one in found if text in one]) == 1, found


def test_a_register_has_a_bounded_number_of_kinds(tmp_path: Path) -> None:
    kinds = "".join(f"      k{number}: {{owner: x}}\n" for number in range(SENSOR_KINDS_MAX))
    found = faults_of(register_folder(tmp_path / "in", city=REGISTER + kinds))
    assert [one.message for one in found] == ["sensorRegister.kinds: found a mapping, expected at most 200"]


def test_each_sensor_of_alkmaar_has_a_complete_entry() -> None:
    plan = read_city(default_city())
    for sensor in plan.sensors:
        entry = plan.city.sensor_register.complete(sensor.register)
        texts = (entry.device, entry.purpose, entry.observes, entry.observes_not, entry.legal_basis)
        assert all(texts), sensor.id
        assert entry.kind
        assert entry.owner
        assert entry.contact
        assert entry.personal_data is sensor.personal, sensor.id
        assert sensor.personal or entry.since, sensor.id
