"""Filters of entities and properties."""

from __future__ import annotations

import pytest

from api.entities.geometry import distance_m
from api.entities.selection import EntityFilter, resolve_filter, select_entities
from cities.model.geometry import BoundingBox
from tests.support.cities.city_builder import CityBuilder
from twin.model.city_model import CityModel


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (EntityFilter(types=frozenset({"District"})), ["city.east", "city.west"]),
        (EntityFilter(parents=frozenset({"city.east"})), ["city.east.hill"]),
        (EntityFilter(parents=frozenset({"city.west", "city.east"})), ["city.east.hill", "city.house"]),
        (
            EntityFilter(parents=frozenset({"city", "city.east"}), types=frozenset({"District"})),
            ["city.east", "city.west"],
        ),
        (EntityFilter(bbox=BoundingBox(4.73, 52.6, 4.76, 52.65)), ["city", "city.canal"]),
        (EntityFilter(entities=frozenset({"city.canal", "nowhere"})), ["city.canal"]),
        (EntityFilter(parents=frozenset({"nowhere"})), []),
    ],
)
def test_a_filter_selects_entities(model: CityModel, wanted: EntityFilter, expected: list[str]) -> None:
    assert [one.id for one in select_entities(wanted, model)] == expected


def test_no_filter_selects_everything(model: CityModel) -> None:
    selection = resolve_filter(EntityFilter(), model)
    assert selection.entities == frozenset(model.entities)
    assert selection.matches("city.canal", "water_level")


def test_a_theme_selects_its_properties(model: CityModel) -> None:
    selection = resolve_filter(EntityFilter(themes=frozenset({"water"})), model)
    assert selection.matches("city.canal", "water_level")
    assert not selection.matches("city.east.hill", "pm2_5")


def test_unknown_names_are_never_selected(model: CityModel) -> None:
    everything = resolve_filter(EntityFilter(), model)
    assert not everything.matches("nowhere", "pm2_5")
    assert not everything.matches("city", "happiness")


def test_a_box_selects_by_the_geometry_and_not_by_its_envelope() -> None:
    canal = {"type": "LineString", "coordinates": [[4.0, 52.0], [5.0, 53.0]]}
    city = CityBuilder("city", "City").entity("city.canal", "Waterway", geometry=canal).model(1)
    for box, expected in (((4.4, 52.4, 4.6, 52.6), ["city.canal"]), ((4.0, 52.5, 4.4, 53.0), [])):
        selected = select_entities(EntityFilter(bbox=BoundingBox(*box)), city)
        assert [one.id for one in selected] == expected


SQUARE = [[4.0, 52.0], [4.1, 52.0], [4.1, 52.1], [4.0, 52.1], [4.0, 52.0]]
HOLE = [[4.04, 52.04], [4.06, 52.04], [4.06, 52.06], [4.04, 52.06], [4.04, 52.04]]


def test_distance_is_zero_inside_a_polygon_but_not_in_its_hole() -> None:
    polygon = {"type": "Polygon", "coordinates": [SQUARE, HOLE]}
    assert distance_m(polygon, (4.02, 52.02)) == 0
    assert distance_m(polygon, (4.05, 52.05)) == pytest.approx(684, abs=10)


def test_distance_to_a_line_is_that_to_its_nearest_point() -> None:
    line = {"type": "LineString", "coordinates": [[4.0, 52.0], [4.2, 52.0]]}
    assert distance_m(line, (4.1, 52.01)) == pytest.approx(1112, abs=2)


def test_distance_to_several_points_is_that_to_the_nearest_and_not_to_a_line_between_them() -> None:
    points = {"type": "MultiPoint", "coordinates": [[4.0, 52.0], [4.2, 52.0]]}
    assert distance_m(points, (4.1, 52.0)) == pytest.approx(6_846, abs=5)
