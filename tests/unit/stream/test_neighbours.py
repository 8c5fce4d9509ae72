"""Neighbours over both stages: an outvoted value is marked by its entity, and does not count in its areas."""

from __future__ import annotations

import math

from storage.maintenance.area_repair import votes_of_changes
from stream.areas.area_stage import AreaStageFactory
from stream.entities.entity_stage import EntityStage, EntityStageFactory
from tests.support.pipelines.checkpoint_topic import CheckpointTopic
from tests.support.pipelines.neighbour_pipeline import (
    AREA_PROPERTY,
    MODEL,
    PROPERTY,
    THERMOMETERS,
    NeighbourPipeline,
)
from twin.instant import MINUTE
from twin.model.observation import LastGoodValue
from twin.quality.neighbours import COMPARED_ONLY, OUTVOTED_ABOVE
from twin.quality.quality_flags import QualityFlag
from twin.state.area_state import SLOTS_MAX, AreaSeries, AreaState
from twin.state.stored_area_series import area_states, votes_from_above
from twin.wire.messages import AreaInput

DISAGREES = int(QualityFlag.DISAGREES)
NORTH = {"town.north.a": 20.0, "town.north.b": 20.5, "town.north.c": 19.5}


def test_an_outvoted_value_is_suspect_with_its_last_good_value_and_does_not_count() -> None:
    stages = NeighbourPipeline()
    stages.report({**NORTH, "town.north.d": 21.0})
    stages.report({**NORTH, "town.north.d": 35.0})
    state = stages.last_update("town.north.d")
    assert (state.value, state.flags) == (35.0, DISAGREES)
    assert state.last_good == LastGoodValue(21.0, MINUTE)
    area = stages.last_update("town.north", AREA_PROPERTY)
    assert (area.value, area.count, area.deviating, area.flags) == (20.0, 3, (4,), 0)
    assert stages.suspect_entities() == {"town.north.d"}


def test_a_verdict_is_sent_once_holds_for_new_values_and_is_withdrawn() -> None:
    stages = NeighbourPipeline()
    stages.report({**NORTH, "town.north.d": 35.0})
    stages.report({**NORTH, "town.north.d": 36.0})
    assert [(one.entity, one.deviates) for one in stages.verdicts] == [("town.north.d", True)]
    flags = [one.flags for one in stages.updates if one.entity == "town.north.d" and one.value == 36.0]
    assert flags == [DISAGREES], "a new value of an outvoted thermometer is not emitted as good first"
    stages.report({**NORTH, "town.north.d": 21.0})
    assert [one.deviates for one in stages.verdicts] == [True, False]
    assert (stages.last_update("town.north.d").flags, stages.last_update("town.north.d").last_good) == (
        0,
        None,
    )
    area = stages.last_update("town.north", AREA_PROPERTY)
    assert (area.value, area.count, area.deviating) == (20.25, 4, ())


def test_the_area_above_decides_where_too_few_report() -> None:
    stages = NeighbourPipeline()
    stages.report({**NORTH, "town.south.e": 20.0, "town.south.f": 35.0, "town.g": 21.0})
    assert stages.suspect_entities() == {"town.south.f"}
    south = stages.last_update("town.south", AREA_PROPERTY)
    assert (south.value, south.count, south.deviating) == (20.0, 1, (6,))
    assert {one.area for one in stages.verdicts} == {"town"}


def test_an_area_of_outvoted_values_is_suspect_and_counts_nowhere() -> None:
    stages = NeighbourPipeline()
    stages.report({**NORTH, "town.south.f": 22.0, "town.g": 21.0})
    assert stages.last_update("town", AREA_PROPERTY).count == 5
    stages.report({**NORTH, "town.south.f": 35.0, "town.g": 21.0})
    south = stages.last_update("town.south", AREA_PROPERTY)
    assert (south.flags, south.last_good) == (DISAGREES, LastGoodValue(22.0, MINUTE))
    assert (
        stages.last_update("town", AREA_PROPERTY).count,
        stages.last_update("town", AREA_PROPERTY).flags,
    ) == (4, 0)
    stages.report({**NORTH, "town.south.f": 23.0, "town.g": 21.0})
    assert (
        stages.last_update("town.south", AREA_PROPERTY).value,
        stages.last_update("town.south", AREA_PROPERTY).flags,
    ) == (
        23.0,
        0,
    )
    assert stages.last_update("town", AREA_PROPERTY).count == 5


def test_an_area_whose_first_values_are_all_outvoted_has_none_now_and_says_which_they_are() -> None:
    stages = NeighbourPipeline()
    stages.report({**NORTH, "town.south.f": 35.0, "town.g": 21.0})
    south = stages.last_update("town.south", AREA_PROPERTY)
    assert math.isnan(south.value)
    assert (south.deviating, south.flags) == ((6,), DISAGREES | QualityFlag.INCOMPLETE)
    assert stages.last_update("town", AREA_PROPERTY).count == 4


def test_what_an_area_forwards_of_a_slot_that_is_not_kept_above_counts_there_and_is_computed_again() -> None:
    begin = 10 * MINUTE
    state = AreaState(series={PROPERTY: AreaSeries(MINUTE, begin)})

    def told(source: str, value: float, slot: int, weight: int) -> AreaInput:
        return AreaInput("town", source, PROPERTY, value, slot, 0, weight, slot + MINUTE, slot, slot)

    found = state.apply(
        "town",
        [
            told("town.south.f", 35.0, begin - MINUTE, COMPARED_ONLY),
            told("town.south.e", 20.0, begin, COMPARED_ONLY),
            told("town.g", 21.0, begin, 1),
            told("town.north", 20.5, begin, 4),
        ],
        MODEL,
        1,
        repeated=True,
    )
    assert [(one.entity, one.deviates) for one in found.verdicts] == [("town.south.f", True)]
    assert [(one.area, one.source, one.slot) for one in found.inputs] == [
        ("town.south", "town.south.f", begin)
    ]
    assert [(one.entity, one.name, one.start) for one in found.repairs] == [
        ("town.south", AREA_PROPERTY, begin - MINUTE)
    ], "South emits that slot again, and learns of no comparison"


def vote(area: str, source: str, slot: int, value: float | None, by: str = "") -> AreaInput:
    return AreaInput(area, source, PROPERTY, value, slot, 0, OUTVOTED_ABOVE, slot, 0, slot, 0, by=by)


def test_what_storage_computes_of_a_slot_that_is_not_kept_above_reaches_the_area_below() -> None:
    slots = [9 * MINUTE, 10 * MINUTE]
    inputs = [
        AreaInput(area, source, PROPERTY, value, slot, 0, 1, slot + MINUTE, 0, slot)
        for slot in slots
        for area, source, value in (
            *(("town.north", one, value) for one, value in NORTH.items()),
            ("town.south", "town.south.e", 20.5),
            ("town.south", "town.south.f", 35.0 if slot == slots[0] else 20.0),
        )
    ]
    states = area_states(PROPERTY, inputs, MODEL)
    votes = [one for slot in slots for one in votes_from_above("town.south", slot, PROPERTY, states, MODEL)]
    assert votes == [
        vote("town", "town.south.e", slots[0], None),
        vote("town", "town.south.f", slots[0], 1.0),
        vote("town", "town.south.e", slots[1], None),
        vote("town", "town.south.f", slots[1], None),
    ]
    town = AreaState(series={PROPERTY: AreaSeries(MINUTE, slots[1])})
    passed = town.apply("town", votes, MODEL, 7, repeated=True).inputs
    assert passed == [one._replace(area="town.south", by="town", revision=7) for one in votes[:2]], (
        "it has told what it says about the slots that it keeps"
    )
    south = AreaState()
    south.apply("town.south", [one for one in inputs if one.area == "town.south"], MODEL, 1)
    values = south.apply("town.south", passed, MODEL, 2, repeated=True).values
    assert [(one.value, one.phenomenon_time) for one in values] == [(20.5, slots[0])]


def test_storage_says_nothing_of_slots_that_no_stage_keeps() -> None:
    inputs = [AreaInput("town.south", "town.south.f", PROPERTY, 20.0, 0, 0, 1, MINUTE, 0, 0)]
    states = area_states(PROPERTY, inputs, MODEL)
    for newest, expected in (((SLOTS_MAX - 1) * MINUTE, 1), (SLOTS_MAX * MINUTE, 0)):
        found = votes_of_changes(
            PROPERTY, [("town.south", 0)], {("town.south", PROPERTY): newest}, states, MODEL
        )
        assert len(found) == expected


def test_two_values_do_not_outvote_each_other() -> None:
    stages = NeighbourPipeline()
    stages.report({"town.south.e": 5.0, "town.south.f": 35.0})
    assert (stages.suspect_entities(), stages.verdicts) == (set(), [])
    assert stages.last_update("town", AREA_PROPERTY).value == 20.0


def test_a_silent_entity_is_no_neighbour_any_more() -> None:
    stages = NeighbourPipeline()
    stages.report({**NORTH, "town.north.d": 35.0})
    stages.time += 10 * MINUTE
    stages.report({"town.north.d": 36.0})
    assert stages.suspect_entities() == set()
    assert [one.deviates for one in stages.verdicts] == [True, False]


def test_verdicts_are_restored_from_a_checkpoint() -> None:
    stages = NeighbourPipeline()
    stages.report({**NORTH, "town.north.d": 21.0, "town.south.f": 3.0})
    stages.report({**NORTH, "town.north.d": 35.0})
    restored = (
        CheckpointTopic()
        .write(stages.entities.checkpoint_entries())
        .restore_stage(EntityStageFactory("log-1", 1, 4, 5 * MINUTE))
    )
    areas_restored = (
        CheckpointTopic()
        .write(stages.areas.checkpoint_entries())
        .restore_stage(AreaStageFactory("log-1", 1, 4))
    )
    assert restored is not None
    assert areas_restored is not None
    again = NeighbourPipeline(restored, areas_restored, time=stages.time)
    again.report({**NORTH, "town.north.d": 36.0})
    assert again.verdicts == []
    assert (again.last_update("town.north.d").flags, again.last_update("town.north.d").last_good) == (
        DISAGREES,
        LastGoodValue(21.0, MINUTE),
    )


def test_a_repeated_verdict_has_no_effect() -> None:
    stages = NeighbourPipeline()
    stages.report({**NORTH, "town.north.d": 35.0})
    (verdict,) = stages.verdicts
    stages.report(NORTH)
    assert isinstance(stages.entities, EntityStage)
    content = stages.entities._buckets.content_to_change("town.north.d")
    assert content.state.on_verdict(verdict, MODEL) is None
    withdrawn = verdict._replace(deviates=False, revision=verdict.revision - 1)
    assert content.state.on_verdict(withdrawn, MODEL) is None
    state = content.state.property_state("air_temperature", MODEL)
    assert state is not None
    assert state.flags == DISAGREES


def test_a_verdict_of_an_area_that_an_entity_has_left_is_ignored() -> None:
    stages = NeighbourPipeline()
    stages.report({**NORTH, "town.north.d": 35.0})
    (verdict,) = stages.verdicts
    assert isinstance(stages.entities, EntityStage)
    content = stages.entities._buckets.content_to_change("town.north.a")
    assert (
        content.state.on_verdict(verdict._replace(entity=THERMOMETERS[0], area="town.south"), MODEL) is None
    )
