"""Every kind of fault in a city folder has file, line and subject, and all are reported at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cities.files.faults import CityFault
from cities.folder_reader import read_city
from tests.support.cities.city_folders import (
    ENTITIES,
    SENSORS,
    FaultCase,
    assert_fault,
    faults_of,
    write_city_folder,
)

CASES: list[FaultCase] = [
    # city
    ("city", "delta,", "Delta City,", 1, "city: id: found 'Delta City', expected 1 to 63 small letters"),
    ("city", "Europe/Amsterdam", "Europe/Alkmaar", 1, "timezone: found 'Europe/Alkmaar', expected an IANA"),
    ("city", "name: Delta, ", "", 1, "city: name: key is missing"),
    ("city", "city:", "town:", 1, "key 'city' is missing"),
    # YAML
    ("city", "}", "", 2, "YAML syntax: did not find expected ',' or '}'"),
    (
        "entities",
        "name: The Quay",
        "name: The Quay\n    name: Quay",
        8,
        "key 'name' is written twice: first in line 7",
    ),
    ("entities", "name: The Quay", "name: &q The Quay\n    type: *q", 8, "found an alias"),
    (
        "entities",
        "name: The Quay",
        "name: !!binary UXVheQ==",
        7,
        "of YAML type binary, expected text; put it in quotes",
    ),
    ("entities", "connections: 120", "connections: .inf", 10, "expected a finite number"),
    ("entities", "connections: 120", "12: 120", 10, "key: found 12, expected text"),
    # control characters
    ("city", "name: Delta", 'name: "Delta\\nX"', 1, "name: found 'Delta\\nX', expected one line without"),
    ("entities", "name: The Quay", 'name: "Quay\\e"', 7, "name: found 'Quay\\x1b', expected one line"),
    # layout
    (
        "entities",
        "parent: delta\n    geo",
        "parnt: delta\n    geo",
        8,
        "parnt: unknown key (did you mean parent?)",
    ),
    ("entities", "type: drainsTo, ", "", 11, "relations[0].type: key is missing"),
    ("entities", "type: drainsTo", "type: drainTo", 11, "(did you mean drainsTo?)"),
    (
        "entities",
        "type: drainsTo",
        "typ: drainsTo",
        11,
        "relations[0].typ: unknown key (did you mean type?): expected type, target",
    ),
    ("entities", "name: The Quay", "name: 12", 7, "name: found 12, expected text; put it in quotes"),
    ("entities", "name: The Quay", 'name: ""', 7, "expected at least 1"),
    (
        "entities",
        "type: Waterway",
        "type: water way",
        13,
        "type: found 'water way', expected a word in CamelCase",
    ),
    ("sensors", "device: eui-01", "device: 1234", 4, "device: found 1234, expected text; put it in quotes"),
    ("sensors", "scale: -0.01", "scale: '-0.01'", 15, "scale: found '-0.01', expected a number"),
    ("sensors", "scale: -0.01", "scale: true", 15, "scale: found true, expected a number"),
    ("sensors", "PT10M", "PT10M\n    personal: 1", 7, "personal: found 1, expected true or false"),
    ("sensors", "sensors:", "sensors: []\nsensor:", 2, "sensor: unknown key: expected only 'sensors'"),
    # conditions on another field
    (
        "sensors",
        "field: temp, unit: K",
        "field: temp, unit: K, validWhen: {field: uptime}",
        9,
        "observes[1].validWhen.field: the condition on uptime has no bound, expected at least one of above,",
    ),
    (
        "sensors",
        "field: temp, unit: K",
        "field: temp, unit: K, validWhen: {field: temp, above: 0}",
        9,
        "observes[1].validWhen.field: found 'temp', the field of air_temperature itself, expected another",
    ),
    (
        "sensors",
        "field: temp, unit: K",
        "field: temp, unit: K, validWhen: {field: status, minimum: 3, below: 3}",
        9,
        "observes[1].validWhen.below: found 3, expected more than 3: otherwise every value is invalid",
    ),
    (
        "sensors",
        "field: temp, unit: K",
        "field: temp, unit: K, validWhen: {field: status, maximum: 2, oneOf: [3, 4]}",
        9,
        "observes[1].validWhen.oneOf: no value of oneOf is within the other bounds",
    ),
    (
        "sensors",
        "field: temp, unit: K",
        "field: temp, unit: K, validWhen: {field: status, over: 2}",
        9,
        "observes[1].validWhen.over: unknown key",
    ),
    (
        "properties",
        "rateMax: 0.5",
        "rateMax: 0.5, validWhen: {field: status, above: 5, maximum: 1}",
        7,
        "quality.validWhen.maximum: found 1, expected more than 5",
    ),
    # ids and references
    ("entities", "id: delta.canal", "id: delta canal", 12, "id: found 'delta canal', expected 1 to 128"),
    (
        "entities",
        "id: delta.canal",
        "id: delta.quay",
        12,
        "entities[2] delta.quay: id: id is used twice: first in line 5",
    ),
    (
        "entities",
        "parent: delta\n    geo",
        "parent: dleta\n    geo",
        8,
        "parent: found 'dleta', expected the id of an entity of this city (did you mean delta?)",
    ),
    (
        "entities",
        "target: delta.canal",
        "target: delta.cannal",
        11,
        "relations[0].target: found 'delta.cannal'",
    ),
    ("entities", "target: delta.canal", "target: delta.quay", 11, "relates the entity to itself"),
    (
        "entities",
        "name: Delta\n",
        "name: Delta\n    parent: delta.canal\n",
        5,
        "an entity is above itself: delta > delta.canal > delta",
    ),
    (
        "entities",
        "name: Delta\n",
        "name: Delta\n    parent: delta\n",
        5,
        "an entity is above itself: delta > delta",
    ),
    ("sensors", "id: level-1", "id: air-1", 10, "sensors[1] air-1: id: id is used twice: first in line 2"),
    ("sensors", "entity: delta.canal", "entity: delta.canl", 12, "entity: found 'delta.canl'"),
    (
        "sensors",
        "property: pm2_5",
        "property: pm2.5",
        8,
        "observes[0].property: found 'pm2.5', expected small letters",
    ),
    ("sensors", "property: pm2_5", "property: pm25", 8, "(did you mean pm2_5?)"),
    ("sensors", "property: pm2_5", "property: air_temperature", 9, "air_temperature is observed twice"),
    ("sensors", "feed: ttn", "feed: tnt", 3, "feed: found 'tnt', expected one of airrohr"),
    ("sensors", "    device: eui-01\n", "", 2, "sensors[0] air-1: device: key is missing"),
    (
        "sensors",
        "feed: native",
        "feed: ttn\n    device: EUI-01",
        12,
        "device of this feed is used twice: first in line 2",
    ),
    # units, scales and intervals
    ("sensors", "unit: ug/m3", "unit: kg", 8, "observes[0].unit: unit 'kg' is unknown"),
    ("sensors", "unit: ug/m3", "unit: Cel", 8, "unit 'Cel' does not convert into 'ug/m3'"),
    ("sensors", "scale: -0.01", "scale: 0", 15, "scale: found 0, expected a factor"),
    ("sensors", "PT10M", "10 minutes", 6, "interval: found '10 minutes', expected an ISO 8601 duration"),
    ("sensors", "PT10M", "P1M", 6, "expected an exact duration such as PT10M: months and years"),
    ("sensors", "PT10M", "PT0S", 6, "interval: found 'PT0S', expected PT0.01S to P366D"),
    ("sensors", "PT5M", "5", 15, "observes[0].interval: found 5, expected an ISO 8601 duration"),
    # geometry
    (
        "entities",
        "type: Polygon",
        "type: Poligon",
        9,
        "geometry.type: found 'Poligon', expected one of Point",
    ),
    ("entities", "[4.7, 52.6]]]", "[4.7, 52.5]]]", 9, "geometry.coordinates[0]: ring is not closed"),
    ("entities", "[4.8, 52.7], [4.7", "[4.7", 9, "found a ring of 3 positions, expected at least 4"),
    (
        "entities",
        "[4.8, 52.7]",
        "[52.7, 4.8]",
        9,
        "coordinates[0][2]: found [52.7, 4.8], expected longitude before latitude",
    ),
    ("entities", "[4.8, 52.7]", "[4.8, 152.7]", 9, "expected longitude -180 to 180, then latitude -90 to 90"),
    ("entities", "[4.8, 52.7]", "[4.8]", 9, "found [4.8], expected a position"),
    ("entities", "type: Polygon, ", "type: Polygon, crs: RD, ", 9, "geometry.crs: unknown key"),
    # the city's own properties and feeds
    ("properties", "name: turbidity", "name: no2", 2, "no2 is built in and cannot be redefined"),
    ("properties", "theme: water", "theme: watr", 4, "(did you mean water?)"),
    ("properties", "maximum: 4000", "maximum: -1", 6, "maximum: found -1, expected more than 0"),
    (
        "properties",
        "name: water_level",
        "name: water_level\n    unit: cm\n    maximum: 3",
        8,
        "water_level is built in and cannot be redefined: found unit, maximum, expected only quality",
    ),
    ("properties", "    unit: NTU\n", "", 2, "properties[0] turbidity: unit: key is missing"),
    ("feeds", "id: buoys", "id: senml", 2, "senml is built in"),
    (
        "feeds",
        "buoys/+/json",
        "buoys/#/json",
        2,
        "filter: found 'buoys/#/json', expected an MQTT topic filter",
    ),
    ("feeds", "buoys/+/json", "+/+/entities/+/state", 2, "matches what LiveTwin itself sends"),
    ("feeds", "deviceLevel: 1", "deviceLevel: 3", 2, "deviceLevel: found 3, expected less than 3"),
]


@pytest.mark.parametrize("case", CASES, ids=[case[4][:50] for case in CASES])
def test_a_fault_has_its_file_and_line(tmp_path: Path, case: FaultCase) -> None:
    assert_fault(tmp_path, case)


def test_all_faults_of_all_files_are_reported_at_once_in_order(tmp_path: Path) -> None:
    folder = write_city_folder(
        tmp_path,
        city="city: {id: delta, name: Delta, timezone: Mars}\n",
        entities=ENTITIES.replace("parent: delta\n    geo", "parent: nowhere\n    geo").replace(
            "name: Canal", "nam: Canal"
        ),
        sensors=SENSORS.replace("PT10M", "PT10X").replace("delta.canal", "delta.lake"),
    )
    assert [(Path(fault.file).name, fault.line) for fault in faults_of(folder)] == [
        ("city.yaml", 1),
        ("entities.yaml", 8),
        ("entities.yaml", 12),
        ("entities.yaml", 14),
        ("sensors.yaml", 6),
        ("sensors.yaml", 12),
    ]


def test_a_faulty_item_can_still_be_referred_to(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path, entities=ENTITIES.replace("type: Waterway", "type: 5"))
    assert [fault.line for fault in faults_of(folder)] == [13]


def test_without_entities_references_to_them_are_not_checked(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path, entities=None)
    assert [str(fault) for fault in faults_of(folder)] == [f"{folder / 'entities.yaml'}:1: file is missing"]


@pytest.mark.parametrize("name", ["city", "entities", "sensors"])
def test_a_missing_required_file_is_a_fault(tmp_path: Path, name: str) -> None:
    folder = write_city_folder(tmp_path, **{name: None})
    assert CityFault(str(folder / f"{name}.yaml"), 1, "", "file is missing") in faults_of(folder)


def test_an_empty_file_is_a_fault(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path, sensors="# nothing yet\n")
    assert [fault.message for fault in faults_of(folder)] == [
        "found nothing, expected a mapping with the key 'sensors'"
    ]


def test_a_misspelt_file_name_is_a_fault_and_other_files_are_ignored(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path)
    for name in ("roster.ics", "README.md"):
        (folder / name).write_text("][")
    assert read_city(folder).city.id == "delta"
    (folder / "sensor.yaml").write_text("sensors: []\n")
    assert ["unknown file (did you mean sensors.yaml?)" in str(one) for one in faults_of(folder)] == [True]


def test_a_path_that_is_no_folder_is_a_fault(tmp_path: Path) -> None:
    assert "not a folder" in str(faults_of(tmp_path / "nowhere")[0])


def test_bytes_that_are_not_utf8_have_their_line(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path)
    (folder / "city.yaml").write_bytes(b"city:\n  id: delta\n  name: D\xe9lta\n")
    assert [(fault.line, fault.message) for fault in faults_of(folder)] == [
        (3, "text is not UTF-8: found byte 0xe9")
    ]


def test_native_and_senml_share_their_devices_because_they_share_the_topic(tmp_path: Path) -> None:
    text = SENSORS.replace("feed: ttn\n    device: eui-01", "feed: senml\n    device: level-1")
    folder = write_city_folder(tmp_path, sensors=text)
    assert [
        "device of this feed is used twice: first in line 2" in str(one) for one in faults_of(folder)
    ] == [True]


def test_swapped_coordinates_are_no_fault_outside_the_netherlands(tmp_path: Path) -> None:
    folder = write_city_folder(
        tmp_path,
        city="city: {id: delta, name: Delta, timezone: Africa/Nairobi}\n",
        entities=ENTITIES.replace("[4.8, 52.7]", "[52.7, 4.8]"),
    )
    assert read_city(folder).city.timezone == "Africa/Nairobi"


def test_a_deep_document_is_refused(tmp_path: Path) -> None:
    nested = "[" * 40 + "]" * 40
    folder = write_city_folder(
        tmp_path, entities=ENTITIES.replace("connections: 120", f"connections: {nested}")
    )
    assert ["nested too deeply" in str(one) for one in faults_of(folder)] == [True]


def test_a_fault_prints_as_file_line_subject_and_message() -> None:
    fault = CityFault("x/entities.yaml", 7, "entities[3] alkmaar.x", "name: key is missing")
    assert str(fault) == "x/entities.yaml:7: entities[3] alkmaar.x: name: key is missing"


def test_what_yaml_refuses_is_reported_once(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path, entities=ENTITIES.replace("name: Canal", "name: !!set {}"))
    assert [fault.line for fault in faults_of(folder)] == [14]


def test_a_fault_in_an_item_does_not_hide_its_other_faults(tmp_path: Path) -> None:
    folder = write_city_folder(
        tmp_path,
        entities=ENTITIES.replace("type: drainsTo, target: delta.canal", "type: drainTo, target: delta.cnl"),
        sensors=SENSORS.replace("PT10M", "10").replace("entity: delta.quay", "entity: delta.key"),
    )
    assert [(Path(fault.file).name, fault.line) for fault in faults_of(folder)] == [
        ("entities.yaml", 11),
        ("entities.yaml", 11),
        ("sensors.yaml", 5),
        ("sensors.yaml", 6),
    ]
