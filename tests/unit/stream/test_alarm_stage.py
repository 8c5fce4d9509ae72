"""The alarm stage behind the other stages: values, late data, changed rules, commands."""

from __future__ import annotations

import dataclasses
from typing import Any

from runtime.kafka.topics import ALARMS as ALARMS_TOPIC
from stream.alarms.alarm_stage import AlarmStageFactory
from stream.engine.stage_seed import EMPTY_SEED
from tests.support.cities.alarm_city import alarm_city, high_water_rule
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.alarms.messages import ALARMS, RULE_FAULT, AlarmCommand, AlarmInputBatch, SeriesPoints
from twin.alarms.rules.operand import Operand, OperandSeries, Point
from twin.alarms.rules.rule import EntitySelection, ExpressionCondition, Level, Rule, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import DAY, INSTANT_MIN, MINUTE, SECOND
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import partition_of

START = 1_767_225_600_000_000
CANAL, POLDER = 1, 2
ALARM = "high-water~canal"


def level(
    minutes: float, value: float, datastream: int = CANAL, received: float | None = None
) -> Observation:
    time = START + int(minutes * MINUTE)
    arrived = time if received is None else START + int(received * MINUTE)
    return Observation(datastream, time, arrived + SECOND, value, 0)


def kinds(run: StagePipeline, alarm: str = ALARM) -> list[str]:
    return [one.kind for one in run.alarms if one.alarm == alarm]


def command(run: StagePipeline, action: str, **changes: Any) -> AlarmCommand:
    known = {
        "id": f"{action}-{len(run.answers)}",
        "alarm": ALARM,
        "entity": "canal",
        "action": action,
        "actor": "operator",
        "time": run.time,
    }
    return AlarmCommand(**{**known, **changes})


def test_an_alarm_is_raised_worsens_eases_and_returns() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    for minutes, value in enumerate((-0.5, -0.39, -0.29, -0.39, -0.5)):
        run.observe(level(minutes, value))
    assert kinds(run) == ["raised", "worsened", "eased", "returned"]
    raised = run.alarms[0]
    assert (raised.state, raised.active, raised.severity) == ("unacknowledged", True, Severity.MINOR)
    assert (raised.time, raised.rule_version, raised.area) == (START + MINUTE, 1, "town")
    operand = raised.operands[0]
    assert (operand.name, operand.value, operand.unit, operand.threshold) == ("water_level", -0.39, "m", -0.4)
    assert operand.sources == ((CANAL, START + MINUTE),)
    assert raised.sentence_en == (
        "High water, Canal: water level is -0.39 m, at or above -0.4 m, at 01:01 on 1 January 2026."
    )
    assert raised.sentence_nl.startswith("Hoog water, Canal: waterstand is -0,39 m, op of boven -0,4 m")
    assert run.alarms[-1].state == "returned-unacknowledged"


def test_alarms_of_one_cause_and_area_are_one_incident_until_the_last_returns() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3), level(0, -1.8, POLDER))
    run.observe(level(1, -0.6))
    run.observe(level(2, -2.0, POLDER))
    assert {one.incident for one in run.incidents} == {"high-water~town~1"}
    assert [one.open for one in run.incidents] == [True, True, True, False]
    assert {one.alarm for one in run.incidents[-1].members} == {ALARM, "high-water~polder"}
    run.observe(level(10, -0.3))
    assert run.incidents[-1].open, (
        "an alarm that returns within a quarter of an hour belongs to the same incident"
    )
    assert run.incidents[-1].incident == "high-water~town~1"
    run.observe(level(11, -0.6))
    run.observe(level(60, -0.3))
    assert run.incidents[-1].incident == "high-water~town~2"


def test_an_acknowledged_alarm_is_normal_again_when_it_returns() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    run.send_command(command(run, "acknowledge"))
    run.observe(level(1, -0.6))
    assert [(one.kind, one.state) for one in run.alarms] == [
        ("raised", "unacknowledged"),
        ("acknowledged", "acknowledged"),
        ("returned", "normal"),
    ]
    assert run.alarms[1].acknowledged_by == "operator"
    assert [one.refusal for one in run.answers] == [""]


def test_an_impossible_command_is_refused_with_its_reason() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.send_command(command(run, "acknowledge"))
    run.observe(level(0, -0.3))
    run.send_command(command(run, "acknowledge", occurrence=7))
    run.send_command(command(run, "explode"))
    run.send_command(command(run, "shelve"))
    run.send_command(command(run, "reset"))
    refusals = [one.refusal for one in run.answers]
    assert refusals[0] == f"there is no alarm {ALARM}, or it was never raised"
    assert refusals[1] == "the command is for occurrence 7, the present one is 1"
    assert refusals[2].startswith("found action 'explode', expected one of acknowledge")
    assert refusals[3] == "shelving needs a time in the future until which it lasts"
    assert refusals[4] == "reset is not possible while the alarm is unacknowledged"


def test_an_acknowledgement_of_a_milder_alarm_is_refused() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.39))
    known = int(run.alarms[-1].worst)
    run.observe(level(1, -0.29))
    assert run.alarms[-1].kind == "worsened"
    run.send_command(command(run, "acknowledge", worst=known))
    run.send_command(command(run, "acknowledge", worst=int(run.alarms[-1].worst)))
    assert [one.refusal for one in run.answers] == ["the alarm has become worse than the person knows", ""]


def test_a_repeated_command_is_applied_once() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    one = command(run, "acknowledge")
    run.send_command(one)
    run.send_command(one)
    assert len(run.answers) == 1


def test_a_shelved_alarm_is_unshelved_when_its_time_is_over() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    run.send_command(command(run, "shelve", until=START + 10 * MINUTE))
    run.observe(level(1, -0.29))
    assert not run.incidents[-1].open
    run.advance(START + 9 * MINUTE, 10 * SECOND)
    assert kinds(run) == ["raised", "shelved"]
    run.advance(START + 10 * MINUTE + SECOND, 10 * SECOND)
    assert [(one.kind, one.state) for one in run.alarms][-1] == ("unshelved", "unacknowledged")
    assert run.incidents[-1].open


def test_a_delay_ends_by_the_clock_without_input() -> None:
    run = StagePipeline(alarm_city([high_water_rule(on_delay=2 * MINUTE)]))
    run.observe(level(0, -0.3))
    run.advance(START + 5 * MINUTE)
    assert [(one.kind, one.time) for one in run.alarms] == [("raised", START + 2 * MINUTE)]
    assert run.alarms[0].told_time <= START + 2 * MINUTE + 3 * SECOND


def test_a_late_observation_raises_a_past_alarm_as_late() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.5))
    run.observe(level(2, -0.5))
    run.observe(level(1, -0.3, received=3))
    assert [(one.kind, one.time, one.late) for one in run.alarms] == [
        ("raised", START + MINUTE, True),
        ("returned", START + 2 * MINUTE, True),
    ]
    assert run.alarms[-1].state == "returned-unacknowledged"


def test_a_correction_retracts_a_wrong_alarm() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.5))
    run.observe(level(1, 1.0))
    run.observe(level(1, -0.5, received=2))
    assert kinds(run)[-1] == "retracted"
    assert run.alarms[-1].state == "normal"
    assert not run.incidents[-1].open


def test_a_late_observation_moves_the_beginning() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.5))
    run.observe(level(4, -0.3))
    run.observe(level(2, -0.3, received=5))
    assert [(one.kind, one.raised_time) for one in run.alarms] == [
        ("raised", START + 4 * MINUTE),
        ("reassessed", START + 2 * MINUTE),
    ]


def test_a_rule_over_related_entities_and_roll_ups_is_evaluated_where_its_entity_lives() -> None:
    operands = (Operand("water_level", whose="drainsTo"), Operand("water_level"))
    condition = ExpressionCondition(
        source="drainsTo.water_level > -0.4 && water_level > -1.9", operands=operands, severity=Severity.MAJOR
    )
    both = high_water_rule(id="both", condition=condition, select=EntitySelection(types=("Polder",)))
    run = StagePipeline(alarm_city([both]), partitions=4)
    run.observe(level(0, -0.3), level(0, -1.8, POLDER))
    run.observe(level(1, -0.5))
    assert kinds(run, "both~polder") == ["raised", "returned"]
    assert [one.entity for one in run.alarms[0].operands] == ["canal", "polder"]


def test_a_rule_that_fails_raises_an_alarm() -> None:
    condition = ExpressionCondition(
        source="1.0 / water_level > 1.0", operands=(Operand("water_level"),), severity=Severity.MAJOR
    )
    run = StagePipeline(alarm_city([high_water_rule(id="odd", condition=condition)]))
    run.observe(level(0, 0.0))
    raised = run.alarms[0]
    assert (raised.alarm, raised.kind) == ("rule-error~canal~odd", "raised")
    assert "division by zero" in raised.sentence_en
    assert run.incidents[-1].incident == "rule-error~town~1"
    run.observe(level(1, 0.5))
    assert kinds(run, "rule-error~canal~odd") == ["raised", "returned"]
    assert kinds(run, "odd~canal") == ["raised"]


def test_a_rule_that_cannot_be_bound_raises_an_alarm_when_it_is_added() -> None:
    run = StagePipeline(alarm_city([]))
    run.observe(level(0, -0.5))
    condition = ThresholdCondition(
        operand=Operand("water_level"),
        direction="above",
        levels=(Level(Severity.MINOR, 1, 0),),
        share_of="targetLevel",
        relative_to="nothing",
    )
    run.model = alarm_city([high_water_rule(id="odd", condition=condition)], version=2)
    run.observe(level(1, -0.5))
    assert kinds(run, "rule-error~canal~odd") == ["raised"]


def test_a_changed_rule_is_evaluated_again_and_a_removed_rule_withdraws_its_alarms() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.45))
    assert run.alarms == []
    condition = ThresholdCondition(
        operand=Operand("water_level"),
        direction="above",
        levels=(Level(Severity.WARNING, 0.05, 0.0),),
        relative_to="targetLevel",
    )
    run.model = alarm_city([high_water_rule(version=2, condition=condition)], version=2)
    run.observe(level(1, -0.45))
    assert (run.alarms[-1].kind, run.alarms[-1].rule_version) == ("raised", 2)
    run.model = alarm_city([], version=3)
    run.observe(level(2, -0.45))
    assert (run.alarms[-1].kind, run.alarms[-1].state) == ("withdrawn", "normal")


def without_rule(version: int) -> CityModel:
    """Return the city whose rule anna has deleted."""
    rule = high_water_rule()
    return dataclasses.replace(
        alarm_city([], version=version), withdrawn_rules={rule.id: rule}, rule_authors={rule.id: "anna"}
    )


def test_a_withdrawn_alarm_says_who_deleted_its_rule_and_the_value_now() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    run.observe(level(1, -0.2))
    run.model = without_rule(2)
    run.observe(level(2, -0.1))
    event = run.alarms[-1]
    assert (event.kind, event.actor, event.text, event.active) == (
        "withdrawn",
        "anna",
        "the rule was deleted",
        False,
    )
    assert event.operands[0].value == -0.2, "the newest value that the rule has seen"
    assert event.returned_time is not None
    assert not run.incidents[-1].open


def test_the_occurrences_of_an_alarm_continue_when_its_deleted_rule_comes_again() -> None:
    """They were counted from 1 again, and a correction by stored history was refused for ever."""
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    run.model = without_rule(2)
    run.observe(level(1, -0.3))
    run.model = alarm_city([high_water_rule(version=3)], version=3)
    run.observe(level(2, -0.3))
    run.model = without_rule(4)
    run.observe(level(3, -0.3))
    run.model = without_rule(5)
    run.observe(level(4, -0.3))
    assert [(event.kind, event.occurrence) for event in run.alarms] == [
        ("raised", 1),
        ("withdrawn", 1),
        ("raised", 2),
        ("withdrawn", 2),
    ]
    revisions = [event.revision for event in run.alarms]
    assert revisions == sorted(set(revisions))


def test_a_command_on_an_alarm_whose_rule_is_deleted_is_refused() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    run.model = without_rule(2)
    run.observe(level(1, -0.3))
    run.send_command(command(run, "remove"))
    assert run.answers[-1].refusal == "no rule is about the alarm any more, it was withdrawn"


def test_a_shelved_alarm_is_withdrawn_without_being_in_force_in_between() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    run.send_command(command(run, "shelve", until=START + 60 * MINUTE))
    run.model = without_rule(2)
    run.observe(level(1, -0.3))
    assert [event.kind for event in run.alarms] == ["raised", "shelved", "withdrawn"]
    assert [incident.open for incident in run.incidents].count(True) == 1


def test_an_alarm_that_a_changed_rule_ends_says_who_changed_it_and_the_value_now() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    rule = high_water_rule(
        version=2,
        condition=ThresholdCondition(
            operand=Operand("water_level"), direction="above", levels=(Level(Severity.WARNING, 5.0, 0.0),)
        ),
    )
    run.model = dataclasses.replace(alarm_city([rule], version=2), rule_authors={rule.id: "anna"})
    run.observe(level(1, -0.3))
    event = run.alarms[-1]
    assert (event.kind, event.actor, event.text) == ("returned", "anna", "by version 2 of the rule")


def unevaluable_rule(version: int) -> Rule:
    """Return a rule that compares with an attribute that the canal does not have."""
    condition = ThresholdCondition(
        operand=Operand("water_level"),
        direction="above",
        levels=(Level(Severity.MINOR, 0.1, 0.0),),
        relative_to="nothing",
    )
    return high_water_rule(version=version, condition=condition)


def test_an_alarm_whose_changed_rule_cannot_be_evaluated_is_withdrawn_and_says_so() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    rule = unevaluable_rule(2)
    run.model = dataclasses.replace(alarm_city([rule], version=2), rule_authors={rule.id: "anna"})
    run.observe(level(1, -0.2))
    event = [one for one in run.alarms if one.alarm == ALARM][-1]
    assert (event.kind, event.actor, event.active) == ("withdrawn", "anna", False)
    assert event.text.startswith(f"{RULE_FAULT}: ")
    assert "nothing" in event.text
    assert kinds(run, f"rule-error~canal~{rule.id}") == ["raised"]


def test_an_alarm_stays_while_its_rule_fails_on_new_values() -> None:
    condition = ExpressionCondition(
        source="1.0 / water_level > 1.0", operands=(Operand("water_level"),), severity=Severity.MAJOR
    )
    run = StagePipeline(alarm_city([high_water_rule(id="odd", condition=condition)]))
    run.observe(level(0, 0.5))
    for minutes in range(1, 5):
        run.observe(level(minutes, 0.0))
    run.model = alarm_city([high_water_rule(id="odd", condition=condition)], version=2)
    run.observe(level(5, 0.0))
    assert kinds(run, "odd~canal") == ["raised"], "it is not known to be over"
    assert kinds(run, "rule-error~canal~odd") == ["raised"]


def test_an_alarm_stays_when_the_entity_loses_what_its_rule_compares_with() -> None:
    condition = ThresholdCondition(
        operand=Operand("water_level"),
        direction="above",
        levels=(Level(Severity.MINOR, 0.1, 0.0),),
        relative_to="targetLevel",
    )
    rule = high_water_rule(condition=condition)
    run = StagePipeline(alarm_city([rule]))
    run.observe(level(0, -0.3))
    model = alarm_city([rule], version=2)
    canal = dataclasses.replace(model.entities["canal"], attributes={})
    run.model = dataclasses.replace(model, entities={**model.entities, "canal": canal})
    run.observe(level(1, -0.3))
    assert kinds(run) == ["raised"]
    assert run.incidents[-1].open


def test_an_alarm_whose_data_stop_coming_stays() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    run.advance(START + 2 * DAY, MINUTE)
    assert kinds(run) == ["raised"]
    assert run.incidents[-1].open


def test_a_rule_that_is_switched_off_takes_its_alarms_out_of_service() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    run.observe(level(0, -0.3))
    run.model = alarm_city([high_water_rule(version=2, enabled=False)], version=2)
    run.observe(level(1, -0.3))
    assert run.alarms[-1].state == "out-of-service"
    run.model = alarm_city([high_water_rule(version=3)], version=3)
    run.observe(level(2, -0.3))
    assert run.alarms[-1].state == "unacknowledged"


def test_a_rule_that_was_never_switched_on_raises_alarms_out_of_service_alone() -> None:
    run = StagePipeline(alarm_city([high_water_rule(enabled=False)]))
    run.observe(level(0, -0.3))
    assert {one.state for one in run.alarms} == {"out-of-service"}
    assert run.incidents == []
    run.model = alarm_city([high_water_rule(version=2)], version=2)
    run.observe(level(1, -0.3))
    assert (run.alarms[-1].kind, run.alarms[-1].state) == ("restored", "unacknowledged")


def test_an_alarm_continues_when_the_log_is_lost() -> None:
    run = StagePipeline(alarm_city([high_water_rule()]))
    observed = [level(0, -0.5), level(1, -0.3), level(2, -0.41)]
    for observation in observed:
        run.observe(observation)
    run.send_command(command(run, "acknowledge"))
    newest = {one.alarm: one for one in run.alarms}
    incidents = {one.cause: one for one in run.incidents}
    stored = EMPTY_SEED._replace(
        observations=observed, alarms=tuple(newest.values()), incidents=tuple(incidents.values())
    )
    after = StagePipeline(alarm_city([high_water_rule()]), knowledge=stored, log="log-2")
    after.observe(level(3, -0.41))
    assert after.alarms == [], "between the clear and the raise level the alarm continues"
    after.observe(level(4, -0.5))
    assert [(one.kind, one.state, one.occurrence) for one in after.alarms] == [("returned", "normal", 1)]
    assert after.alarms[0].revision > run.alarms[-1].revision
    assert after.incidents[-1].incident == "high-water~town~1"


def test_what_a_record_without_a_time_raises_at_the_beginning_of_a_log_is_dated_by_the_seed() -> None:
    """Such a record is a correction from storage. Events of the year 1 would be removed as too old."""
    model = alarm_city([high_water_rule()])
    seed = EMPTY_SEED._replace(observations=[level(0, -0.5)])
    number = partition_of("canal", 2)
    stage = AlarmStageFactory("log-2", 2, 4).seeded(number, seed, model)
    found = SeriesPoints(
        OperandSeries("canal", "water_level", "instant", "value"),
        1,
        (Point(START + MINUTE, -0.3, 0, START + 2 * MINUTE),),
    )
    outputs = stage.apply(0, AlarmInputBatch(LAYOUT_VERSION, INSTANT_MIN, False, (found,)), model).outputs
    (raised,) = [
        event for one in outputs if one.topic == ALARMS_TOPIC for event in ALARMS.decode(one.value).alarms
    ]
    assert raised.kind == "raised"
    assert raised.told_time > seed.observations[0].received_time
