"""The entity stage: what a checkpoint restores, where the replay starts, and what is emitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from runtime.kafka import topics
from stream.areas.area_stage import AreaStageFactory
from stream.engine.buckets import BEFORE_FIRST_OFFSET, CheckpointEntry
from stream.engine.stage import LOG_TIME_STEP, OutputRecord, StreamStage
from stream.engine.stage_seed import EMPTY_SEED
from stream.entities.entity_stage import EntityStageFactory
from stream.entities.roll_ups import ROLL_UP_INTERVALS
from tests.support.cities.small_cities import small_city
from tests.support.pipelines.checkpoint_topic import CheckpointTopic
from tests.support.strategies import observations
from twin.alarms.messages import ALARM_INPUTS
from twin.instant import HOUR, MINUTE, SECOND
from twin.model.observation import LastGoodValue, Observation
from twin.quality.quality_flags import QualityFlag
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    AGGREGATES,
    AREA_INPUTS,
    OBSERVATIONS,
    UPDATES,
    ObservationBatch,
    SeriesRepair,
    UpdateKind,
    WindowRepair,
    encode_closing,
    partition_of,
)

MODEL = small_city()
BUCKETS = 4
# One partition, so that every entity of the small city lives in it.
EntityStream: TypeAlias = StreamStage[ObservationBatch]
KIND = EntityStageFactory("log-1", 1, BUCKETS, 5 * MINUTE)
DecodedOutput = dict[tuple[Any, ...], Any]


def fresh() -> EntityStream:
    return KIND.seeded(0, EMPTY_SEED, MODEL)


def batch(offset: int, found: list[Observation]) -> ObservationBatch:
    return ObservationBatch(LAYOUT_VERSION, tuple(found), offset * 700_000)


def decoded(outputs: list[OutputRecord]) -> DecodedOutput:
    """Return everything that was emitted, by its key."""
    emitted: DecodedOutput = {}
    for topic, _, value in outputs:
        if topic == topics.UPDATES:
            for update in UPDATES.decode(value).updates:
                emitted["update", update.entity, update.property, update.revision] = update
        elif topic == topics.AGGREGATES:
            record = AGGREGATES.decode(value)
            for aggregate in record.aggregates:
                emitted[
                    "window", aggregate.datastream, aggregate.size, aggregate.start, aggregate.revision
                ] = aggregate
            for judged in record.assessments:
                emitted["judgement", *judged] = judged
            for repair in record.repairs:
                emitted["repair", *repair, record.time] = repair
        elif topic == topics.ALARM_INPUTS:
            emitted["tick", ALARM_INPUTS.decode(value).time] = value
        else:
            record_of_areas = AREA_INPUTS.decode(value)
            for one_input in record_of_areas.inputs:
                emitted["input", one_input.source, one_input.name, record_of_areas.time] = one_input
    return emitted


def play(stage: EntityStream, records: list[list[Observation]], start: int, stop: int) -> DecodedOutput:
    emitted: DecodedOutput = {}
    for offset in range(start, stop):
        emitted |= decoded(stage.apply(offset, batch(offset, records[offset]), MODEL).outputs)
    return emitted


records_strategy = st.lists(st.lists(observations, min_size=0, max_size=5), min_size=1, max_size=12)


@given(records_strategy, st.data())
def test_a_crash_anywhere_replays_to_the_same_records(
    records: list[list[Observation]], data: st.DataObject
) -> None:
    whole = play(fresh(), records, 0, len(records))
    store, stage = CheckpointTopic(), fresh()
    store.write(stage.checkpoint_entries())
    emitted: DecodedOutput = {}
    done = 0
    begun: Iterator[CheckpointEntry] | None = None
    while done < len(records):
        stop = data.draw(st.integers(done + 1, len(records)))
        for key, item in play(stage, records, done, stop).items():
            assert emitted.setdefault(key, item) == item
        done = stop
        kind = data.draw(st.sampled_from(["checkpoint", "a part of one", "crash"]))
        if kind == "checkpoint":
            store.write(stage.checkpoint_entries())
        elif kind == "a part of one":
            begun = begun or stage.checkpoint_entries()
            part = list(islice(begun, data.draw(st.integers(0, BUCKETS + 1))))
            store.write(part)
            if any(entry.bucket is None for entry in part):
                begun = None
        else:
            restored = store.restore_stage(KIND)
            assert restored is not None
            stage, done, begun = restored, restored.offset + 1, None
    assert emitted == whole


@given(records_strategy, st.data())
def test_a_worker_that_lost_the_partition_cannot_lose_a_record(
    records: list[list[Observation]], data: st.DataObject
) -> None:
    """Two owners at once, the old one behind, write their entries to the changelog in any mixture."""
    whole = play(fresh(), records, 0, len(records))
    store, old = CheckpointTopic(), fresh()
    store.write(old.checkpoint_entries())
    middle = data.draw(st.integers(0, len(records)))
    emitted = play(old, records, 0, middle)
    new = store.restore_stage(KIND)
    assert new is not None
    emitted |= play(new, records, 0, len(records))
    late = list(old.checkpoint_entries())
    store.write(new.checkpoint_entries())
    store.write(entry for entry in data.draw(st.permutations(late)) if data.draw(st.booleans()))
    restored = store.restore_stage(KIND)
    assert restored is not None
    for key, item in play(restored, records, restored.offset + 1, len(records)).items():
        assert whole[key] == item
    assert emitted == whole


def test_a_replay_by_a_newer_model_repeats_no_revision_of_another_record() -> None:
    now, newer = 2 * HOUR, replace(MODEL, version=MODEL.version + 1)
    found = [Observation(4, HOUR + number * MINUTE, now, -0.5 + number % 7 / 100) for number in range(48)]
    # The clock of who writes them stands still.
    records = [ObservationBatch(LAYOUT_VERSION, tuple(found[one : one + 16]), now) for one in (0, 16, 32)]
    store, stage = CheckpointTopic(), fresh()
    store.write(stage.checkpoint_entries())
    restored = store.restore_stage(KIND)
    assert restored is not None
    windows = [
        [
            {key[1:]: one for key, one in emitted.items() if key[0] == "window"}
            for emitted in (decoded(one.apply(*record, model).outputs) for record in enumerate(records))
        ]
        for one, model in ((stage, MODEL), (restored, newer))
    ]
    assert [len(one) > 0 for one in windows[0]] == [True, True, True]
    known = {key: one for emitted in windows[0] for key, one in emitted.items()}
    again = {key: one for emitted in windows[1] for key, one in emitted.items()}
    assert known.keys() & again.keys() == set()
    for before, after in zip(*windows, strict=True):
        assert max(key[-1] for key in before) < min(key[-1] for key in after)


def test_a_checkpoint_of_another_log_is_not_restored() -> None:
    stage = fresh()
    play(stage, [[Observation(1, 0, 0, 1.0)]], 0, 1)
    another = EntityStageFactory("log-2", 1, BUCKETS, 5 * MINUTE)
    assert CheckpointTopic().write(stage.checkpoint_entries()).restore_stage(another) is None


def test_a_partition_without_a_checkpoint_has_none() -> None:
    assert CheckpointTopic().restore_stage(KIND) is None


def test_a_seeded_partition_starts_at_the_beginning_and_keeps_its_revisions() -> None:
    stored = [Observation(4, number * MINUTE, number * MINUTE, -0.5) for number in range(3)]
    properties = {("town.canal", "water_level"): (-0.5, 2 * MINUTE, 0, None)}
    seed = EMPTY_SEED._replace(
        observations=stored,
        revisions={"town.canal": 41},
        properties=properties,
        datastreams={4: (-0.5, 2 * MINUTE, 0)},
    )
    stage = KIND.seeded(0, seed, MODEL)
    assert stage.offset == BEFORE_FIRST_OFFSET
    assert stage.initial_outputs(seed, MODEL) == []
    applied = stage.apply(
        0, ObservationBatch(LAYOUT_VERSION, (Observation(4, HOUR, HOUR, -0.4),), HOUR), MODEL
    )
    updates = [key for key in decoded(applied.outputs) if key[0] == "update"]
    # The slope of an hour has its first three values: those before the log count.
    assert updates == [
        ("update", "town.canal", "water_level", 42),
        ("update", "town.canal", "rate_of_rise", 43),
    ]


def test_what_a_new_log_repeats_was_known_when_the_newest_stored_observation_was_received() -> None:
    stored = [Observation(1, number * HOUR, number * HOUR + MINUTE, 50.0) for number in (1, 2)]
    seed = EMPTY_SEED._replace(observations=stored)
    opened = KIND.seeded(0, seed, MODEL).initial_outputs(seed, MODEL)
    repeated = [AREA_INPUTS.decode(one.value) for one in opened if one.topic == topics.AREA_INPUTS]
    assert [one.time for one in repeated] == [2 * HOUR + MINUTE]
    areas = AreaStageFactory("log-1", 1, BUCKETS).seeded(0, seed, MODEL)
    outputs = areas.apply(0, repeated[0], MODEL).outputs
    updates = [
        update
        for one in outputs
        if one.topic == topics.UPDATES
        for update in UPDATES.decode(one.value).updates
    ]
    after = 2 * HOUR + MINUTE + LOG_TIME_STEP  # the stage begins with the time of the newest
    assert [(one.property, one.received_time) for one in updates] == [("area_noise_level", after)]


def test_stored_observations_without_an_update_are_emitted_when_a_log_begins() -> None:
    stored = [Observation(4, number * MINUTE, number * MINUTE, -0.5) for number in range(3)]
    properties = {("town.canal", "water_level"): (-0.5, MINUTE, 0, None)}
    seed = EMPTY_SEED._replace(
        observations=stored,
        revisions={"town.canal": 41},
        properties=properties,
        repairs=[WindowRepair(4, 0), WindowRepair(99, 0)],
    )
    opened = decoded(KIND.seeded(0, seed, MODEL).initial_outputs(seed, MODEL))
    assert opened["update", "town.canal", "water_level", 42].phenomenon_time == 2 * MINUTE
    assert [one for key, one in opened.items() if key[0] == "repair"] == [WindowRepair(4, 0)]


def test_a_new_log_begins_with_a_last_good_value_that_storage_has_found_later() -> None:
    values = [-0.5, -0.499, 99.0]
    stored = [Observation(4, number * MINUTE, number * MINUTE, value) for number, value in enumerate(values)]
    suspect = 99.0, 2 * MINUTE, int(QualityFlag.RATE_OF_CHANGE)

    def opened(good: LastGoodValue) -> DecodedOutput:
        seed = EMPTY_SEED._replace(
            observations=stored,
            revisions={"town.canal": 41},
            properties={("town.canal", "water_level"): (*suspect, good)},
            datastreams={4: suspect},
        )
        return decoded(KIND.seeded(0, seed, MODEL).initial_outputs(seed, MODEL))

    newest = LastGoodValue(-0.499, MINUTE)
    assert opened(LastGoodValue(-0.5, 0))["update", "town.canal", "water_level", 42].last_good == newest
    assert not [key for key in opened(newest) if key[0] == "update"]


def test_windows_of_a_seeded_partition_are_not_emitted_again_and_open_ones_are_repaired() -> None:
    stored = [Observation(4, number * MINUTE, number * MINUTE, -0.5) for number in range(70, 100)]
    seed = EMPTY_SEED._replace(observations=stored, truncated=frozenset({4}))
    stage = KIND.seeded(0, seed, MODEL)
    now = 2 * HOUR
    emitted = decoded(
        stage.apply(0, ObservationBatch(LAYOUT_VERSION, (Observation(4, now, now, 0.0),), now), MODEL).outputs
    )
    windows = {key[2:4] for key in emitted if key[0] == "window"}
    assert windows == {(MINUTE, 99 * MINUTE), (10 * MINUTE, 90 * MINUTE), (HOUR, HOUR)}
    assert {one.phenomenon_time for key, one in emitted.items() if key[0] == "repair"} == {HOUR}


def test_a_window_of_which_a_seeded_partition_has_only_the_end_is_repaired_after_a_late_value() -> None:
    minutes = [*range(70, 80), *range(200, 210)]  # the second half of a recording came first
    stored = [Observation(4, number * MINUTE, 4 * HOUR, -0.5) for number in minutes]
    seed = EMPTY_SEED._replace(observations=stored, truncated=frozenset({4}))
    stage = KIND.seeded(0, seed, MODEL)
    late = Observation(4, 85 * MINUTE, 5 * HOUR, 0.0)
    emitted = decoded(stage.apply(0, ObservationBatch(LAYOUT_VERSION, (late,), 5 * HOUR), MODEL).outputs)
    assert {one.phenomenon_time for key, one in emitted.items() if key[0] == "repair"} == {HOUR}


def test_an_unknown_datastream_is_counted_and_skipped() -> None:
    applied = fresh().apply(0, batch(0, [Observation(99, 0, 0, 1.0)]), MODEL)
    assert applied.unknown == 1
    assert {one.topic for one in applied.outputs} == {topics.ALARM_INPUTS}, "only the tick"


def test_a_window_is_emitted_without_further_input() -> None:
    stage = fresh()
    stage.apply(0, ObservationBatch(LAYOUT_VERSION, (Observation(4, SECOND, SECOND, 1.0),), SECOND), MODEL)
    silent = [
        decoded(stage.apply(n, ObservationBatch(LAYOUT_VERSION, (), n * 30 * SECOND), MODEL).outputs)
        for n in range(1, 12)
    ]
    windows = [key[2] for emitted in silent for key in emitted if key[0] == "window"]
    assert windows == [MINUTE]
    later = decoded(stage.apply(12, ObservationBatch(LAYOUT_VERSION, (), 2 * HOUR), MODEL).outputs)
    assert sorted(key[2] for key in later if key[0] == "window") == [10 * MINUTE, HOUR]


def test_a_suspect_value_has_its_last_good_value_and_is_withdrawn_from_its_area() -> None:
    stage = fresh()
    noises = [Observation(1, n * MINUTE, n * MINUTE, 50.0 + n % 3) for n in range(5)]
    for offset, noise in enumerate(noises):
        stage.apply(offset, ObservationBatch(LAYOUT_VERSION, (noise,), noise.received_time), MODEL)
    wrong = Observation(1, 5 * MINUTE, 5 * MINUTE, 155.0)
    emitted = decoded(
        stage.apply(5, ObservationBatch(LAYOUT_VERSION, (wrong,), wrong.received_time), MODEL).outputs
    )
    (update,) = [one for key, one in emitted.items() if key[0] == "update"]
    assert update.kind is UpdateKind.OBSERVED
    assert update.flags & QualityFlag.OUT_OF_RANGE
    assert update.value == 155.0
    assert update.last_good == (51.0, 4 * MINUTE)
    (area_input,) = [one for key, one in emitted.items() if key[0] == "input"]
    assert (area_input.area, area_input.name, area_input.value) == ("town", "noise_level", None)


def test_what_a_late_suspect_value_touches_in_its_area_is_left_to_storage() -> None:
    stage = fresh()

    def repairs(offset: int, time: int, value: float) -> list[SeriesRepair]:
        received = Observation(1, time, (10 + offset) * MINUTE, value)
        outputs = stage.apply(
            offset, ObservationBatch(LAYOUT_VERSION, (received,), received.received_time), MODEL
        ).outputs
        return [
            repair
            for topic, _, record in outputs
            if topic == topics.UPDATES
            for repair in UPDATES.decode(record).repairs
        ]

    for offset in range(5):
        assert repairs(offset, offset * MINUTE, 50.0 + offset % 3) == []
    assert repairs(5, 5 * MINUTE, 155.0) == [], "nothing is told of its datastream before its assessment"
    # Storage may have had it without its assessment, and computed a value of the area from it.
    (repair,) = [one for one in repairs(6, 3 * MINUTE + SECOND, 155.0) if one.entity == "town"]
    assert repair.name == "area_noise_level"
    assert repair.start <= 3 * MINUTE + SECOND < repair.end
    assert repairs(7, 3 * MINUTE + 2 * SECOND, 51.0) == [], "the area is sent what it is worth"


def test_an_area_gets_a_fast_changing_value_less_often_and_its_last_one_in_the_end() -> None:
    stage, emitted = fresh(), []
    for n in range(30):
        spoken = (Observation(1, n * SECOND, n * SECOND, 50.0 + n % 3),) if n < 20 else ()
        outputs = stage.apply(n, ObservationBatch(LAYOUT_VERSION, spoken, n * SECOND), MODEL).outputs
        emitted += [(key[3], one) for key, one in decoded(outputs).items() if key[0] == "input"]
    times = [time for time, _ in emitted]
    assert times[0] == 0
    assert all(min(ROLL_UP_INTERVALS) <= after - before for before, after in pairwise(times))
    assert emitted[-1][1].phenomenon_time == 19 * SECOND


def test_partitions_share_the_entities_by_their_names() -> None:
    kind = EntityStageFactory("log-1", 4, BUCKETS, 5 * MINUTE)
    stored = [Observation(number, 0, 0, 1.0) for number in (1, 2, 3, 4)]
    seed = EMPTY_SEED._replace(observations=stored)
    opened = [decoded(kind.seeded(n, seed, MODEL).initial_outputs(seed, MODEL)) for n in range(4)]
    homes = {key[1]: number for number, emitted in enumerate(opened) for key in emitted}
    assert homes == {name: partition_of(name, 4) for name in ("town.canal", "town.street")}


def test_a_closing_record_emits_what_waits_for_a_later_time() -> None:
    stage = fresh()
    first, late = Observation(1, MINUTE, HOUR, 10.0), Observation(1, 11 * MINUTE, HOUR, 10.1)
    newest = Observation(1, HOUR, HOUR, 10.2)
    for offset, time in enumerate((HOUR, HOUR + SECOND)):
        found = (first, newest) if offset == 0 else ()
        stage.apply(offset, ObservationBatch(LAYOUT_VERSION, found, time), MODEL)
    waiting = decoded(stage.apply(2, ObservationBatch(LAYOUT_VERSION, (late,), HOUR + SECOND), MODEL).outputs)
    assert {key[0] for key in waiting}.isdisjoint({"window", "input"})
    closed = decoded(stage.apply(3, OBSERVATIONS.decode(encode_closing()), MODEL).outputs)
    assert {key[2:4] for key in closed if key[0] == "window"} >= {
        (MINUTE, 11 * MINUTE),
        (10 * MINUTE, 10 * MINUTE),
        (HOUR, 0),
    }
    assert ("input", "town.street", MODEL.datastreams[1].property) in {key[:3] for key in closed}
