"""What messages say."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from alerting.case import Case
from alerting.escalation import begun
from alerting.telling import Around
from alerting.wording import SHORT_CHARACTERS_MAX, wording
from tests.alarm_events import acknowledged, operand, returned
from tests.duty_run import NOON, alarm, duty_city, incident
from twin.alarms.messages import AlarmEvent
from twin.alarms.operand import Source
from twin.alarms.severity import Severity


def case_of(*alarms: AlarmEvent) -> Case:
    case = begun(incident(*alarms), Around(duty_city(), NOON))
    assert case is not None
    return case


def test_it_is_said_in_the_language_of_the_contact() -> None:
    known = {one.alarm: one for one in (alarm(),)}
    english = wording(case_of(alarm()), "alarm", "en", known, duty_city())
    dutch = wording(case_of(alarm()), "alarm", "nl", known, duty_city())
    assert english.title == "MAJOR · High water, Canal"
    assert dutch.title == "GROOT · Hoog water, Canal"
    assert english.body.splitlines() == [
        "High water, Canal",
        "since 23-11-2026 13:00",
        "– Canal: Water level is −0.25 m, above −0.30 m.",
        "Area: East",
    ]
    assert dutch.body.splitlines() == [
        "Hoog water, Canal",
        "sinds 23-11-2026 13:00",
        "– Canal: Waterstand is −0,25 m, boven −0,30 m.",
        "Gebied: East",
    ]
    assert english.short == "MAJOR · High water, Canal, -0.25 m, since 23-11-2026 13:00"
    assert (english.answer_label, dutch.answer_label) == ("Acknowledge", "Bevestigen")


def test_the_worst_alarm_gives_the_title_and_no_more_than_five_are_named() -> None:
    alarms = [alarm("canal", rule=f"rule-{number}", cause="flood") for number in range(7)]
    worst = alarm("polder", cause="flood", severity=Severity.CRITICAL)
    said = wording(
        case_of(*alarms, worst), "alarm", "en", {one.alarm: one for one in (*alarms, worst)}, duty_city()
    )
    assert said.title == "CRITICAL · High water, Polder"
    assert said.body.count("– ") == 5
    assert "and 3 more alarms" in said.body


def test_a_recovery_has_nothing_to_acknowledge() -> None:
    over = returned(alarm())
    case = msgspec.structs.replace(case_of(alarm()), incident=incident(over, revision=2))
    said = wording(case, "recovery", "en", {over.alarm: over}, duty_city())
    assert said.title == "CLEARED · High water, Canal"
    assert "over since 23-11-2026 13:02" in said.body
    assert said.answer_label == ""


def test_a_reminder_of_what_is_acknowledged_has_no_link() -> None:
    known = acknowledged(alarm())
    said = wording(case_of(known), "reminder", "en", {known.alarm: known}, duty_city())
    assert said.title.startswith("MAJOR · Still: ")
    assert said.answer_label == ""


def test_without_the_alarm_cause_and_area_are_named() -> None:
    said = wording(case_of(alarm()), "alarm", "en", {}, duty_city())
    assert said.title == "MAJOR · high-water, East"


@pytest.mark.parametrize("personal", [True, False])
def test_the_value_of_a_household_is_not_said(personal: bool) -> None:
    model = duty_city()
    sensors = {**model.sensors, "gauge-canal": replace(model.sensors["gauge-canal"], personal=personal)}
    model = replace(model, sensors=sensors)
    one = alarm(operands=(operand("canal", sources=(Source(1, NOON),)),))
    said = wording(case_of(one), "alarm", "en", {one.alarm: one}, model)
    assert ("0.25" in said.body + said.short) is not personal


def test_the_short_one_fits_into_a_text_message() -> None:
    long = alarm(operands=(operand("canal", unit="m" * 90),))
    for one in (alarm(), long, alarm("x" * 300)):
        said = wording(case_of(one), "alarm", "nl", {one.alarm: one}, duty_city())
        assert len(said.short) <= SHORT_CHARACTERS_MAX
        assert said.short.startswith("GROOT · Hoog water")
