"""What an alarm rests on: which messages decide it, and what is an input, with the reason."""

from __future__ import annotations

import msgspec

from cities import default_city
from cities.folder_reader import read_city
from tests.support.cities.household_city import household_city
from tests.support.payloads.alarm_events import alarm_event
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import ThresholdCondition
from twin.dossier.evidence import evidence_of, reduced_model
from twin.instant import HOUR
from twin.model.city_model import CityModel


def alkmaar() -> CityModel:
    return read_city(default_city()).model(1)


def test_a_rule_on_a_measured_value_rests_on_the_messages_of_its_sensors() -> None:
    model = alkmaar()
    event = alarm_event("high-water", "alkmaar.schermerboezem")
    evidence = evidence_of(event, model.rules["high-water"], model)
    assert {model.datastreams[id].property for id in evidence.datastreams} == {"water_level"}
    assert {model.datastreams[id].entity for id in evidence.datastreams} == {"alkmaar.schermerboezem"}
    assert evidence.inputs == []
    assert evidence.lead >= HOUR


def test_a_rule_on_an_indicator_rests_on_the_messages_behind_it() -> None:
    model = alkmaar()
    event = alarm_event("rising-water", "alkmaar.schermerboezem")
    evidence = evidence_of(event, model.rules["rising-water"], model)
    assert {model.datastreams[id].property for id in evidence.datastreams} == {"water_level"}
    assert evidence.inputs == []


def test_an_indicator_over_a_day_is_an_input() -> None:
    model = alkmaar()
    rule = model.rules["pm10-smog-2008"]
    entity = next(
        one.entity
        for one in model.datastreams.values()
        if one.property == "pm10" and not _personal(one.sensor, model)
    )
    evidence = evidence_of(alarm_event(rule.id, entity), rule, model)
    (input,) = evidence.inputs
    assert input.series.name == "pm10_24h"
    assert "reaches back" in input.reason
    assert evidence.datastreams == set()


def test_the_part_of_the_model_has_no_other_sensors_and_no_duty_plan() -> None:
    model = alkmaar()
    event = alarm_event("high-water", "alkmaar.schermerboezem")
    evidence = evidence_of(event, model.rules["high-water"], model)
    part = reduced_model(evidence, event.entity)
    assert set(part.rules) == {"high-water"}
    assert {one.entity for one in part.datastreams.values()} == {"alkmaar.schermerboezem"}
    assert set(part.entities) == {"alkmaar", "alkmaar.schermerboezem"}
    assert part.duty.contacts == ()
    assert model.duty.contacts != ()


def test_messages_of_households_are_in_no_dossier() -> None:
    model = household_city(12)
    area = next(one.entity for one in model.datastreams.values())
    name = next(one.property for one in model.datastreams.values())
    rule = alkmaar().rules["high-water"]
    condition = rule.condition
    assert isinstance(condition, ThresholdCondition)
    changed = msgspec.structs.replace(
        rule,
        id="load",
        condition=msgspec.structs.replace(condition, operand=Operand(name), relative_to=""),
        select=msgspec.structs.replace(rule.select, types=(), entities=(area,)),
    )
    evidence = evidence_of(alarm_event("load", area), changed, model)
    (input,) = evidence.inputs
    assert "households" in input.reason
    assert evidence.datastreams == set()
    assert not reduced_model(evidence, area).sensors


def _personal(sensor: str, model: CityModel) -> bool:
    return model.sensors[sensor].personal
