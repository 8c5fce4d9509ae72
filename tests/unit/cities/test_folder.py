"""What a faultless city folder becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cities.duration import format_duration, parse_duration
from cities.folder import read_city
from cities.geometry import geometry_faults
from cities.schema import RelationItem
from tests.unit.cities.folders import SENSORS, write_folder
from twin.entity import RELATION_TYPES, Relation
from twin.instant import DAY, MINUTE
from twin.model import City, CityPlan, Feed
from twin.sensor import Datastream, Sensor


@pytest.fixture
def plan(tmp_path: Path) -> CityPlan:
    return read_city(write_folder(tmp_path))


def test_the_city_and_its_own_feeds_are_read(plan: CityPlan) -> None:
    assert plan.city == City(id="delta", name="Delta", timezone="Europe/Amsterdam")
    assert plan.feeds == (Feed(id="buoys", filter="buoys/+/json", decoder="json_fields", device_level=1),)


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
def test_meters_of_households_are_personal_unless_told_otherwise(
    tmp_path: Path, feed: str, personal: bool
) -> None:
    feeds = "feeds: [{id: meters, filter: meters/+, decoder: dsmr}]\n"
    text = SENSORS.replace("feed: ttn", f"feed: {feed}")
    assert read_city(write_folder(tmp_path, sensors=text, feeds=feeds)).sensors[0].personal is personal
    told = text.replace("PT10M", f"PT10M\n    personal: {str(not personal).lower()}")
    assert read_city(write_folder(tmp_path, sensors=told, feeds=feeds)).sensors[0].personal is not personal


def test_a_city_may_observe_what_no_unit_table_knows(tmp_path: Path) -> None:
    text = SENSORS.replace(
        "property: pm2_5, field: pm2_5, unit: ug/m3", "property: turbidity, field: t, unit: NTU"
    )
    assert read_city(write_folder(tmp_path, sensors=text)).datastreams[0].scale == 1


def test_a_city_without_sensors_is_one(tmp_path: Path) -> None:
    assert read_city(write_folder(tmp_path, sensors="sensors: []\n")).sensors == ()


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
def test_what_is_no_exact_duration_is_refused(text: str) -> None:
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
def test_geometries_of_every_type_are_taken(geometry: dict[str, object]) -> None:
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
def test_what_is_no_geometry_is_told(geometry: object) -> None:
    assert len(list(geometry_faults(geometry))) == 1
