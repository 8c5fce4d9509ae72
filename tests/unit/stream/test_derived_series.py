"""Derived values have a point for each window or time of their inputs, however the inputs arrive."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

import msgspec
import pytest

from runtime.kafka import topics
from stream.engine.stage_seed import EMPTY_SEED
from tests.support.cities.city_builder import CityBuilder, Observed
from tests.support.pipelines.checkpoint_topic import CheckpointTopic
from tests.support.pipelines.derived_series import Series, published_updates, requested_repairs, series_of
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import EntitySelection, Level, Rule, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import DAY, HOUR, INSTANT_MAX, INSTANT_MIN, MINUTE, SECOND, Instant
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_flags import QualityFlag
from twin.quality.quality_rules import TIME_RULES_ONLY
from twin.state.datastream_state import RECENT_MAX
from twin.state.window import Aggregate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    AGGREGATES,
    OBSERVATIONS,
    UPDATES,
    ObservationBatch,
    SeriesPoint,
    Update,
    UpdateKind,
    WindowRepair,
    encode_closing,
    partition_of,
)

START = 480_000 * HOUR
STATION, ROAD, CANAL, GRID = "town.station", "town.road", "town.canal", "town.grid"
UNCHECKED = {name: replace(one, quality=TIME_RULES_ONLY) for name, one in BUILT_IN_PROPERTIES.items()}


def bad_air() -> Rule:
    """Return a rule that is raised at an LKI of 10."""
    condition = ThresholdCondition(
        operand=Operand("lki"), direction="above", levels=(Level(Severity.MAJOR, 10.0, 9.5),)
    )
    return Rule(
        id="bad-air",
        version=1,
        title=BilingualText("Bad air", "Slechte lucht"),
        theme="environment",
        condition=condition,
        select=EntitySelection(types=("AirQualityStation",)),
        incident_area="Municipality",
    )


def city() -> CityModel:
    """Return an hourly station, a road and a canal with values each minute, and a quarter-hourly meter."""
    return (
        CityBuilder()
        .entity("town", "Municipality")
        .entity(STATION, "AirQualityStation", parent="town")
        .entity(ROAD, "RoadSegment", parent="town", attributes={"freeFlowSpeed": 50, "capacity": 900})
        .entity(CANAL, "Waterway", parent="town", attributes={"targetLevel": -0.6, "dangerLevel": -0.2})
        .entity(GRID, "Transformer", parent="town", attributes={"ratedPower": 400})
        .sensor("air", STATION, Observed("pm2_5"), Observed("no2"), interval=HOUR)
        .sensor("loop", ROAD, Observed("traffic_flow"), Observed("vehicle_speed"), interval=MINUTE)
        .sensor("gauge", CANAL, Observed("water_level"), interval=MINUTE)
        .sensor("meter", GRID, Observed("power_import"), Observed("power_export"), interval=15 * MINUTE)
        .model(properties=UNCHECKED, rules={"bad-air": bad_air()})
    )


MODEL = city()
IDS = {(one.entity, one.property): one.id for one in MODEL.datastreams.values()}


def observations(entity: str, property: str, interval: int, values: Sequence[float]) -> list[Observation]:
    """Return values of a property, one each interval, each received at once."""
    id = IDS[entity, property]
    return [
        Observation(id, START + number * interval, START + number * interval, value)
        for number, value in enumerate(values)
    ]


def one_by_one(found: Sequence[Observation], until: Instant = START + 6 * DAY) -> StagePipeline:
    """Play observations in the order of their times, each in a record of its own."""
    pipeline = StagePipeline(MODEL)
    for one in sorted(found, key=lambda one: (one.phenomenon_time, one.datastream)):
        pipeline.observe(one)
    pipeline.advance(until, step=HOUR)
    return pipeline


def at_once(found: Sequence[Observation], size: int = 0, until: Instant = START + 6 * DAY) -> StagePipeline:
    """Play observations in their given order at one moment, in records of a size."""
    pipeline = StagePipeline(MODEL)
    now = max(one.phenomenon_time for one in found)
    for begin in range(0, len(found), size or len(found)):
        pipeline.observe(*found[begin : begin + (size or len(found))], now=now + begin)
    pipeline.advance(until, step=HOUR)
    return pipeline


def entity_series(pipeline: StagePipeline) -> Series:
    """Return the series of entities, without those of areas."""
    return {key: one for key, one in series_of(published_updates(pipeline)).items() if key[0] != "town"}


def newest(pipeline: StagePipeline) -> dict[tuple[str, str], tuple[Instant, float, int]]:
    """Return the last state of each value of an entity."""
    found = {}
    for update in published_updates(pipeline):
        if update.kind is not UpdateKind.AMENDMENT and update.entity != "town":
            found[update.entity, update.property] = update.phenomenon_time, update.value, update.flags
    return found


def test_forty_hours_that_a_logger_sends_at_once_have_forty_indices_and_an_alarm() -> None:
    values = [4.0] * 20 + [260.0] * 3 + [5.0] * 17
    sent = observations(STATION, "pm2_5", HOUR, values)
    burst, in_order = at_once(sent), one_by_one(sent)
    index = entity_series(burst)[STATION, "lki"]
    assert list(index) == [START + number * HOUR for number in range(1, 41)]
    assert index == entity_series(in_order)[STATION, "lki"]
    raised = [one for one in burst.alarms if one.kind == "raised"]
    assert [(one.entity, one.rule) for one in raised] == [(STATION, "bad-air")]


@pytest.mark.parametrize("size", [0, 1, 7, 50])
def test_a_recording_that_is_replayed_at_once_has_every_running_mean(size: int) -> None:
    dice = Random(size)
    sent = observations(STATION, "pm2_5", HOUR, [dice.uniform(3, 200) for _ in range(100)])
    means = entity_series(at_once(sent, size))[STATION, "pm2_5_24h"]
    assert list(means) == [START + number * HOUR for number in range(18, 101)]
    assert means == entity_series(one_by_one(sent))[STATION, "pm2_5_24h"]


def test_a_late_hour_amends_every_mean_that_it_is_part_of() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [float(number) for number in range(30)])
    late = [*sent[:10], *sent[11:], sent[10]]
    assert entity_series(at_once(late, 1)) == entity_series(one_by_one(sent))
    assert newest(at_once(late, 1)) == newest(one_by_one(sent))


def test_a_mean_stays_when_its_first_hours_are_forgotten_before_there_is_a_newer_one() -> None:
    day = observations(STATION, "pm2_5", HOUR, [90.0 - hour for hour in range(24)])
    after_a_gap = observations(STATION, "pm2_5", HOUR, [10.0] * 54)[50:]
    known = entity_series(one_by_one(day))[STATION, "pm2_5_24h"]
    assert known[START + DAY][0] == 78.5
    pipeline = one_by_one([*day, *after_a_gap])
    assert entity_series(pipeline)[STATION, "pm2_5_24h"] == known
    assert newest(pipeline)[STATION, "pm2_5_24h"][:2] == (START + DAY, 78.5)


def test_a_correction_to_a_suspect_value_withdraws_its_points() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0] * 12)
    suspect = sent[5]._replace(received_time=sent[-1].received_time, flags=16)
    corrected = at_once([*sent, suspect], 1)
    assert entity_series(corrected) == entity_series(one_by_one([*sent[:5], suspect, *sent[6:]]))
    assert START + 6 * HOUR not in entity_series(corrected)[STATION, "lki"]


def test_every_value_of_a_burst_of_a_gauge_has_its_points() -> None:
    dice = Random(3)
    sent = observations(CANAL, "water_level", MINUTE, [dice.uniform(-0.7, -0.3) for _ in range(100)])
    sent += observations(ROAD, "vehicle_speed", MINUTE, [dice.uniform(10, 60) for _ in range(100)])
    sent += observations(ROAD, "traffic_flow", MINUTE, [dice.uniform(0, 900) for _ in range(100)])
    expected = entity_series(one_by_one(sent))
    assert len(expected[CANAL, "freeboard"]) == len(expected[ROAD, "speed_ratio"]) == 100
    assert len(expected[CANAL, "rate_of_rise"]) == 90
    assert entity_series(at_once(sent)) == expected
    sent.sort(key=lambda one: one.phenomenon_time)
    assert entity_series(at_once(sent, 13)) == expected


def test_a_value_that_is_delivered_again_much_later_makes_its_point_late() -> None:
    sent = observations(CANAL, "water_level", MINUTE, [-0.5, -0.4, -0.3])
    again = sent[1]._replace(received_time=sent[1].received_time + 2 * HOUR)
    found = entity_series(one_by_one([*sent, again]))
    assert found == entity_series(one_by_one([sent[0], again, sent[2]]))
    assert found[CANAL, "level_deviation"][again.phenomenon_time][1] == QualityFlag.LATE


def test_a_meter_of_a_quarter_of_an_hour_has_the_load_of_hours() -> None:
    sent = observations(GRID, "power_import", 15 * MINUTE, [190.0] * 9)
    sent += observations(GRID, "power_export", 15 * MINUTE, [0.0] * 9)
    loads = entity_series(one_by_one(sent))[GRID, "transformer_load"]
    assert loads == {START + HOUR: (50.0, 0, 2), START + 2 * HOUR: (50.0, 0, 2)}


def windows_of(pipeline: StagePipeline) -> dict[tuple[int, int, Instant], Aggregate]:
    """Return the last state of each emitted window, by size, datastream and start."""
    return {
        (one.size, one.datastream, one.start): one
        for number in range(pipeline.partitions)
        for value in pipeline.records[topics.AGGREGATES, number]
        for one in AGGREGATES.decode(value).aggregates
    }


def feed_back(
    pipeline: StagePipeline,
    windows: Iterable[Aggregate] = (),
    points: Iterable[SeriesPoint] = (),
    entity: str = STATION,
) -> None:
    """Send windows and points of an entity that storage has computed."""
    number = partition_of(entity, pipeline.partitions)
    batch = ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, aggregates=tuple(windows), points=tuple(points))
    pipeline.records[topics.OBSERVATIONS, number].append(OBSERVATIONS.encode(batch))


def test_a_window_that_storage_has_repaired_amends_what_it_touches() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0] * 40)
    pipeline = one_by_one(sent, until=sent[-1].received_time)
    window = windows_of(pipeline)[HOUR, IDS[STATION, "pm2_5"], START + 20 * HOUR]
    feed_back(pipeline, [msgspec.structs.replace(window, mean=44.0)])
    pipeline.advance(START + 6 * DAY, step=HOUR)
    corrected = [one._replace(value=44.0) if one.phenomenon_time == window.start else one for one in sent]
    assert entity_series(pipeline) == entity_series(one_by_one(corrected))


def test_a_window_that_storage_repaired_from_less_than_the_stream_had_changes_nothing() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0] * 40)
    pipeline = one_by_one(sent, until=sent[-1].received_time)
    window = windows_of(pipeline)[HOUR, IDS[STATION, "pm2_5"], START + 20 * HOUR]
    earlier = window.revision - 1
    feed_back(pipeline, [msgspec.structs.replace(window, mean=44.0, revision=earlier)])
    feed_back(pipeline, [msgspec.structs.replace(window, mean=None, count=0, revision=earlier)])
    pipeline.advance(START + 6 * DAY, step=HOUR)
    assert entity_series(pipeline) == entity_series(one_by_one(sent))


@pytest.mark.parametrize("is_restored", [False, True])
@pytest.mark.parametrize("later", [-1, 0, 1])
def test_points_of_a_repaired_window_are_repaired_after_the_windows_that_the_stream_has(
    later: int, is_restored: bool
) -> None:
    # Storage may have computed points from the repaired window alone, where the stream has none to withdraw.
    sent = observations(STATION, "pm2_5", HOUR, [20.0] * 40)
    sent[38] = sent[38]._replace(flags=int(QualityFlag.SOURCE_DOUBTFUL))
    pipeline = one_by_one(sent, until=sent[-1].received_time)
    window = windows_of(pipeline)[HOUR, IDS[STATION, "pm2_5"], START + 38 * HOUR]
    assert window.mean is None
    assert not requested_repairs(pipeline)
    feed_back(pipeline, [msgspec.structs.replace(window, revision=window.revision + later)])
    pipeline.drain()
    if is_restored:
        partition = partition_of(STATION, pipeline.partitions)
        place = topics.OBSERVATIONS, partition
        topic = CheckpointTopic().write(pipeline.stages[place].checkpoint_entries())
        restored = topic.restore_stage(pipeline.kinds[topics.OBSERVATIONS], partition)
        assert restored is not None
        pipeline.stages[place] = restored
    pipeline.advance(pipeline.time + 10 * SECOND, step=SECOND)
    spans = {(one.name, one.start, one.end) for one in requested_repairs(pipeline)}
    end = START + 39 * HOUR
    assert {("lki", end, end + 1), ("pm2_5_24h", end, end + 23 * HOUR + 1)} <= spans


def test_a_state_that_is_an_earlier_point_again_is_repaired_where_its_inputs_are_forgotten() -> None:
    # Storage may have repaired the point since: the stream emits it as it was, with a later revision.
    sent = observations(STATION, "pm2_5", HOUR, [20.0] * 80)
    del sent[20:60]
    pipeline = one_by_one(sent, until=START + 82 * HOUR)
    asked = requested_repairs(pipeline)
    doubtful = int(QualityFlag.SOURCE_DOUBTFUL)
    for one in sent[21:24]:  # fewer hours are left than a mean needs
        pipeline.observe(one._replace(received_time=pipeline.time, flags=doubtful))
    pipeline.advance(START + 83 * HOUR, step=HOUR)
    means = entity_series(pipeline)[STATION, "pm2_5_24h"]
    assert newest(pipeline)[STATION, "pm2_5_24h"] == (max(means), 20.0, 0)
    assert max(means) == START + 20 * HOUR
    again = {
        (one.entity, one.name)
        for one in requested_repairs(pipeline) - asked
        if one.start <= max(means) < one.end
    }
    assert again == {(STATION, "pm2_5_24h"), ("town", "area_pm2_5_24h")}


def test_a_state_whose_failure_is_over_is_repaired_where_its_inputs_are_forgotten() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0] * 80)
    doubtful = int(QualityFlag.SOURCE_DOUBTFUL)
    sent[20:72] = [one._replace(flags=doubtful) for one in sent[20:72]]
    pipeline = one_by_one(sent, until=START + 82 * HOUR)
    records = [
        UPDATES.decode(value)
        for number in range(pipeline.partitions)
        for value in pipeline.records[topics.UPDATES, number]
    ]
    time = START + 20 * HOUR
    (_, again) = [
        {repair.start for repair in one.repairs if repair.entity == STATION}
        for one in records
        for update in one.updates
        if (update.entity, update.property) == (STATION, "pm2_5_24h")
        and (update.phenomenon_time, update.last_good) == (time, None)
    ]
    assert again == {time}, "in the record of the state, so that it is stored before"


def restarted(
    before: StagePipeline,
    sent: Sequence[Observation],
    repairs: Sequence[WindowRepair] = (),
    *,
    updates_until: Instant = INSTANT_MAX,
) -> StagePipeline:
    """Return a pipeline on a new log, with what storage holds of the one before."""
    newest_states: dict[tuple[str, str], Update] = {}
    revisions: dict[str, int] = {}
    for update in published_updates(before):
        if update.phenomenon_time >= updates_until:
            continue
        revisions[update.entity] = max(update.revision, revisions.get(update.entity, 0))
        if update.kind is not UpdateKind.AMENDMENT:
            newest_states[update.entity, update.property] = update
    stored = [
        one for one in newest_states.values() if one.kind is UpdateKind.INDICATOR and one.entity != "town"
    ]
    by_time = sorted(sent, key=lambda one: one.phenomenon_time)
    ids = {one.datastream for one in sent}
    kept = [one for id in ids for one in [each for each in by_time if each.datastream == id][-RECENT_MAX:]]
    seed = EMPTY_SEED._replace(
        observations=sorted(kept, key=lambda one: one.phenomenon_time),
        truncated=frozenset(ids),
        aggregates=sorted(windows_of(before).values(), key=lambda one: one.start),
        repairs=list(repairs),
        revisions=revisions,
        derived=stored,
    )
    return StagePipeline(MODEL, knowledge=seed, log="log-2")


def test_a_restart_on_a_new_log_changes_no_series() -> None:
    dice = Random(5)
    sent = observations(STATION, "pm2_5", HOUR, [dice.uniform(3, 200) for _ in range(60)])
    levels = observations(CANAL, "water_level", MINUTE, [dice.uniform(-0.7, -0.3) for _ in range(100)])
    later = 39 * HOUR
    sent += [
        one._replace(phenomenon_time=one.phenomenon_time + later, received_time=one.received_time + later)
        for one in levels
    ]
    sent.sort(key=lambda one: one.phenomenon_time)
    half = [one for one in sent if one.phenomenon_time <= START + 40 * HOUR]
    before = one_by_one(half, until=half[-1].received_time)
    after = restarted(before, half)
    for one in sent[len(half) :]:
        after.observe(one)
    after.advance(START + 6 * DAY, step=HOUR)
    both = series_of([*published_updates(before), *published_updates(after)])
    repaired = {(STATION, "pm2_5_24h"), (STATION, "lki"), (STATION, "eaqi"), (CANAL, "freeboard")}
    expected = entity_series(one_by_one(sent))
    assert {key: both[key] for key in repaired} == {key: expected[key] for key in repaired}
    assert not any(math.isnan(update.value) for update in published_updates(after)), "nothing is withdrawn"
    differ = {
        time
        for time, value in expected[CANAL, "rate_of_rise"].items()
        if both[CANAL, "rate_of_rise"][time] != value
    }
    spans = [one for one in requested_repairs(after) if one.name == "rate_of_rise"]
    assert differ
    assert len(spans) <= 2, "not for each value"
    assert all(any(one.start <= time < one.end for one in spans) for time in differ)


@pytest.mark.parametrize("is_closing", [False, True])
def test_slopes_after_a_restart_are_repaired_when_no_more_values_come(*, is_closing: bool) -> None:
    sent = observations(CANAL, "water_level", MINUTE, [-0.5 + n / 1_000 for n in range(RECENT_MAX + 25)])
    known, later = sent[:-5], sent[-5:]
    before = one_by_one(known, until=known[-1].received_time + SECOND)
    after = restarted(before, known)
    after.time = before.time
    after.advance(before.time + 10 * SECOND, step=SECOND)
    for one in later:
        after.observe(one)
    assert not requested_repairs(after), "not for each value"
    if is_closing:
        after.records[topics.OBSERVATIONS, partition_of(CANAL, 2)].append(encode_closing())
        after.drain()
    else:
        after.advance(after.time + 2 * HOUR, step=MINUTE)
    (span,) = (one for one in requested_repairs(after) if one.name == "rate_of_rise")
    assert all(span.start <= one.phenomenon_time < span.end for one in later)


@pytest.mark.parametrize("failed", [1, 12, 60])
def test_a_restart_keeps_the_point_that_a_failed_state_repeats(failed: int) -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0 + hour for hour in range(24 + failed)])
    sent = [*sent[:24], *(one._replace(flags=16) for one in sent[24:])]
    before = one_by_one(sent, until=sent[-1].received_time)
    after = restarted(before, sent)
    for one in observations(STATION, "pm2_5", HOUR, [30.0] * (24 + failed + 3))[24 + failed :]:
        sent.append(one)
        after.observe(one)
    after.advance(START + 6 * DAY, step=HOUR)
    whole = one_by_one(sent)
    updates = [*published_updates(before), *published_updates(after)]
    key = STATION, "pm2_5_24h"
    assert series_of(updates)[key] == series_of(published_updates(whole))[key]
    states = [
        one for one in updates if one.kind is UpdateKind.INDICATOR and (one.entity, one.property) == key
    ]
    assert (states[-1].phenomenon_time, states[-1].value, states[-1].flags) == newest(whole)[key]
    area = "town", "area_pm2_5_24h"
    assert series_of(updates)[area] == series_of(published_updates(whole))[area]


@pytest.mark.parametrize("updates_until", [INSTANT_MIN, START + DAY + 6 * HOUR])
def test_points_between_the_newest_stored_one_and_those_in_memory_are_repaired(
    updates_until: Instant,
) -> None:
    air = observations(STATION, "pm2_5", HOUR, [20.0 + hour for hour in range(96)])
    levels = observations(CANAL, "water_level", 10 * MINUTE, [-0.5] * (96 * 6))
    sent = sorted([*air, *levels], key=lambda one: one.phenomenon_time)
    before = one_by_one(sent, until=sent[-1].received_time + 1)
    after = restarted(before, sent, updates_until=updates_until)
    after.time = before.time
    after.advance(before.time + 10 * SECOND, step=SECOND)
    for key in ((STATION, "pm2_5_24h"), (CANAL, "freeboard"), (CANAL, "rate_of_rise")):
        known = {time for time in entity_series(before)[key] if time < updates_until}
        missing = entity_series(before)[key].keys() - known - entity_series(after)[key].keys()
        spans = [one for one in requested_repairs(after) if (one.entity, one.name) == key]
        assert len(missing) > 1, key
        assert {time for time in missing if not any(one.start <= time < one.end for one in spans)} == set()
        first = max(known) + 1 if known else INSTANT_MIN
        assert min(one.start for one in spans) == first, "what is stored is not computed again"


@pytest.mark.parametrize("withdrawn", [1, 5])
def test_a_state_that_is_withdrawn_after_a_restart_is_an_earlier_point(withdrawn: int) -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0 + hour for hour in range(45)])
    levels = observations(CANAL, "water_level", HOUR, [-0.5 + hour / 100 for hour in range(45)])
    stored = sorted([*sent, *levels], key=lambda one: one.phenomenon_time)
    before = one_by_one(stored, until=sent[-1].received_time + 2 * HOUR)
    doubtful = [
        one._replace(flags=16, received_time=before.time)
        for one in (*sent[-withdrawn:], *levels[-withdrawn:])
    ]
    after = restarted(before, stored)
    for one in doubtful:
        after.observe(one, now=before.time)
    after.advance(START + 6 * DAY, step=HOUR)
    corrected = {(one.datastream, one.phenomenon_time): one for one in (*stored, *doubtful)}
    expected = newest(one_by_one(sorted(corrected.values(), key=lambda one: one.phenomenon_time)))
    for key in ((STATION, "pm2_5_24h"), (STATION, "lki"), (CANAL, "level_deviation")):
        assert newest(after)[key] == expected[key], key


def lost_log(sent: Sequence[Observation], hours: int) -> StagePipeline:
    """Return a pipeline on a new log: the last was lost after so many hours, all values are stored."""
    stored = [one for one in sent if one.phenomenon_time < START + hours * HOUR]
    before = one_by_one(stored, until=stored[-1].received_time)
    emitted = windows_of(before)
    repairs = [
        WindowRepair(one.datastream, one.phenomenon_time)
        for one in sent[:-1]
        if (HOUR, one.datastream, one.phenomenon_time) not in emitted
    ]
    return restarted(before, sent, repairs)


@pytest.mark.parametrize("lost", [3, 30, 100])
@pytest.mark.parametrize("is_fed_back_first", [True, False])
def test_no_point_is_computed_without_windows_that_a_lost_log_had(lost: int, is_fed_back_first: bool) -> None:
    dice = Random(lost)
    sent = observations(STATION, "pm2_5", HOUR, [dice.uniform(3, 200) for _ in range(150 + lost)])
    known, later = sent[: 100 + lost], sent[100 + lost :]
    expected = one_by_one(sent)
    after = lost_log(known, 100)
    repaired = [
        one
        for (size, _, start), one in windows_of(expected).items()
        if size == HOUR and start >= START + 98 * HOUR
    ]
    repaired = [one for one in repaired if one.start < known[-1].phenomenon_time]
    if is_fed_back_first:
        feed_back(after, repaired)
    for one in later[:3]:
        after.observe(one)
    if not is_fed_back_first:
        feed_back(after, repaired)
    for one in later[3:]:
        after.observe(one)
    after.advance(sent[-1].phenomenon_time + 3 * HOUR, step=HOUR)
    means, whole = entity_series(after)[STATION, "pm2_5_24h"], entity_series(expected)[STATION, "pm2_5_24h"]
    assert {time: one for time, one in means.items() if whole[time] != one} == {}
    assert list(whole)[-1] in means, "what has all its windows is computed again"


def test_a_mean_that_storage_has_computed_is_the_state_when_its_windows_are_forgotten() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0 + hour for hour in range(145)])
    known = [*sent[:100], *sent[130:145]]  # no mean of a day is after the gap
    whole = one_by_one(known)
    key = STATION, "pm2_5_24h"
    after = lost_log(known, 60)
    after.advance(START + 146 * HOUR, step=HOUR)
    assert key not in newest(after), "it is the state of the log before"
    means = entity_series(whole)[key]
    points = [SeriesPoint(STATION, "pm2_5_24h", time, *means[time]) for time in sorted(means)]
    feed_back(after, points=points[-1:])
    feed_back(after, points=points[-9:-8])
    after.advance(START + 148 * HOUR, step=HOUR)
    assert newest(after)[key] == newest(whole)[key]
    area = "town", "area_pm2_5_24h"
    assert (
        series_of(published_updates(after))[area][points[-1].phenomenon_time]
        == means[points[-1].phenomenon_time]
    )


def test_points_that_storage_has_withdrawn_are_not_the_state() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0 + hour for hour in range(40)])
    before = one_by_one(sent, until=sent[-1].received_time + 2 * HOUR)
    key = STATION, "pm2_5_24h"
    means = entity_series(before)[key]
    *_, good, withdrawn = sorted(means)
    after = restarted(before, sent, [WindowRepair(sent[-2].datastream, sent[-2].phenomenon_time)])
    points = [
        SeriesPoint(STATION, "pm2_5_24h", withdrawn, math.nan, 0, 0),
        SeriesPoint(STATION, "pm2_5_24h", good, *means[good]),
    ]
    after.observe(sent[-1], now=before.time)
    feed_back(after, points=points)
    after.advance(before.time + 2 * HOUR, step=HOUR)
    assert newest(after)[key] == (good, *means[good][:2])


def test_a_withdrawn_point_that_was_emitted_before_a_crash_is_not_the_state() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0 + hour for hour in range(40)])
    pipeline = one_by_one(sent, until=sent[-1].received_time + 5 * HOUR)
    key, area = (STATION, "pm2_5_24h"), ("town", "area_pm2_5_24h")
    before = newest(pipeline)[key]
    # Of a window that is suspect by the model with which the records were replayed.
    unknown = before[0] + 2 * HOUR
    feed_back(pipeline, points=[SeriesPoint(*key, unknown, math.nan, 0, 0)])
    pipeline.advance(pipeline.time + 2 * HOUR, step=HOUR)
    emitted = [one for one in published_updates(pipeline) if (one.entity, one.property) == key]
    assert (emitted[-1].phenomenon_time, emitted[-1].value) == before[:2]
    assert emitted[-1].revision > emitted[-2].revision
    assert unknown not in series_of(published_updates(pipeline))[area]
    feed_back(pipeline, points=[SeriesPoint(*key, before[0], math.nan, 0, 0)])
    pipeline.advance(pipeline.time + 2 * HOUR, step=HOUR)
    assert newest(pipeline)[key] == before, "a point that is known here is computed here"


def test_an_area_gets_each_point_that_storage_has_computed_and_the_stream_cannot() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0 + hour for hour in range(100)])
    pipeline = one_by_one(sent)
    key, area = (STATION, "pm2_5_24h"), ("town", "area_pm2_5_24h")
    before = newest(pipeline)[key]
    changed, withdrawn, known = (sorted(entity_series(pipeline)[key])[place] for place in (-40, -39, -2))
    feed_back(
        pipeline,
        points=[
            SeriesPoint(*key, changed, 7.0, 0, 20),
            SeriesPoint(*key, withdrawn, math.nan, 0, 0),
            SeriesPoint(*key, known, 7.0, 0, 20),
        ],
    )
    pipeline.advance(pipeline.time + HOUR)
    rolled_up = series_of(published_updates(pipeline))[area]
    assert rolled_up[changed][0] == 7.0
    assert withdrawn not in rolled_up
    assert rolled_up[known] == entity_series(pipeline)[key][known], "the stream has all windows of it"
    assert newest(pipeline)[key] == before


def test_a_stored_point_changes_no_mean_whose_windows_are_in_memory() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0 + hour for hour in range(40)])
    pipeline = one_by_one(sent, until=sent[-1].received_time + 5 * HOUR)
    key = STATION, "pm2_5_24h"
    before = newest(pipeline)[key], entity_series(pipeline)[key]
    feed_back(pipeline, points=[SeriesPoint(*key, before[0][0], 1.0, 0, 1)])
    pipeline.advance(pipeline.time + 2 * HOUR, step=HOUR)
    assert (newest(pipeline)[key], entity_series(pipeline)[key]) == before


def test_a_slope_over_a_value_that_came_too_late_is_that_of_storage() -> None:
    dice = Random(5)
    sent = observations(
        CANAL, "water_level", MINUTE, [dice.uniform(-0.7, -0.3) for _ in range(RECENT_MAX + 10)]
    )
    late = sent[4]._replace(value=0.5)
    pipeline = StagePipeline(MODEL)
    for one in (*sent[:4], *sent[5:-1]):
        pipeline.observe(one)
    pipeline.observe(late, now=sent[-2].phenomenon_time)
    pipeline.advance(sent[-2].phenomenon_time + 10 * SECOND, step=SECOND)
    known = [*sent[:4], late, *sent[5:]]
    key = CANAL, "rate_of_rise"
    slopes = entity_series(one_by_one(known))[key]
    time = sent[-2].phenomenon_time
    assert newest(pipeline)[key][1] != slopes[time][0], "the stream does not know the late value"
    value, flags, count = slopes[time]
    feed_back(pipeline, points=[SeriesPoint(CANAL, "rate_of_rise", time, value, flags, count)], entity=CANAL)
    pipeline.advance(pipeline.time + 10 * SECOND, step=SECOND)
    assert newest(pipeline)[key] == (time, *slopes[time][:2])
    assert entity_series(pipeline)[key][time] == slopes[time]

    pipeline.observe(sent[-1])
    pipeline.advance(pipeline.time + 10 * SECOND, step=SECOND)
    spans = [one for one in requested_repairs(pipeline) if one.name == "rate_of_rise"]
    assert any(one.start <= sent[-1].phenomenon_time < one.end for one in spans), (
        "it lacks the late value, too"
    )


def gauge_city() -> CityModel:
    """Return a gauge that is judged by the rules of its property."""
    return (
        CityBuilder()
        .entity("town", "Municipality")
        .entity(CANAL, "Waterway", parent="town", attributes={"targetLevel": -0.6, "dangerLevel": -0.2})
        .sensor("gauge", CANAL, Observed("water_level"), interval=MINUTE)
        .model()
    )


@pytest.mark.parametrize("level", [-0.493, 3.0])
def test_what_a_late_value_touches_is_repaired_when_it_is_not_usable(level: float) -> None:
    sent = [
        Observation(1, START + number * MINUTE, START + number * MINUTE, -0.5 + number / 1_000)
        for number in range(20)
    ]
    pipeline = StagePipeline(gauge_city())
    for one in (*sent[:7], *sent[8:]):
        pipeline.observe(one)
    pipeline.observe(sent[7]._replace(value=level), now=pipeline.time)
    pipeline.advance(pipeline.time + 10 * SECOND, step=SECOND)
    spans = {(one.name, one.start, one.end - 1) for one in requested_repairs(pipeline)}
    time = sent[7].phenomenon_time
    if level > 0:
        # Storage may have computed a value at its time, and slopes from it, before it was assessed.
        assert {("freeboard", time, time), ("rate_of_rise", time, time + HOUR)} <= spans
    else:
        assert spans == set()


def test_a_state_that_was_assessed_names_the_record_with_its_assessment() -> None:
    pipeline = StagePipeline(gauge_city(), partitions=1)
    for number, level in enumerate((-0.5, -0.5, -0.5, 3.0)):
        time = START + number * SECOND // 10  # nothing is derived before the next second
        pipeline.observe(Observation(1, time, time, level))
    assessed = [AGGREGATES.decode(value) for value in pipeline.records[topics.AGGREGATES, 0]]
    (offset,) = {batch.offset for batch in assessed if batch.assessments}
    batches = [UPDATES.decode(value) for value in pipeline.records[topics.UPDATES, 0]]
    states = [batch for batch in batches if any(one.observation is not None for one in batch.updates)]
    assert [batch.offset for batch in states][-1] == offset
    assert {batch.offset for batch in states[1:-1]} == {-1}


def test_slopes_are_left_to_a_repair_while_a_gauge_is_behind_the_memory_of_the_other_one() -> None:
    model = (
        CityBuilder()
        .entity("town", "Municipality")
        .entity(CANAL, "Waterway", parent="town", attributes={"targetLevel": -0.6, "dangerLevel": -0.2})
        .sensor("gauge", CANAL, Observed("water_level"), interval=MINUTE)
        .sensor("other", CANAL, Observed("water_level"), interval=MINUTE)
        .model(properties=UNCHECKED)
    )
    slow, fast = sorted(model.datastreams)
    pipeline = StagePipeline(model)
    for number in range(RECENT_MAX + 7):
        time = START + number * MINUTE
        ids = (slow, fast) if number < 6 else (fast,)
        pipeline.observe(*(Observation(id, time, time, number / 100) for id in ids))
    pipeline.observe(Observation(slow, START + 6 * MINUTE, pipeline.time, 0.5))
    pipeline.advance(pipeline.time + 10 * SECOND, step=SECOND)
    asked = requested_repairs(pipeline)
    assert asked, "the slopes from the late value on"
    time = START + (RECENT_MAX + 7) * MINUTE
    pipeline.observe(Observation(fast, time, time, 0.4))
    pipeline.advance(pipeline.time + 10 * SECOND, step=SECOND)
    spans = [one for one in requested_repairs(pipeline) - asked if one.name == "rate_of_rise"]
    assert any(one.start <= time < one.end for one in spans), "its hour lacks the late value"


def test_windows_tell_how_far_storage_has_what_derived_values_are_computed_from() -> None:
    sent = observations(CANAL, "water_level", MINUTE, [-0.5, -0.4, -0.3])
    pipeline = StagePipeline(MODEL)
    for one in sent:
        pipeline.observe(one, now=sent[-1].received_time)
    pipeline.advance(pipeline.time + 10 * SECOND, step=SECOND)
    number = partition_of(CANAL, pipeline.partitions)
    windows = {AGGREGATES.decode(one).offset for one in pipeline.records[topics.AGGREGATES, number]}
    of_entities = [
        batch
        for batch in map(UPDATES.decode, pipeline.records[topics.UPDATES, number])
        if all(one.entity == CANAL for one in batch.updates)
    ]
    assert any(batch.offset == -1 for batch in of_entities), "single values"
    told = {batch.offset for batch in of_entities} - {-1}
    assert told
    assert told <= windows
    derived = [batch for batch in of_entities if any(one.observation is None for one in batch.updates)]
    assert {batch.offset for batch in derived} == told


def test_a_value_that_comes_too_late_after_a_restart_touches_no_newer_slope() -> None:
    sent = observations(CANAL, "water_level", MINUTE, [-0.5 + n / 1_000 for n in range(RECENT_MAX + 10)])
    late = sent[14]
    known = [one for one in sent if one is not late]
    before = one_by_one(known, until=known[-1].received_time + MINUTE)
    after = restarted(before, known)
    after.observe(late, now=before.time)
    after.advance(before.time + HOUR, step=MINUTE)
    assert (CANAL, "rate_of_rise") not in entity_series(after), "storage computes what the value touches"


def test_a_stored_slope_changes_none_whose_values_are_in_memory() -> None:
    sent = observations(CANAL, "water_level", MINUTE, [-0.5 + number / 100 for number in range(40)])
    pipeline = one_by_one(sent, until=sent[-1].received_time + HOUR)
    key = CANAL, "rate_of_rise"
    before = newest(pipeline)[key], entity_series(pipeline)[key]
    feed_back(pipeline, points=[SeriesPoint(*key, before[0][0], 1.0, 0, 1)], entity=CANAL)
    pipeline.advance(pipeline.time + HOUR, step=HOUR)
    assert (newest(pipeline)[key], entity_series(pipeline)[key]) == before


def test_an_amended_point_that_is_forgotten_at_once_is_not_the_last_of_its_slot() -> None:
    model = (
        CityBuilder()
        .entity("town", "Municipality")
        .entity(CANAL, "Waterway", parent="town", attributes={"targetLevel": -0.6, "dangerLevel": -0.2})
        .entity("town.ditch", "Waterway", parent="town")
        .sensor("gauge", CANAL, Observed("water_level"), interval=2 * MINUTE)
        .sensor("other", CANAL, Observed("water_level"), interval=2 * MINUTE)
        .sensor("slow", "town.ditch", Observed("water_level"), interval=10 * MINUTE)
        .model(properties=UNCHECKED)
    )
    dice, now = Random(7), START + 110 * MINUTE
    sent = [
        Observation(1 + number % 2, START + number * MINUTE, now, dice.uniform(-0.7, -0.3))
        for number in range(100)
    ]
    late, last = sent[30], sent[90:]
    series = []
    for parts in ([[one] for one in sent], [*([one] for one in sent[:90] if one != late), [late, *last]]):
        pipeline = StagePipeline(model)
        for part in parts:
            pipeline.observe(*part, now=max(now, pipeline.time))
            pipeline.advance(pipeline.time + 2 * SECOND, step=SECOND)
        pipeline.advance(pipeline.time + MINUTE, step=SECOND)
        series.append(series_of(published_updates(pipeline))["town", "area_level_deviation"])
    assert series[1] == series[0]


def test_points_whose_other_inputs_are_forgotten_are_left_to_a_repair() -> None:
    late = observations(STATION, "pm2_5", HOUR, [20.0] * 5)
    sent = [*observations(STATION, "no2", HOUR, [30.0] * 100), *late]
    found = requested_repairs(at_once(sent))
    assert {(one.name, one.start, one.end - one.start) for one in found if one.entity == STATION} == {
        (name, START + number * HOUR, 1) for name in ("lki", "eaqi") for number in range(1, 6)
    }
    assert {one.name for one in found if one.entity == "town"} == {"area_lki", "area_eaqi"}


def test_a_crash_after_a_change_of_model_repeats_no_revision_with_other_content() -> None:
    sent = observations(CANAL, "water_level", MINUTE, [-0.5 + number % 7 / 100 for number in range(130)])
    partition = partition_of(CANAL, 2)
    pipeline = one_by_one(sent[:120], until=sent[119].received_time)
    before = pipeline.stages[topics.OBSERVATIONS, partition]
    checkpoint = CheckpointTopic()
    checkpoint.write(before.checkpoint_entries())
    restored = checkpoint.restore_stage(pipeline.kinds[topics.OBSERVATIONS], partition)
    assert restored is not None
    newer = replace(MODEL, version=MODEL.version + 1)
    batch = ObservationBatch(LAYOUT_VERSION, tuple(sent[120:]), sent[-1].received_time + MINUTE)
    known, again = (
        {
            one.revision: one
            for record in stage.apply(before.offset + 1, batch, newer).outputs
            if record.topic == topics.UPDATES
            for one in UPDATES.decode(record.value).updates
        }
        for stage in (before, restored)
    )
    assert {number for number in known.keys() & again.keys() if known[number] != again[number]} == set()
    assert max(known) < max(again), "what is assessed again outranks what was emitted before"


def test_a_crash_in_a_replay_by_another_model_repeats_no_revision_with_other_content() -> None:
    sent = observations(CANAL, "water_level", MINUTE, [-0.5 + number % 7 / 100 for number in range(130)])
    place = topics.OBSERVATIONS, partition_of(CANAL, 2)
    pipeline = one_by_one(sent[:120], until=sent[119].received_time)
    written = pipeline.stages[place]
    checkpoint = CheckpointTopic().write(written.checkpoint_entries())
    position = written.offset
    for one in sent[120:]:
        pipeline.observe(one)
    # A crash before the position is written leaves buckets that are ahead of it.
    checkpoint.write([one for one in written.checkpoint_entries() if one.bucket is not None])
    pipeline.advance(pipeline.time + 2 * MINUTE, step=MINUTE)
    kind, newer = pipeline.kinds[place[0]], replace(MODEL, version=MODEL.version + 1)
    first, *later = [
        (offset, kind.decode(record))
        for offset, record in enumerate(pipeline.records[place])
        if offset > position
    ]
    replayed = checkpoint.restore_stage(kind, place[1])
    assert replayed is not None
    replayed.apply(*first, newer)
    checkpoint.write(replayed.checkpoint_entries())
    restored = checkpoint.restore_stage(kind, place[1])
    assert restored is not None
    known, again = (
        [
            one
            for record in later
            for output in stage.apply(*record, newer).outputs
            if output.topic == topics.UPDATES
            for one in UPDATES.decode(output.value).updates
        ]
        for stage in (replayed, restored)
    )
    assert known
    assert known == again


def test_an_area_gets_the_point_that_storage_has_computed_although_its_inputs_failed_since() -> None:
    sent = observations(STATION, "pm2_5", HOUR, [20.0 + hour for hour in range(146)])
    failed = [one._replace(flags=int(QualityFlag.SOURCE_DOUBTFUL)) for one in sent[130:145]]
    known = [*sent[:100], *failed]
    key, area = (STATION, "pm2_5_24h"), ("town", "area_pm2_5_24h")
    whole = one_by_one(known)
    after = lost_log(known, 60)
    after.advance(START + 149 * HOUR, step=HOUR)
    means = entity_series(whole)[key]
    time = max(means)
    feed_back(after, points=[SeriesPoint(STATION, "pm2_5_24h", time, *means[time])])
    after.advance(START + 151 * HOUR, step=HOUR)
    assert newest(after)[key] == newest(whole)[key]
    assert newest(after)[key][2], "the state says what has failed"
    assert series_of(published_updates(after))[area][time] == means[time]
