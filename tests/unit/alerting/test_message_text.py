"""The texts of messages: titles, bodies and text messages, in both languages."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from alerting.incidents.incident_state import IncidentState, MessageKind
from alerting.messages.message_text import TITLE_CHARACTERS_MAX, MessageText, compose_message
from alerting.messages.short_text import ALPHABET, SHORT_CHARACTERS_MAX, short_text
from alerting.policy.escalation import open_incident
from alerting.policy.notification_policy import DutyContext
from tests.support.payloads.alarm_events import acknowledged_event, operand_value, returned_event
from tests.support.pipelines.duty_loop import NOON, duty_alarm, duty_city, duty_incident
from twin.alarms.messages import RULE_FAULT, AlarmEvent
from twin.alarms.rules.operand import ObservationRef
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE
from twin.model.bilingual_text import Language

RAISED = NOON + HOUR
"""When the alarms of the tests are raised: 13:00 in the town."""


def state_of(*alarms: AlarmEvent) -> IncidentState:
    state = open_incident(duty_incident(*alarms), DutyContext(duty_city(), NOON))
    assert state is not None
    return state


def text_of(
    state: IncidentState,
    kind: MessageKind,
    *alarms: AlarmEvent,
    before: IncidentState | None = None,
    language: Language = "en",
) -> MessageText:
    return compose_message(
        kind,
        state,
        before if before is not None else state,
        language=language,
        alarms={alarm.alarm: alarm for alarm in alarms},
        model=duty_city(),
    )


def notified(*alarms: AlarmEvent, severity: Severity = Severity.MAJOR) -> IncidentState:
    """Return an incident whose alarms a message has contained; another step is next."""
    known = tuple(one.alarm for one in alarms)
    return changed(
        state_of(*alarms), reported_alarms=known, notified_severity=severity, step=1, last_notified=RAISED
    )


def test_a_title_is_one_line_whatever_the_stored_names_contain() -> None:
    city = duty_city()
    canal = replace(city.entities["canal"], name="Canal\r\nBcc: all@example.org\x1b[2J")
    alarm = duty_alarm("canal")
    text = compose_message(
        "alarm",
        state_of(alarm),
        state_of(alarm),
        language="en",
        alarms={alarm.alarm: alarm},
        model=replace(city, entities={**city.entities, canal.id: canal}),
    )
    assert text.title == "MAJOR · High water, Canal Bcc: all@example.org [2J"


CANAL = duty_alarm("canal")
POLDER = duty_alarm("polder", severity=Severity.MINOR)
TOWN = duty_alarm("town", severity=Severity.MINOR)
WORSE = duty_alarm("polder", severity=Severity.CRITICAL)
AGAIN = duty_alarm("polder", 3, severity=Severity.MAJOR)


class Title(NamedTuple):
    """The title of a message after a change from an earlier state to the present one."""

    kind: MessageKind
    before: IncidentState
    now: tuple[AlarmEvent, ...]
    english: str
    dutch: str


TITLES = {
    "the first message": Title(
        "alarm", state_of(CANAL), (CANAL,), "MAJOR · High water, Canal", "GROOT · Hoog water, Canal"
    ),
    "the first message of three": Title(
        "alarm",
        state_of(CANAL, POLDER, TOWN),
        (CANAL, POLDER, TOWN),
        "MAJOR · High water, Canal and 2 more",
        "GROOT · Hoog water, Canal en nog 2",
    ),
    "a new one that is not as bad": Title(
        "change",
        notified(CANAL),
        (CANAL, POLDER),
        "MAJOR · New: High water, Polder (minor)",
        "GROOT · Nieuw: Hoog water, Polder (klein)",
    ),
    "two new ones": Title(
        "change",
        notified(CANAL),
        (CANAL, POLDER, TOWN),
        "MAJOR · New: High water, Polder (minor) and 1 more",
        "GROOT · Nieuw: Hoog water, Polder (klein) en nog 1",
    ),
    "a worse one": Title(
        "change",
        notified(CANAL),
        (CANAL, WORSE),
        "CRITICAL · Worse (major → critical): High water, Polder",
        "KRITIEK · Erger (groot → kritiek): Hoog water, Polder",
    ),
    "an alarm that returns while the other is acknowledged": Title(
        "change",
        changed(notified(CANAL, POLDER), step=0),
        (acknowledged_event(CANAL), AGAIN),
        "MAJOR · Again: High water, Polder",
        "GROOT · Opnieuw: Hoog water, Polder",
    ),
    "an incident that returns after its recovery": Title(
        "change",
        notified(CANAL, severity=Severity.CLEARED),
        (CANAL,),
        "MAJOR · Again: High water, Canal",
        "GROOT · Opnieuw: Hoog water, Canal",
    ),
    "a later step of a change": Title(
        "change", notified(CANAL), (CANAL,), "MAJOR · High water, Canal", "GROOT · Hoog water, Canal"
    ),
    "a step when something joins": Title(
        "alarm",
        notified(CANAL),
        (CANAL, POLDER),
        "MAJOR · High water, Canal and 1 more",
        "GROOT · Hoog water, Canal en nog 1",
    ),
    "a reminder": Title(
        "reminder",
        notified(CANAL),
        (CANAL,),
        "MAJOR · Still: High water, Canal",
        "GROOT · Nog steeds: Hoog water, Canal",
    ),
    "over": Title(
        "recovery",
        notified(CANAL),
        (returned_event(CANAL),),
        "CLEARED · High water, Canal",
        "HERSTELD · Hoog water, Canal",
    ),
    "over, perhaps sent before": Title(
        "recovery",
        changed(notified(CANAL), recovery_repeats=1),
        (returned_event(CANAL),),
        "CLEARED · Perhaps sent before: High water, Canal",
        "HERSTELD · Misschien al gemeld: Hoog water, Canal",
    ),
    "set aside by a person": Title(
        "recovery",
        notified(CANAL),
        (changed(CANAL, state="shelved"),),
        "SET ASIDE · High water, Canal",
        "OPZIJGEZET · Hoog water, Canal",
    ),
}


@pytest.mark.parametrize("what", TITLES)
def test_the_title_describes_the_change(what: str) -> None:
    one = TITLES[what]
    state = changed(one.before, incident=duty_incident(*one.now, revision=2))
    titles: tuple[tuple[Language, str], ...] = (("en", one.english), ("nl", one.dutch))
    for language, title in titles:
        text = text_of(state, one.kind, *one.now, before=one.before, language=language)
        assert text.title == title


def test_the_body_has_value_threshold_unit_and_local_time() -> None:
    english = text_of(state_of(CANAL), "alarm", CANAL)
    assert english.body.splitlines() == [
        "since 23-11-2026 13:00",
        "– MAJOR · High water, Canal: water level -0.25 m, at or above -0.3 m, since 23-11-2026 13:00",
        "Area: East",
    ]
    dutch = text_of(state_of(CANAL), "alarm", CANAL, language="nl")
    assert dutch.body.splitlines() == [
        "sinds 23-11-2026 13:00",
        "– GROOT · Hoog water, Canal: waterstand -0,25 m, op of boven -0,3 m, sinds 23-11-2026 13:00",
        "Gebied: East",
    ]
    assert (english.answer_label, dutch.answer_label) == ("Acknowledge", "Bevestigen")


def test_new_alarms_precede_the_rest() -> None:
    before = notified(CANAL)
    state = changed(
        before, incident=duty_incident(CANAL, POLDER, revision=2), last_notified=RAISED + 65 * MINUTE
    )
    text = text_of(state, "change", CANAL, POLDER, before=before, language="nl")
    assert text.body.splitlines() == [
        "sinds 23-11-2026 13:00 (1 u 5 min), 2 alarmen",
        "Nieuw:",
        "– KLEIN · Hoog water, Polder: waterstand -0,25 m, op of boven -0,3 m, sinds 23-11-2026 13:00",
        "Eerder:",
        "– GROOT · Hoog water, Canal: waterstand -0,25 m, op of boven -0,3 m, sinds 23-11-2026 13:00",
        "Gebied: East",
    ]


@pytest.mark.parametrize(("count", "last"), [(6, "en nog 1 alarm"), (8, "en nog 3 alarmen")])
def test_five_alarms_are_listed_and_the_rest_is_counted(count: int, last: str) -> None:
    alarms = [duty_alarm("canal", rule=f"rule-{number}", cause="flood") for number in range(count)]
    text = text_of(state_of(*alarms), "alarm", *alarms, language="nl")
    assert text.body.count("– ") == 5
    assert text.body.splitlines()[-2] == last


def test_an_alarm_whose_value_is_not_beyond_its_threshold_has_its_own_sentence() -> None:
    sentence = "High water, Canal (less severe): water level is -0.31 m, not yet at or below -0.32 m."
    operand = CANAL.operands[0]._replace(value=-0.31)
    eased = duty_alarm("canal", operands=(operand,), sentence_en=sentence)
    text = text_of(state_of(eased), "alarm", eased)
    assert f"– MAJOR · {sentence[:-1]}, since 23-11-2026 13:00" in text.body


def test_an_alarm_without_a_single_threshold_has_its_own_sentence() -> None:
    sentence = "Silent, Canal: nothing new from gauge-1 since 12:30 on 23 November 2026."
    silent = duty_alarm("canal", rule="silent", operands=(), sentence_en=sentence)
    text = text_of(state_of(silent), "alarm", silent)
    assert f"– MAJOR · {sentence[:-1]}, since 23-11-2026 13:00" in text.body


def test_a_recovery_has_the_duration_and_nothing_to_acknowledge() -> None:
    over = changed(returned_event(CANAL), time=RAISED + 130 * MINUTE)
    state = changed(notified(CANAL), incident=duty_incident(over, revision=2))
    assert text_of(state, "recovery", over).body.startswith("over since 23-11-2026 15:10, after 2 h 10 min")
    dutch = text_of(state, "recovery", over, language="nl")
    assert dutch.short == "HERSTELD - Hoog water, Canal, voorbij sinds 23-11-2026 15:10, na 2 u 10 min"
    assert dutch.answer_label == ""


def test_a_silenced_incident_is_not_called_over() -> None:
    shelved = changed(CANAL, state="shelved")
    state = changed(
        notified(CANAL), incident=duty_incident(shelved, revision=2, open=False, closed_time=RAISED + HOUR)
    )
    text = text_of(state, "recovery", shelved)
    assert text.body.startswith("set aside since 23-11-2026 14:00, after 1 h")
    assert "(shelved)" in text.body


class End(NamedTuple):
    """The last event of an alarm, and what the recovery says of it."""

    event: AlarmEvent
    is_over: bool
    english: str
    dutch: str


def ended(kind: str, **others: object) -> AlarmEvent:
    return changed(CANAL, revision=2, kind=kind, state="normal", active=False, **others)


ENDS = {
    "a rule that a person deleted": End(
        ended("withdrawn", actor="anna", text="the rule was deleted"),
        False,
        "(rule deleted by anna)",
        "(regel verwijderd door anna)",
    ),
    "a sensor without a rule": End(
        ended("withdrawn", text="no rule is about it any more"),
        False,
        "(not monitored any more)",
        "(niet meer bewaakt)",
    ),
    "a rule with another threshold": End(
        ended("returned", actor="anna", text="by version 4 of the rule"),
        False,
        "(rule changed by anna)",
        "(regel gewijzigd door anna)",
    ),
    "a rule that cannot be evaluated any more": End(
        ended("withdrawn", actor="anna", text=f"{RULE_FAULT}: there is no targetLevel"),
        False,
        "(rule changed by anna, it cannot be evaluated any more)",
        "(regel gewijzigd door anna, hij is niet meer te berekenen)",
    ),
    "shelved": End(
        changed(CANAL, revision=2, kind="shelved", state="shelved", actor="anna"),
        False,
        "(shelved by anna)",
        "(uitgesteld door anna)",
    ),
    "shelved, and commented by another person": End(
        changed(CANAL, revision=3, kind="commented", state="shelved", actor="bert"),
        False,
        "(shelved)",
        "(uitgesteld)",
    ),
    "out of service": End(
        changed(CANAL, revision=2, kind="removed", state="out-of-service", actor="anna"),
        False,
        "(out of service by anna)",
        "(buiten dienst door anna)",
    ),
    "suppressed": End(
        changed(CANAL, revision=2, kind="suppressed", state="suppressed-by-design"),
        False,
        "(suppressed)",
        "(onderdrukt)",
    ),
    "corrected data": End(
        ended("retracted"),
        True,
        "(data corrected)",
        "(gegevens gecorrigeerd)",
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
def test_a_recovery_is_called_over_only_if_the_condition_ended(end: End) -> None:
    incident = duty_incident(end.event, revision=2, open=False, closed_time=RAISED + HOUR)
    state = changed(notified(CANAL), incident=incident)
    english, dutch = (text_of(state, "recovery", end.event, language=one) for one in ("en", "nl"))
    for text, reason in ((english, end.english), (dutch, end.dutch)):
        assert reason in text.body
        assert (text.severity is Severity.CLEARED) == end.is_over
    assert english.title.startswith("CLEARED" if end.is_over else "SET ASIDE")
    assert ("voorbij" in dutch.body) == end.is_over
    if not end.is_over:
        assert "-0.25 m, at or above -0.3 m" in english.body, "the value now"


def test_the_title_of_a_recovery_names_what_was_set_aside() -> None:
    withdrawn = changed(
        POLDER, revision=2, kind="withdrawn", state="normal", active=False, severity=Severity.MINOR
    )
    over = returned_event(CANAL)
    incident = duty_incident(over, withdrawn, revision=3, open=False, closed_time=RAISED + HOUR)
    text = text_of(changed(notified(CANAL, POLDER), incident=incident), "recovery", over, withdrawn)
    assert text.title == "SET ASIDE · High water, Polder and 1 more"


def test_a_reminder_of_an_acknowledged_incident_has_no_link() -> None:
    known = acknowledged_event(CANAL)
    assert text_of(state_of(known), "reminder", known).answer_label == ""


def test_without_a_known_alarm_the_text_names_cause_and_area() -> None:
    assert text_of(state_of(CANAL), "alarm").title == "MAJOR · high-water, East"


@pytest.mark.parametrize("personal", [True, False])
def test_the_value_of_a_household_is_not_disclosed(personal: bool) -> None:
    model = duty_city()
    sensors = {**model.sensors, "gauge-canal": replace(model.sensors["gauge-canal"], personal=personal)}
    model = replace(model, sensors=sensors)
    one = duty_alarm(operands=(operand_value("canal", sources=(ObservationRef(1, NOON),)),))
    state = state_of(one)
    text = compose_message("alarm", state, state, language="en", alarms={one.alarm: one}, model=model)
    assert ("0.25" in text.body) is not personal
    assert ("0.25" in text.short) is not personal


def test_the_short_text_fits_into_a_text_message() -> None:
    assert text_of(state_of(CANAL), "alarm", CANAL, language="nl").short == (
        "GROOT - Hoog water, Canal, -0,25 m, sinds 23-11-2026 13:00"
    )
    for alarm in (duty_alarm(operands=(operand_value("canal", unit="m" * 90),)), duty_alarm("x" * 300)):
        text = text_of(state_of(alarm), "alarm", alarm, language="nl")
        assert len(text.short) <= SHORT_CHARACTERS_MAX
        assert len(text.title) <= TITLE_CHARACTERS_MAX
        assert text.short.startswith("GROOT - Hoog water")


@given(st.text(max_size=200))
def test_a_text_message_stays_in_its_own_alphabet(text: str) -> None:
    assert set(short_text(text)) <= ALPHABET
