"""Which areas a repair of an area computes again."""

from __future__ import annotations

from storage.maintenance.area_repair import NamedDays, affected_areas
from storage.maintenance.series_repair import SeriesDay
from tests.support.pipelines.neighbour_pipeline import MODEL, PROPERTY


def areas_of_repair(name: str, *requested: str) -> list[str]:
    days = [SeriesDay(area, f"area_{name}", 0, 1) for area in requested]
    return affected_areas(NamedDays(name, days), MODEL)


def test_an_area_and_all_above_it_are_computed_again() -> None:
    assert areas_of_repair("noise_level", "town.south") == ["town", "town.south"]


def test_where_neighbours_are_compared_a_repair_may_change_the_verdicts_of_every_area() -> None:
    assert areas_of_repair(PROPERTY, "town.south") == ["town", "town.north", "town.south"]


def test_an_area_that_the_model_has_no_more_is_not_computed() -> None:
    assert areas_of_repair(PROPERTY, "town.gone") == []
