"""The plan of a valid city folder."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cities import default_city
from cities.duration import format_duration, parse_duration
from cities.files.schema import RelationItem
from cities.folder_reader import read_city
from cities.model.geometry import geometry_faults
from tests.support.cities.city_folders import SENSORS, write_city_folder
from tests.support.repository import ROOT
from twin.instant import DAY, HOUR, MINUTE, parse_instant
from twin.model.calibration import Calibration, Maintenance
from twin.model.city_model import City, CityFeed, CityPlan
from twin.model.entity import RELATION_TYPES, Relation
from twin.model.observed_property import BUILT_IN_PROPERTIES, Retention
from twin.model.sensor import Datastream, Sensor
from twin.quality.quality_rules import QualityRules, StuckRule
from twin.quality.valid_when import ValidWhen


@pytest.fixture
def plan(tmp_path: Path) -> CityPlan:
    return read_city(write_city_folder(tmp_path))


def test_the_city_and_its_own_feeds_are_read(plan: CityPlan) -> None:
    assert plan.city == City(id="delta", name="Delta", timezone="Europe/Amsterdam")
    assert plan.feeds == (CityFeed(id="buoys", filter="buoys/+/json", decoder="json_fields", device_level=1),)


def test_an_entity_keeps_attributes_geometry_and_relations(plan: CityPlan) -> None:
    quay = plan.entities[1]
    assert quay.attributes == {"connections": 120, "soil": {"kind": "clay", "depths": [1, 2.5]}}
    assert quay.geometry is not None
    assert quay.geometry["type"] == "Polygon"
    assert quay.relations == (Relation("drainsTo", "delta.canal"),)
    assert quay.parent == "delta"


def test_a_unit_converts_and_an_offset_is_added_in_the_canonical_unit(plan: CityPlan) -> None:
    temperature = plan.datastreams[1]
    assert temperature.scale == 1
    assert temperature.offset + temperature.scale * 293.15 == pytest.approx(19.6)


def test_a_scale_replaces_the_factor_of_the_unit_and_an_observed_value_may_have_its_own_interval(
    plan: CityPlan,
) -> None:
    assert plan.datastreams[2] == Datastream(
        id=0,
        sensor="level-1",
        entity="delta.canal",
        property="water_level",
        field="distance",
        unit="cm",
        scale=-0.01,
        offset=1.85,
        interval=5 * MINUTE,
    )


def test_a_native_sensor_is_known_by_its_id(plan: CityPlan) -> None:
    assert plan.sensors[1] == Sensor(
        id="level-1", feed="native", device="level-1", entity="delta.canal", interval=MINUTE
    )


@pytest.mark.parametrize(
    ("feed", "personal"), [("dsmr", True), ("homewizard", True), ("ttn", False), ("meters", True)]
)
def test_meters_of_households_are_personal_by_default(tmp_path: Path, feed: str, personal: bool) -> None:
    feeds = "feeds: [{id: meters, filter: meters/+, decoder: dsmr}]\n"
    text = SENSORS.replace("feed: ttn", f"feed: {feed}")
    folder = write_city_folder(tmp_path, sensors=text, feeds=feeds, rules=None)
    assert read_city(folder).sensors[0].personal is personal
    changed = text.replace("PT10M", f"PT10M\n    personal: {str(not personal).lower()}")
    folder = write_city_folder(tmp_path, sensors=changed, feeds=feeds, rules=None)
    assert read_city(folder).sensors[0].personal is not personal


def test_a_city_may_use_an_unknown_unit(tmp_path: Path) -> None:
    text = SENSORS.replace(
        "property: pm2_5, field: pm2_5, unit: ug/m3", "property: turbidity, field: t, unit: NTU"
    )
    folder = write_city_folder(tmp_path, sensors=text, calibrations=None, rules=None)
    assert read_city(folder).datastreams[0].scale == 1


def test_a_city_may_have_no_sensors(tmp_path: Path) -> None:
    folder = write_city_folder(
        tmp_path, sensors="sensors: []\n", calibrations=None, maintenance=None, rules=None
    )
    plan = read_city(folder)
    assert (plan.sensors, plan.calibrations, plan.maintenance) == ((), (), ())


def test_a_property_of_the_city_has_its_own_quality_rules(plan: CityPlan) -> None:
    turbidity = plan.properties[0]
    stuck = StuckRule(count=12, duration_min=6 * HOUR, except_values=(0.0,))
    assert turbidity.quality == QualityRules(maximum=1500, rate_max=0.5, stuck=stuck)
    assert turbidity.retention == Retention()


def test_a_built_in_property_keeps_what_the_city_does_not_change(plan: CityPlan) -> None:
    built_in = BUILT_IN_PROPERTIES["water_level"]
    assert built_in.quality.spike is not None
    assert plan.properties[1] == replace(
        built_in,
        quality=replace(built_in.quality, spike=None, late_after=3 * HOUR),
        retention=replace(built_in.retention, raw=30 * DAY, minute=60 * DAY),
    )


def test_a_counter_of_the_city_may_wrap_to_0(tmp_path: Path) -> None:
    text = """\
properties:
  - {name: cars, unit: "1", theme: mobility, minimum: 0, maximum: 65535, aggregation: counter, wrapsAt: 65536}
  - {name: gas_volume, wrapsAt: 100000}
"""
    cars, gas = read_city(write_city_folder(tmp_path, properties=text)).properties
    assert (cars.wraps_at, gas.wraps_at) == (65536, 100000)
    assert replace(gas, wraps_at=None) == BUILT_IN_PROPERTIES["gas_volume"]


def test_a_city_states_the_greatest_age_of_an_observation(tmp_path: Path) -> None:
    text = """\
properties:
  - {name: water_level, ageMax: P3650D}
  - {name: pm2_5, ageMax: null}
"""
    level, particles = read_city(write_city_folder(tmp_path, properties=text)).properties
    assert (level.age_max, particles.age_max) == (3650 * DAY, None)
    assert replace(level, age_max=None) == BUILT_IN_PROPERTIES["water_level"]


def test_a_city_states_how_many_entities_a_good_value_of_an_area_needs(tmp_path: Path) -> None:
    text = """\
properties:
  - {name: power_import, coverageMin: 1}
  - {name: pm2_5, coverageMin: 0}
"""
    power, particles = read_city(write_city_folder(tmp_path, properties=text)).properties
    assert (power.coverage_min, particles.coverage_min) == (1.0, 0.0)
    assert replace(power, coverage_min=None) == BUILT_IN_PROPERTIES["power_import"]


def test_calibrations_and_maintenance_have_a_start_and_an_end(plan: CityPlan) -> None:
    march, june = parse_instant("2026-03-01T07:00:00Z"), parse_instant("2026-06-01T00:00:00Z")
    assert plan.calibrations == (
        Calibration(sensor="level-1", property="water_level", start=march, end=june, gain=1.1),
        Calibration(sensor="level-1", property="water_level", start=june, offset=0.02, note="re-hung"),
        Calibration(sensor="air-1", property="pm2_5", start=march, gain=0.9, offset=-1.5),
    )
    assert plan.maintenance == (
        Maintenance(
            sensor="air-1",
            start=parse_instant("2026-04-07T07:00:00Z"),
            end=parse_instant("2026-04-07T09:30:00Z"),
            note="new filter",
        ),
        Maintenance(sensor="level-1", start=parse_instant("2026-11-01T00:00:00Z")),
    )


def test_the_examples_of_the_configuration_page_are_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    folder = tmp_path / "alkmaar"
    shutil.copytree(default_city(), folder)
    # The page's properties take the place of the city's own.
    text = (folder / "sensors.yaml").read_text()
    # So does its city, whose register has other kinds of sensors.
    text = re.sub(r"\n    register: .*", "", text)
    (folder / "sensors.yaml").write_text(text[: text.index("  - id: tr-")])
    (folder / "rules.yaml").unlink()  # they look at those properties
    blocks = re.findall(r"```yaml\n# (\w+\.yaml)(.*?)```", page, re.DOTALL)
    for name in {name for name, _ in blocks}:
        (folder / name).write_text("".join(f"#{text}" for of, text in blocks if of == name))
    plan = read_city(folder)
    assert {"properties.yaml", "calibrations.yaml", "maintenance.yaml"} <= {name for name, _ in blocks}
    assert (len(plan.properties), len(plan.calibrations)) == (2, 1)
    assert (len(plan.maintenance), len(plan.maintenance_windows)) == (1, 1)


def test_the_examples_of_conditions_on_another_field_are_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    sensors, properties = re.findall(r"```yaml\n(# for .*?)```", page, re.DOTALL)
    plan = read_city(
        write_city_folder(
            tmp_path,
            sensors=sensors.replace("town.ring-road", "delta.quay"),
            properties=properties,
            calibrations=None,
            maintenance=None,
            rules=None,
        )
    )
    speed, temperature = (one.valid_when for one in plan.datastreams)
    assert speed == ValidWhen(field="numberOfInputs", minimum=1)
    assert temperature == ValidWhen(field="status", one_of=(0.0, 2.0), required=True)
    assert plan.properties[0].quality.valid_when == ValidWhen(field="uptime", minimum=0.5)


def test_the_relation_types_are_those_of_the_core() -> None:
    assert RelationItem.model_json_schema()["properties"]["type"]["enum"] == list(RELATION_TYPES)


@pytest.mark.parametrize("text", ["PT10M", "PT1M30S", "P1D", "PT0.25S", "P1DT2H", "PT0S", "P366D"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


def test_weeks_are_seven_days() -> None:
    assert parse_duration("P2W") == 14 * DAY


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1", "10M", "PT1.5M", "-PT1M", "P1M", "P1Y", "PT1S2M", "pt1m"]
)
def test_an_inexact_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_duration(text)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [4.7, 52.6, -1.5]},
        {"type": "MultiPoint", "coordinates": [[4.7, 52.6]]},
        {"type": "LineString", "coordinates": [[4.7, 52.6], [4.8, 52.6]]},
        {"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]]]},
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [0, 0]}]},
    ],
)
def test_geometries_of_every_type_are_accepted(geometry: dict[str, object]) -> None:
    assert list(geometry_faults(geometry)) == []


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        {},
        {"type": "Point"},
        {"type": ["Point"], "coordinates": [0, 0]},
        {"type": "Point", "coordinates": [True, 0]},
        {"type": "Point", "coordinates": [[0, 0]]},
        {"type": "LineString", "coordinates": [[0, 0]]},
        {"type": "Polygon", "coordinates": []},
        {"type": "GeometryCollection", "geometries": [{"type": "Dot"}]},
    ],
)
def test_an_invalid_geometry_is_a_fault(geometry: object) -> None:
    assert len(list(geometry_faults(geometry))) == 1
