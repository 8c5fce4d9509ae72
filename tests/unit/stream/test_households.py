"""The output of the entity stage about households: sums of enough of them, and nothing else."""

from __future__ import annotations

import math
from typing import TypeAlias

from stream.engine.stage import OutputRecord, StreamStage
from stream.engine.stage_seed import EMPTY_SEED
from stream.entities.entity_stage import EntityStageFactory
from tests.support.cities.household_city import household_city
from tests.support.pipelines.checkpoint_topic import CheckpointTopic
from twin.instant import HOUR, MINUTE
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.privacy.cohort import CONNECTIONS_MIN, PastCohort
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AREA_INPUTS, UPDATES, AreaInput, ObservationBatch, Update, UpdateKind

EntityStream: TypeAlias = StreamStage[ObservationBatch]
KIND = EntityStageFactory("log-1", 1, 4, 5 * MINUTE)


def decoded(outputs: list[OutputRecord]) -> tuple[list[Update], list[AreaInput]]:
    updates: list[Update] = []
    inputs: list[AreaInput] = []
    for topic, _, value in outputs:
        if topic == "updates":
            updates += UPDATES.decode(value).updates
        elif topic == "area-inputs":
            inputs += AREA_INPUTS.decode(value).inputs
    return updates, inputs


def readings(model: CityModel, minute: int) -> tuple[Observation, ...]:
    """Return a reading of each meter: its number in watts."""
    time = minute * MINUTE
    return tuple(Observation(id, time, time, id / 1000) for id in model.datastreams)


def live(stage: EntityStream, model: CityModel, minutes: range) -> tuple[list[Update], list[AreaInput]]:
    updates: list[Update] = []
    inputs: list[AreaInput] = []
    for minute in minutes:
        batch = ObservationBatch(LAYOUT_VERSION, readings(model, minute), minute * MINUTE)
        emitted, area_inputs = decoded(stage.apply(stage.offset + 1, batch, model).outputs)
        updates += emitted
        inputs += area_inputs
    return updates, inputs


def test_a_single_household_is_emitted_as_a_datastream_and_never_as_a_value() -> None:
    model = household_city(12)
    updates, _ = live(KIND.seeded(0, EMPTY_SEED, model), model, range(5))
    assert {one.kind for one in updates} == {UpdateKind.PERSONAL}
    assert all(math.isnan(one.value) for one in updates)


def test_enough_households_are_emitted_as_the_sum_of_a_closed_window() -> None:
    model = household_city(12)
    updates, inputs = live(KIND.seeded(0, EMPTY_SEED, model), model, range(12))
    (published,) = [one for one in updates if one.kind is not UpdateKind.PERSONAL]
    assert published.kind is UpdateKind.INDICATOR
    assert published.observation is None
    assert (published.property, published.phenomenon_time, published.count) == (
        "power_import",
        10 * MINUTE,
        12,
    )
    assert math.isclose(published.value, sum(range(1, 13)) / 1000)
    (to_area,) = inputs
    assert (to_area.area, to_area.value, to_area.weight) == ("town.east", published.value, 12)


def test_a_backlog_of_a_day_has_the_sums_that_it_would_have_had_in_time() -> None:
    model = household_city(12)
    minutes = range(24 * 60)
    in_time, _ = live(KIND.seeded(0, EMPTY_SEED, model), model, minutes)
    stage, at_once = KIND.seeded(0, EMPTY_SEED, model), []
    for id in model.datastreams:  # meter after meter, and what each of them kept for a day
        kept = tuple(Observation(id, minute * MINUTE, 24 * HOUR, id / 1000) for minute in minutes)
        batch = ObservationBatch(LAYOUT_VERSION, kept, 24 * HOUR)
        at_once += decoded(stage.apply(stage.offset + 1, batch, model).outputs)[0]
    at_once += tick(stage, model, 24 * 60 + 1)
    sums = [
        {one.phenomenon_time: (one.value, one.flags, one.count) for one in found if one.value == one.value}
        for found in (in_time, at_once)
    ]
    assert len(sums[0]) == 24 * 6 - 1
    assert sums[1].items() >= sums[0].items()


def test_too_few_households_are_not_emitted() -> None:
    model = household_city(CONNECTIONS_MIN - 1)
    updates, inputs = live(KIND.seeded(0, EMPTY_SEED, model), model, range(45))
    assert {one.kind for one in updates} == {UpdateKind.PERSONAL}
    assert inputs == []


def test_an_area_gets_no_sum_of_too_few_households() -> None:
    model = household_city(12, 3)
    _, inputs = live(KIND.seeded(0, EMPTY_SEED, model), model, range(25))
    assert {one.source for one in inputs} == {"town.transformer-0"}


def test_the_beginning_of_a_log_emits_nothing_about_households() -> None:
    model = household_city(12, 3)
    stored = [one for minute in range(5) for one in readings(model, minute)]
    states = {one.datastream: (one.value, one.phenomenon_time, 0) for one in stored}
    seed = EMPTY_SEED._replace(observations=stored, datastreams=states)
    stage = KIND.seeded(0, seed, model)
    assert stage.initial_outputs(seed, model) == []
    updates, inputs = live(stage, model, range(5, 7))
    assert {one.kind for one in updates} == {UpdateKind.PERSONAL}
    assert inputs == []


def test_a_cohort_outlives_its_log() -> None:
    """Otherwise a household that joins while the log is replaced would be the difference of two sums."""
    model = household_city(12)
    members = tuple(range(1, 12))
    seed = EMPTY_SEED._replace(cohorts={("town.transformer-0", "power_import"): PastCohort(members, 0)})
    stored = list(readings(model, 10))
    stage = KIND.seeded(0, seed._replace(observations=stored), model)
    updates, _ = live(stage, model, range(11, 25))
    published = [one for one in updates if one.kind is UpdateKind.INDICATOR]
    assert [one.datastreams for one in published] == [members]


def test_meters_that_were_silent_once_have_their_next_window_emitted_as_early_as_after_a_restart() -> None:
    """A window is emitted once: at another time, it would contain other readings."""
    model = household_city(12)
    stage = KIND.seeded(0, EMPTY_SEED, model)
    live(stage, model, range(5))
    tick(stage, model, 25)  # the window of ten minutes is emitted early, that of the hour is not yet due
    live(stage, model, range(30, 36))
    restored = CheckpointTopic().write(stage.checkpoint_entries()).restore_stage(KIND)
    assert restored is not None
    emitted = [[tick(one, model, minute) for minute in (41, 44, 47)] for one in (stage, restored)]
    assert emitted[0] == emitted[1]
    published = [one for updates in emitted[0] for one in updates if one.kind is UpdateKind.INDICATOR]
    assert [(one.phenomenon_time, one.count) for one in published] == [(40 * MINUTE, 12)]


def tick(stage: EntityStream, model: CityModel, minute: int) -> list[Update]:
    """Apply a tick; return the updates."""
    batch = ObservationBatch(LAYOUT_VERSION, (), minute * MINUTE)
    return decoded(stage.apply(stage.offset + 1, batch, model).outputs)[0]
