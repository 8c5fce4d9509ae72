"""The alarm stage and time: gaps between ticks, and delays that late points change."""

from __future__ import annotations

from msgspec import structs

from runtime.kafka import topics
from stream.engine.stage_seed import EMPTY_SEED
from stream.entities.entity_stage import EntityStageFactory
from tests.support.cities.alarm_city import alarm_city, high_water_rule, point
from tests.support.cities.city_builder import CityBuilder
from tests.support.pipelines.stage_pipeline import StagePipeline
from tests.unit.stream.test_alarm_stage import START, kinds, level
from twin.alarms.evaluation.alarm_correction import AlarmCorrection, AlarmRepair
from twin.alarms.evaluation.level_state import ConditionValue, SeverityChange
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import EntitySelection, Level, ThresholdCondition
from twin.alarms.rules.rule_index import RuleIndex
from twin.alarms.severity import Severity
from twin.backtest.condition_history import (
    AlarmHistory,
    SeverityHistory,
    correction_of,
    stored_condition,
)
from twin.backtest.stored_occurrences import stored_severity_at
from twin.instant import HOUR, INSTANT_MAX, MINUTE, SECOND
from twin.model.observation import Observation
from twin.state.window import WindowAccumulator, aggregate_of
from twin.wire.messages import AGGREGATES


def test_a_gap_between_ticks_does_not_count_towards_a_delay() -> None:
    rule = structs.replace(high_water_rule(), off_delay=4 * MINUTE + 30 * SECOND)
    run = StagePipeline(alarm_city([rule]))
    run.observe(level(0, -0.2))
    run.observe(level(1, -0.5))
    run.observe(level(3.5, -0.5))  # no tick since: this point advances the clock
    assert kinds(run) == ["raised"]
    run.advance(START + 6 * MINUTE)
    assert kinds(run) == ["raised", "returned"]
    assert run.alarms[-1].time == START + 5 * MINUTE + 30 * SECOND


def test_a_late_point_restores_a_severity_that_eased_too_soon() -> None:
    rule = structs.replace(high_water_rule(), off_delay=2 * MINUTE)
    run = StagePipeline(alarm_city([rule]))
    run.observe(level(0, -0.2))
    for number in range(40):  # the point is settled by then
        run.observe(level(1 + number / 10, -0.2))
    run.observe(level(5, -0.35))
    run.observe(level(7, -0.35))
    worst = run.alarms[0].severity
    assert kinds(run) == ["raised", "eased"]
    run.observe(level(6, -0.2, received=7.1))
    assert kinds(run) == ["raised", "eased", "worsened"]
    assert run.alarms[-1].severity == worst
    assert run.alarms[-1].late


def test_a_new_log_keeps_an_alarm_that_was_raised_after_the_newest_point() -> None:
    rule = structs.replace(high_water_rule(), on_delay=2 * MINUTE)
    model = alarm_city([rule])
    run = StagePipeline(model)
    for minute in range(-5, 3):
        run.observe(level(minute, -0.2 if minute > 0 else -0.5))
    run.advance(START + 4 * MINUTE)
    assert [(event.kind, event.time) for event in run.alarms] == [("raised", START + 3 * MINUTE)]
    bound = RuleIndex(model).rules_of("canal").rules[rule.id]
    points = {
        bound.series[0]: [
            point(START + minute * MINUTE, -0.2 if minute > 0 else -0.5) for minute in range(-5, 3)
        ]
    }
    history = AlarmHistory.of(run.alarms)
    reached = stored_condition(bound, points, history, None, run.time)
    assert reached is not None
    correction = correction_of(bound, history, reached[1], reached[0])
    seed = EMPTY_SEED._replace(alarms=tuple(run.alarms), corrections=(correction,))
    later = StagePipeline(model, knowledge=seed, log="log-2")
    later.time = run.time
    later.advance(START + 5 * MINUTE)
    assert later.alarms == []


def test_an_alarm_has_begun_earlier_when_the_points_that_raised_it_are_withdrawn() -> None:
    """What is left is beyond the limit at its end: the delay ended then, before the withdrawn points."""
    rule = structs.replace(high_water_rule(), on_delay=2 * MINUTE)
    model = alarm_city([rule])
    run = StagePipeline(model)
    for minute in range(55, 64):
        run.observe(level(minute, -0.2 if minute >= 60 else -0.5))
    assert [(event.kind, event.time) for event in run.alarms] == [("raised", START + 62 * MINUTE)]
    bound = RuleIndex(model).rules_of("canal").rules[rule.id]
    left = {bound.series[0]: [point(START - MINUTE, -0.5), point(START, -0.2)]}
    history = AlarmHistory.of(run.alarms)
    reached = stored_condition(bound, left, history, None, run.time)
    assert reached is not None
    correction = correction_of(bound, history, reached[1], reached[0])
    seed = EMPTY_SEED._replace(alarms=tuple(run.alarms), corrections=(correction,))
    later = StagePipeline(model, knowledge=seed, log="log-2")
    later.time = run.time
    later.advance(run.time + MINUTE)
    assert [(event.kind, event.raised_time) for event in later.alarms] == [("reassessed", START + 2 * MINUTE)]
    assert later.alarms[-1].active


def test_a_correction_that_lacks_the_last_event_of_an_alarm_does_not_retract_it() -> None:
    """Two repairs follow each other: the second is computed before the result of the first is stored."""
    rule = high_water_rule()
    model = alarm_city([rule])
    run = StagePipeline(model)
    for minute in range(90):
        run.observe(level(minute, -0.2 if minute < 10 else -0.5))
    told = AlarmHistory.of(run.alarms)
    assert [event.kind for event in run.alarms] == ["raised", "returned"]
    bound, severity = RuleIndex(model).rules_of("canal").rules[rule.id], int(run.alarms[0].severity)

    def correction(history: AlarmHistory, since: int, end: int) -> AlarmCorrection:
        levels = [point(START + minute * MINUTE, -0.2 if minute < end else -0.5) for minute in range(90)]
        reached = stored_condition(bound, {bound.series[0]: levels}, history, None, run.time)
        assert reached is not None
        condition, _ = reached
        begin = START + since * MINUTE
        base = stored_severity_at(history.occurrences, begin - 1)
        value = ConditionValue(START, -0.2, INSTANT_MAX, (levels[0],))
        changes = SeverityChange(START, severity, value), SeverityChange(START + end * MINUTE, 0, value)
        found = tuple(one for one in changes if one.time >= begin) if base or begin <= START else ()
        severities = SeverityHistory(begin, base, found)
        return correction_of(bound, history, severities, condition)

    run.send_corrections(correction(told, 0, 30))
    assert [(event.kind, event.returned_time) for event in run.alarms[2:]] == [
        ("reassessed", START + 30 * MINUTE)
    ]
    outdated = correction(told, 25, 30)
    run.send_corrections(outdated)
    assert len(run.alarms) == 3
    assert run.repairs[-1] == AlarmRepair(rule.id, "canal", outdated.since)
    run.send_corrections(correction(AlarmHistory.of(run.alarms), 25, 30))
    assert len(run.alarms) == 3


def test_a_correction_of_an_alarm_whose_deleted_rule_came_again_is_taken() -> None:
    """The alarm had lost its revision with its rule, so a correction was about another one for ever."""
    rule = high_water_rule()
    run = StagePipeline(alarm_city([rule]))
    run.observe(level(0, -0.2))
    run.model = alarm_city([], version=2)
    run.observe(level(1, -0.5))
    rule = structs.replace(rule, version=3)
    run.model = alarm_city([rule], version=3)
    run.observe(level(2, -0.5))
    assert kinds(run) == ["raised", "withdrawn"]
    bound = RuleIndex(run.model).rules_of("canal").rules[rule.id]
    levels = [point(START + minute * MINUTE, -0.5 if minute else -0.2) for minute in range(3)]
    history = AlarmHistory.of(run.alarms)
    reached = stored_condition(bound, {bound.series[0]: levels}, history, None, run.time)
    assert reached is not None
    run.send_corrections(correction_of(bound, history, reached[1], reached[0]))
    assert run.repairs == []


def test_a_new_log_knows_the_windows_that_only_rules_use() -> None:
    condition = high_water_rule().condition
    assert isinstance(condition, ThresholdCondition)
    condition = structs.replace(condition, operand=Operand("water_level", over="ten_minutes"))
    model = alarm_city([structs.replace(high_water_rule(), condition=condition)])
    found = level(0, -0.2)
    window = aggregate_of(
        WindowAccumulator(), datastream=found.datastream, size=10 * MINUTE, start=START, revision=1,
        interval=MINUTE, kind="mean",
    )  # fmt: skip
    seed = EMPTY_SEED._replace(observations=[found], aggregates=[window])
    stage = EntityStageFactory("log-2", 1, 1, MINUTE).seeded(0, seed, model)
    (content,) = [content for _, content in stage._buckets.items()]
    assert 10 * MINUTE in content.derived.window_histories["water_level"]


def test_the_alarms_on_a_late_window_are_repaired_when_later_ones_have_displaced_it() -> None:
    """The sensor reports seldom: its observations are in memory for longer than its windows."""
    condition = ThresholdCondition(
        operand=Operand("pm2_5", over="hour"), direction="above", levels=(Level(Severity.MINOR, 25.0, 20.0),)
    )
    rule = high_water_rule(
        id="dust", select=EntitySelection(types=("AirQualityStation",)), condition=condition
    )
    builder = CityBuilder().entity("town", "Municipality").entity("town.air", "AirQualityStation")
    model = builder.sensor("air", "town.air", "pm2_5", interval=HOUR).model(rules={rule.id: rule})
    begin = START - START % HOUR

    def hours(*numbers: int, value: float = 10.0) -> list[Observation]:
        return [Observation(1, begin + one * HOUR, begin + one * HOUR, value) for one in numbers]

    run = StagePipeline(model)
    run.observe(*hours(0, 1, 2, 60, 61, 62), now=begin + 63 * HOUR)
    run.advance(begin + 66 * HOUR, step=HOUR)
    run.observe(*hours(5, value=80.0), *hours(50), now=begin + 66 * HOUR)
    run.advance(begin + 70 * HOUR, step=HOUR)
    repairs = {
        repair.phenomenon_time
        for number in range(run.partitions)
        for value in run.records[topics.AGGREGATES, number]
        for repair in AGGREGATES.decode(value).repairs
    }
    assert begin + 5 * HOUR in repairs
    assert begin + 50 * HOUR not in repairs
