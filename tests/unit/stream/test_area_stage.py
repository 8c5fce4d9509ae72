"""The area stage: roll-ups from entities to neighbourhood, district and city."""

from __future__ import annotations

import math

import msgspec

from runtime.kafka import topics
from stream.areas.area_inputs import area_input_records
from stream.areas.area_stage import AreaStageFactory
from stream.engine.stage import LOG_TIME_STEP, RECORD_ITEMS_MAX, StreamStage
from stream.engine.stage_seed import EMPTY_SEED
from tests.support.cities.city_builder import CityBuilder
from tests.support.cities.household_city import household_city
from tests.support.cities.small_cities import small_city
from tests.support.pipelines.checkpoint_topic import CheckpointTopic
from twin.instant import HOUR, INSTANT_MIN, MINUTE
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.quality.quality_flags import QualityFlag
from twin.state.area_state import (
    SLOTS_MAX,
    AreaChanges,
    AreaCodec,
    AreaSeries,
    AreaState,
    outdated_input,
    restoring_input,
)
from twin.state.slot_inputs import SlotSpan
from twin.state.window import Aggregate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    AREA_INPUTS,
    UPDATES,
    AreaInput,
    AreaInputBatch,
    SeriesRepair,
    Update,
    UpdateKind,
)

STUCK = int(QualityFlag.STUCK)
KIND = AreaStageFactory("log-1", 1, 4)


def town() -> CityModel:
    return (
        CityBuilder.of(small_city())
        .entity("town.east", "District", "East")
        .entity("town.east.quay", "Neighbourhood", "Quay")
        .entity("town.east.yard", "Neighbourhood", "Yard")
        .model()
    )


MODEL = town()


def area_input(area: str, source: str, name: str, value: float | None, **other: int) -> AreaInput:
    time = other.get("time", 10 * MINUTE)
    return AreaInput(
        area,
        source,
        name,
        value,
        time,
        other.get("flags", 0),
        other.get("weight", 1),
        time + MINUTE,
        other.get("revision", time),
        time,
    )


def play(stage: StreamStage[AreaInputBatch], *records: list[AreaInput]) -> list[Update]:
    """Apply records and the inputs that the stage sends to other areas, until there are no more."""
    waiting = [AreaInputBatch(LAYOUT_VERSION, 0, tuple(one)) for one in records]
    updates: list[Update] = []
    while waiting:
        for output in stage.apply(stage.offset + 1, waiting.pop(0), MODEL).outputs:
            if output.topic == "updates":
                updates += UPDATES.decode(output.value).updates
            else:
                waiting.append(AREA_INPUTS.decode(output.value))
    return updates


def last(updates: list[Update]) -> dict[tuple[str, str], Update]:
    return {(one.entity, one.property): one for one in updates}


def test_a_mean_goes_up_the_tree_weighted_by_the_sensors_behind_it() -> None:
    stage = KIND.seeded(0, EMPTY_SEED, MODEL)
    updates = play(
        stage,
        [
            area_input("town.east.quay", "town.east.quay", "pm2_5", 10.0, weight=3),
            area_input("town.east.yard", "town.east.yard", "pm2_5", 20.0),
        ],
    )
    newest = last(updates)
    assert newest["town.east.quay", "area_pm2_5"].value == 10.0
    assert newest["town.east", "area_pm2_5"].value == 12.5
    assert newest["town", "area_pm2_5"].value == 12.5
    assert newest["town", "area_pm2_5"].count == 4


def test_indicators_roll_up_by_their_own_rule() -> None:
    stage = KIND.seeded(0, EMPTY_SEED, MODEL)
    updates = play(
        stage,
        [
            area_input("town.east.quay", "town.east.quay", "lki", 3.0),
            area_input("town.east.yard", "town.east.yard", "lki", 5.0),
            area_input("town", "town.canal", "water_level", -0.5),
        ],
    )
    newest = last(updates)
    assert newest["town.east", "area_lki"].value == 5.0
    assert ("town", "area_water_level") not in newest


def test_withdrawn_and_expired_values_do_not_count() -> None:
    stage = KIND.seeded(0, EMPTY_SEED, MODEL)
    updates = play(
        stage,
        [area_input("town.east", "a", "pm2_5", 10.0), area_input("town.east", "b", "pm2_5", 30.0)],
        [area_input("town.east", "b", "pm2_5", None, time=11 * MINUTE, flags=STUCK)],
    )
    assert last(updates)["town.east", "area_pm2_5"].value == 10.0
    updates = play(stage, [area_input("town.east", "c", "pm2_5", 50.0, time=20 * MINUTE)])
    assert last(updates)["town.east", "area_pm2_5"].value == 50.0


def test_repeated_and_older_inputs_cause_no_update() -> None:
    stage = KIND.seeded(0, EMPTY_SEED, MODEL)
    first = area_input("town.east", "a", "pm2_5", 10.0)
    assert play(stage, [first])
    again = area_input("town.east", "a", "pm2_5", 10.0, revision=11 * MINUTE)
    earlier = area_input("town.east", "a", "pm2_5", 99.0, revision=9 * MINUTE)
    assert play(stage, [first, again, earlier]) == []


def test_an_equal_input_is_told_again_when_its_source_has_skipped_other_values() -> None:
    """Storage may have computed the point from one of these."""
    stage = KIND.seeded(0, EMPTY_SEED, MODEL)
    first = area_input("town.east", "a", "pm2_5", 10.0)
    play(stage, [first])
    again = first._replace(revision=11 * MINUTE, skips=True)
    updates = play(stage, [again])
    points = [(one.entity, one.phenomenon_time // MINUTE, one.value, one.kind) for one in updates]
    assert points == [("town.east", 10, 10.0, UpdateKind.AMENDMENT), ("town", 10, 10.0, UpdateKind.AMENDMENT)]
    assert play(stage, [again._replace(revision=12 * MINUTE, skips=False)]) == []


def test_an_input_of_an_earlier_slot_amends_its_points_and_no_others() -> None:
    stage = KIND.seeded(0, EMPTY_SEED, MODEL)
    minutes = [area_input("town.east", "a", "pm2_5", 10.0, time=minute * MINUTE) for minute in (10, 12, 14)]
    play(stage, minutes)
    updates = play(stage, [area_input("town.east", "b", "pm2_5", 30.0, time=11 * MINUTE)])
    points = [(one.entity, one.phenomenon_time // MINUTE, one.value, one.kind) for one in updates]
    amendment = UpdateKind.AMENDMENT
    # It counts in the slot in which it was measured, and in the one after it.
    assert points == [
        ("town.east", 11, 20.0, amendment),
        ("town.east", 12, 20.0, amendment),
        ("town", 11, 20.0, amendment),
        ("town", 12, 20.0, amendment),
    ]
    revisions = [one.revision for one in updates if one.entity == "town.east"]
    assert revisions == [4, 5]


def test_a_record_with_more_slots_than_are_kept_has_a_point_of_each() -> None:
    stage = KIND.seeded(0, EMPTY_SEED, MODEL)
    minutes = range(3 * SLOTS_MAX)
    record = [
        area_input("town.east", source, name, value + minute, time=minute * MINUTE)
        for source, value in (("a", 10.0), ("b", 30.0))
        for name in ("pm2_5", "noise_level")
        for minute in minutes
    ]
    updates = play(stage, record)
    for area in ("town.east", "town"):
        for name, value in (("area_pm2_5", 20.0), ("area_noise_level", 30.0)):
            series = [one for one in updates if (one.entity, one.property) == (area, name)]
            found = {one.phenomenon_time // MINUTE: one.value for one in series}
            assert found == {minute: value + minute for minute in minutes}
            (newest,) = (one for one in series if one.kind is UpdateKind.INDICATOR)
            assert newest.phenomenon_time == minutes[-1] * MINUTE


def test_after_a_burst_a_series_keeps_no_more_slots_than_before() -> None:
    state = AreaState()
    minutes = range(3 * SLOTS_MAX)
    record = [area_input("town", "a", "pm2_5", 1.0, time=minute * MINUTE) for minute in minutes]
    state.apply("town", record, MODEL, 1)
    series = state.series["pm2_5"]
    assert len(series.results) == len(series.inputs.by_source["a"]) == SLOTS_MAX + 1, (
        "and the newest before them"
    )
    late = state.apply("town", [area_input("town", "b", "pm2_5", 9.0, time=7 * MINUTE)], MODEL, 2)
    assert [(one.name, one.start // MINUTE) for one in late.repairs] == [("area_pm2_5", 7)]


def test_an_area_whose_only_value_is_withdrawn_has_none_now() -> None:
    stage = KIND.seeded(0, EMPTY_SEED, MODEL)
    play(stage, [area_input("town", "a", "pm2_5", 10.0)])
    withdrawn = area_input("town", "a", "pm2_5", None, revision=11 * MINUTE)
    amended, newest = play(stage, [withdrawn])
    assert amended.kind is UpdateKind.AMENDMENT
    assert newest.kind is UpdateKind.INDICATOR
    assert math.isnan(amended.value)
    assert math.isnan(newest.value)
    assert newest.flags & QualityFlag.INCOMPLETE
    (again,) = play(stage, [area_input("town", "a", "pm2_5", 20.0, time=11 * MINUTE)])
    assert (again.value, again.flags) == (20.0, 0)


def test_when_the_newest_value_is_withdrawn_that_before_the_kept_slots_is_the_value_now() -> None:
    state = AreaState()
    times = [0, 3 * SLOTS_MAX * MINUTE]
    for time in times:
        state.apply("town", [area_input("town", "a", "pm2_5", 10.0, time=time)], MODEL, 1)
    withdrawn = area_input("town", "a", "pm2_5", None, time=times[1], revision=times[1] + 1)
    changes = state.apply("town", [withdrawn], MODEL, 2)
    (newest,) = [one for one in changes.values if one.is_newest]
    assert (newest.value, newest.phenomenon_time, newest.flags) == (10.0, 0, 0)


def test_what_an_area_emits_of_slots_whose_inputs_storage_computes_is_repaired_after_it() -> None:
    # The stream is told later, or never, what storage has computed; its emission may be stored later.
    area, name, state = "town.east", "pm2_5", AreaState()

    def amend(source: str, minute: int, value: float) -> AreaChanges:
        return state.apply(area, [area_input(area, source, name, value, time=minute * MINUTE)], MODEL, 1)

    def repair(first: int, last: int) -> SeriesRepair:
        return SeriesRepair(area, "area_pm2_5", first * MINUTE, (last + 1) * MINUTE + 1)

    def told(area: str, source: str, first: int, last: int) -> AreaInput:
        return outdated_input(area, source, name, SlotSpan(first * MINUTE, last * MINUTE))

    for minute in (*range(5), 6, 7):
        amend("a", minute, 1.0)
        amend("b", minute, 1.0)
    left = state.apply(area, [told(area, "a", 3, 4)], MODEL, 2)
    assert (left.values, left.repairs) == ([], [repair(3, 5)]), "the input of 4 counts in 5 as well"
    assert left.inputs == [told("town", area, 3, 5)]
    _, state = AreaCodec().decode(msgspec.Raw(AreaCodec().encode(area, state)))
    amended = amend("b", 3, 2.0)
    assert amended.repairs == [repair(3, 3)]
    assert amended.inputs[-1] == told("town", area, 3, 3), "behind the value of the slot"
    assert amend("b", 5, 2.0).repairs == [repair(5, 5)]
    assert amend("b", 6, 2.0).repairs == []
    assert amend("a", 3, 3.0).repairs == [], "it is right again"
    assert amend("b", 3, 4.0).repairs == []
    amend("a", 4 * SLOTS_MAX, 1.0)
    amend("a", 5 * SLOTS_MAX, 1.0)
    assert state.series[name].outdated.by_source == {}


def test_what_may_count_again_since_before_a_restart_is_left_to_storage() -> None:
    # Since a restart an area has the newest input of each source; the one before it may still be valid.
    area, name = "town.east", "pm2_5"
    state = AreaState(series={name: AreaSeries(MINUTE, floor=9 * MINUTE)})

    def put(source: str, minute: int, value: float | None, revision: int = HOUR) -> AreaChanges:
        input = area_input(area, source, name, value, time=minute * MINUTE, revision=revision)
        return state.apply(area, [input], MODEL, 1)

    def repair(first: int, last: int) -> SeriesRepair:
        return SeriesRepair(area, "area_pm2_5", first * MINUTE, (last + 1) * MINUTE + 1)

    for source in ("a", "b"):
        assert put(source, 9, 10.0).repairs == []
    withdrawn = put("a", 9, None, HOUR + 1)
    assert repair(9, 10) in withdrawn.repairs
    told = outdated_input("town", area, name, SlotSpan(9 * MINUTE, 9 * MINUTE))
    assert withdrawn.inputs[-1] == told, "behind the value of the slot"
    assert put("b", 10, 11.0).repairs == [repair(10, 10)], "it may count there, too"
    assert put("b", 11, 12.0).repairs == []
    assert put("a", 11, 12.0).repairs == []
    assert repair(11, 12) in put("a", 11, None, HOUR + 1).repairs, "nothing before it is known"
    for source, minute in (("a", 12), ("a", 13), ("b", 14)):
        assert put(source, minute, 12.0).repairs == []
    assert put("a", 13, None, HOUR + 1).repairs == [], "the one before it is known"


def test_an_input_that_is_sent_again_after_a_crash_is_left_to_storage() -> None:
    state, area, name = AreaState(), "town.east", "pm2_5"
    sent = [area_input(area, "a", name, 10.0 + minute, time=minute * MINUTE) for minute in (1, 2, 3)]
    for one in sent:
        assert state.apply(area, [one], MODEL, 1).repairs == []
    again = state.apply(area, sent[1:], MODEL, 1, replayed=True)
    assert (again.values, again.repairs) == (
        [],
        [SeriesRepair(area, "area_pm2_5", 2 * MINUTE, 5 * MINUTE + 1)],
    )
    assert again.inputs == [], "a repair computes the areas above as well"
    assert state.apply(area, sent, MODEL, 1).repairs == [], "nothing has crashed"
    sent_at = [(0, 5, 0), (1, 4, 0), (0, 5, 1), (0, 6, 0), (0, 6, 0), (0, 5, 1), (-1, 1, 0)]
    assert [state.note_sent(*one) for one in sent_at] == [False, False, False, False, True, True, False]


def test_the_state_of_an_area_without_points_in_memory_is_the_newest_stored_one() -> None:
    area, name = "town.east", "pm2_5"
    state = AreaState(series={name: AreaSeries(MINUTE, floor=9 * MINUTE)})
    state.apply(area, [area_input(area, "a", name, 10.0, time=9 * MINUTE)], MODEL, 1)
    gone = state.apply(area, [area_input(area, "a", name, None, time=9 * MINUTE, revision=HOUR)], MODEL, 2)
    assert math.isnan(gone.values[-1].value)
    assert SeriesRepair(area, "area_pm2_5", 9 * MINUTE, 10 * MINUTE + 1) in gone.repairs, "storage is asked"
    told = restoring_input(area, name, 4 * MINUTE, (7.0, STUCK, 3, 2))
    (restored,) = state.apply(area, [told], MODEL, 3, repeated=True).values
    assert restored.is_newest
    assert (restored.value, restored.phenomenon_time, restored.weight, restored.members) == (
        7.0, 4 * MINUTE, 3, 2,
    )  # fmt: skip
    newer = state.apply(area, [area_input(area, "a", name, 12.0, time=11 * MINUTE)], MODEL, 4).values[-1]
    assert (newer.value, newer.phenomenon_time) == (12.0, 11 * MINUTE)
    (same,) = state.apply(area, [told], MODEL, 5, repeated=True).values
    assert same == newer, "what is known here is newer"


def test_the_state_is_the_point_of_storage_where_an_input_of_its_slot_may_not_be_known_here() -> None:
    # Since a restart: the value before the one that is withdrawn may count, and only storage has it.
    area, name = "town.east", "pm2_5"
    state = AreaState(series={name: AreaSeries(MINUTE, floor=9 * MINUTE)})
    for source in ("a", "b"):
        state.apply(area, [area_input(area, source, name, 10.0, time=9 * MINUTE)], MODEL, 1)
    told = restoring_input(area, name, 9 * MINUTE, (12.0, 0, 2, 2))
    before = state.revision
    assert state.apply(area, [told], MODEL, 2, repeated=True).values == [], "all is known here"
    assert state.revision == before
    state.apply(area, [area_input(area, "a", name, None, time=9 * MINUTE, revision=HOUR)], MODEL, 3)
    (restored,) = state.apply(area, [told], MODEL, 4, repeated=True).values
    assert restored.is_newest
    assert (restored.value, restored.phenomenon_time, restored.members) == (12.0, 9 * MINUTE, 2)
    amended = state.apply(area, [area_input(area, "b", name, 11.0, time=9 * MINUTE, revision=HOUR)], MODEL, 5)
    assert SeriesRepair(area, "area_pm2_5", 9 * MINUTE, 10 * MINUTE + 1) in amended.repairs, "asked again"


def test_a_point_that_storage_has_told_and_withdrawn_since_is_withdrawn() -> None:
    area, name = "town.east", "pm2_5"
    state = AreaState(series={name: AreaSeries(MINUTE, floor=9 * MINUTE)})
    told = restoring_input(area, name, 4 * MINUTE, (7.0, 0, 3, 2))
    first = state.apply(area, [told], MODEL, 1, repeated=True)
    # What is told may be stored after a repair that found otherwise, so its slot is computed once more.
    assert first.repairs == [SeriesRepair(area, "area_pm2_5", 4 * MINUTE, 5 * MINUTE + 1)]
    gone = state.apply(area, [restoring_input(area, name, 4 * MINUTE, None)], MODEL, 2, repeated=True)
    (value,) = gone.values
    assert math.isnan(value.value)
    assert value.phenomenon_time == 4 * MINUTE
    assert gone.repairs == first.repairs


def test_a_slot_is_told_again_when_its_source_has_a_newer_one() -> None:
    """Storage may have computed it from values that the source has not sent, as they came and went."""
    state, area = AreaState(), "town.east"
    first, equal, newer = (
        area_input(area, "a", "pm2_5", value, time=time * MINUTE, revision=revision)
        for value, time, revision in ((7.0, 1, 1), (7.0, 1, 2), (8.0, 2, 3))
    )
    assert len(state.apply(area, [first], MODEL, 1).values) == 1
    assert state.apply(area, [equal._replace(phenomenon_time=MINUTE + 1)], MODEL, 2).values == []
    ended = state.apply(area, [equal._replace(phenomenon_time=MINUTE + 2), newer], MODEL, 3)
    assert [(one.value, one.phenomenon_time) for one in ended.values] == [(7.0, MINUTE), (8.0, 2 * MINUTE)]
    assert [one.slot for one in ended.inputs] == [MINUTE, 2 * MINUTE], "and to the area above"


def test_a_slot_that_never_had_a_value_is_told_to_have_none() -> None:
    """Storage may have computed it from a value that was found suspect within its slot."""
    state, area = AreaState(), "town.east"
    state.apply(area, [area_input(area, "a", "pm2_5", 7.0, time=MINUTE)], MODEL, 1)
    suspect = area_input(area, "a", "pm2_5", None, time=3 * MINUTE, flags=STUCK)
    values = state.apply(area, [suspect], MODEL, 2).values
    assert [(math.isnan(one.value), one.phenomenon_time, one.is_newest) for one in values] == [
        (True, 3 * MINUTE, False),
        (False, MINUTE, True),
    ]


def test_the_sum_of_households_before_a_restart_counts_on_in_the_city() -> None:
    model = household_city(12)
    entity = next(iter(model.datastreams.values())).entity
    time = 4 * HOUR
    update = Update(
        entity, "power_import", 5, 60.0, time, time, 0, (1,), None, UpdateKind.INDICATOR, count=12
    )
    seed = EMPTY_SEED._replace(derived=[update])
    stage = AreaStageFactory("log-1", 1, 4).seeded(0, seed, model)
    slot = time - HOUSEHOLD_WINDOW
    sent = AreaInput("town.east", entity, "power_import", 60.0, time, 0, 12, slot + 20 * MINUTE, 5, slot)
    outputs = stage.apply(0, AreaInputBatch(LAYOUT_VERSION, time, (sent,), repeated=True), model).outputs
    updates = [
        update
        for one in outputs
        if one.topic == topics.UPDATES
        for update in UPDATES.decode(one.value).updates
    ]
    assert [(one.property, one.value) for one in updates] == [("area_power_import", 60.0)]


def test_a_stored_state_whose_only_point_is_withdrawn_is_withdrawn() -> None:
    state, area = AreaState(), "town.east"
    told = restoring_input(area, "pm2_5", 4 * MINUTE, None)
    (withdrawn,) = state.apply(area, [told], MODEL, 3, repeated=True).values
    assert withdrawn.is_newest
    assert math.isnan(withdrawn.value)
    assert withdrawn.phenomenon_time == 4 * MINUTE


def test_a_record_of_a_repair_that_begins_a_log_comes_after_what_is_stored() -> None:
    window = Aggregate(1, HOUR, HOUR, 5 * HOUR, 1, 0, 1.0, 0, 50.0, 50.0, 50.0, None, 50.0, 50.0, b"")
    stored = Observation(1, 2 * HOUR, 2 * HOUR + MINUTE, 50.0)
    assert EMPTY_SEED._replace(observations=[stored]).time == 2 * HOUR + MINUTE
    seed = EMPTY_SEED._replace(observations=[stored], aggregates=[window])
    told = AreaInputBatch(
        LAYOUT_VERSION, INSTANT_MIN, (restoring_input("town.east", "pm2_5", 4 * MINUTE, None),), repeated=True
    )
    outputs = KIND.seeded(0, seed, MODEL).apply(0, told, MODEL).outputs
    (update,) = (
        one for output in outputs if output.topic == "updates" for one in UPDATES.decode(output.value).updates
    )
    assert update.received_time == 5 * HOUR + LOG_TIME_STEP, "and not in the year 1"


def test_a_model_with_another_grid_requests_the_slots_in_memory_again() -> None:
    earlier = CityBuilder().entity("town", "Municipality").entity("town.a", "Street")
    earlier.sensor("first", "town.a", "pm2_5", interval=MINUTE)
    state, repairs = AreaState(), []
    for slot in range(90, 121):
        inputs = [area_input("town", "town.a", "pm2_5", 1.0, time=slot * MINUTE)]
        repairs += state.apply("town", inputs, earlier.model(), 1).repairs
    assert repairs == []
    slower = earlier.sensor("second", "town.a", "pm2_5", interval=HOUR).model(2)
    for slot in (121, 122):
        inputs = [area_input("town", "town.a", "pm2_5", 2.0, time=slot * MINUTE)]
        repairs += state.apply("town", inputs, slower, 2).repairs
    assert repairs == [SeriesRepair("town", "area_pm2_5", 90 * MINUTE, 180 * MINUTE + 1)]


def test_a_restored_stage_continues_where_it_was() -> None:
    stage = KIND.seeded(0, EMPTY_SEED._replace(area_revisions={"town": 7}), MODEL)
    before = play(stage, [area_input("town", "town.street", "noise_level", 60.0)])
    assert [one.revision for one in before] == [8]
    again = CheckpointTopic().write(stage.checkpoint_entries()).restore_stage(KIND)
    assert again is not None
    after = play(again, [area_input("town", "town.street", "noise_level", 70.0, time=11 * MINUTE)])
    assert [(one.revision, one.value) for one in after] == [(9, 70.0)]


def test_a_record_has_the_inputs_of_a_name_for_all_areas_in_order() -> None:
    per_area = RECORD_ITEMS_MAX // 2
    areas = ("town.east.quay", "town.east.yard")
    sent = [
        area_input(area, f"{area}.{number % 3}", name, float(number))
        for number in range(per_area)
        for area in areas
        for name in ("no2", "pm10")
    ]
    batches = [AREA_INPUTS.decode(one.value) for one in area_input_records(sent, MINUTE, 1)]
    assert [{one.name for one in batch.inputs} for batch in batches] == [{"no2"}, {"pm10"}]
    for area in areas:
        of_area = [one.value for batch in batches for one in batch.inputs if one.area == area]
        assert of_area == [float(number) for number in range(per_area)] * 2
