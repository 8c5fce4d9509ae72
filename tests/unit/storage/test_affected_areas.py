"""Which areas a repair of an area computes again, of which values, and what it tells them."""

from __future__ import annotations

import numpy as np

from storage.maintenance.area_repair import (
    NamedDays,
    NewestPoint,
    OutdatedState,
    affected_areas,
    restoring_inputs,
    stored_area_inputs,
)
from storage.maintenance.series_repair import SeriesDay, StoredPoint, last_points_of_slots
from tests.support.pipelines.neighbour_pipeline import MODEL, PROPERTY
from twin.backtest.history_chunk import HistoryChunk
from twin.backtest.readings import DatastreamReadings
from twin.instant import MINUTE
from twin.model.names import series_interval
from twin.state.area_state import SLOTS_MAX, restoring_input


def areas_of_repair(name: str, *requested: str) -> list[str]:
    days = [SeriesDay(area, f"area_{name}", 0, 1) for area in requested]
    return affected_areas(NamedDays(name, days), MODEL)


def test_an_area_and_all_above_it_are_computed_again() -> None:
    assert areas_of_repair("noise_level", "town.south") == ["town", "town.south"]


def test_where_neighbours_are_compared_a_repair_may_change_the_verdicts_of_every_area() -> None:
    assert areas_of_repair(PROPERTY, "town.south") == ["town", "town.north", "town.south"]


def test_an_area_that_the_model_has_no_more_is_not_computed() -> None:
    assert areas_of_repair(PROPERTY, "town.gone") == []


def test_values_that_the_stream_has_not_told_yet_do_not_count() -> None:
    datastream = next(one for one in MODEL.datastreams.values() if one.property == PROPERTY)
    times = np.arange(0, 10 * MINUTE, MINUTE)
    readings = DatastreamReadings(times, times, np.full(10, 5.0), np.zeros(10, np.int16))
    chunk = HistoryChunk(0, 10 * MINUTE, {datastream.id: readings})

    def newest(told: dict[int, int]) -> int | None:
        inputs = stored_area_inputs(PROPERTY, [], chunk, told, MODEL)
        return max((one.phenomenon_time for one in inputs), default=None)

    assert newest({datastream.id: 10 * MINUTE}) == 9 * MINUTE
    assert newest({datastream.id: 4 * MINUTE}) == 4 * MINUTE, "later ones may lack their assessments"
    assert newest({}) is None


def test_areas_are_told_the_newest_point_of_a_series_whose_state_is_none() -> None:
    size = series_interval(PROPERTY, MODEL)
    point = NewestPoint(3 * size, 7.0, 4, 2, 1)
    found = restoring_inputs(
        PROPERTY,
        [OutdatedState("town", 9 * size, point), OutdatedState("town.south", 9 * size, None)],
        MODEL,
    )
    assert found == [
        restoring_input("town", PROPERTY, 3 * size, (7.0, 4, 2, 1)),
        restoring_input("town.south", PROPERTY, 9 * size, None),
    ]


def test_a_changed_point_is_told_as_long_as_an_area_around_the_entity_keeps_its_slot() -> None:
    """The inputs of the area around its own one may be behind, on another partition of the log."""
    size = series_interval(PROPERTY, MODEL)
    entity = next(one for one in MODEL.entities.values() if one.parent == "town.south").id
    change = {(PROPERTY, 3 * size): StoredPoint(7.0, 0, 1, 5)}

    def told(**newest: int) -> list[float]:
        states = {(area.replace("_", "."), PROPERTY): slots * size for area, slots in newest.items()}
        return [one.value for one in last_points_of_slots(entity, change, {}, states, MODEL)]

    far = 4 + SLOTS_MAX
    assert told(town_south=4, town=4) == [7.0]
    assert told(town_south=far, town=4) == [7.0]
    assert told(town_south=far) == [7.0], "nothing is stored of the area above"
    assert told(town_south=far, town=far) == []
