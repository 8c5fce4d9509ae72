"""Whom the duty loop notifies, and when: each scenario in virtual time."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from alerting.incidents.incident_state import IncidentPhase
from tests.support.payloads.alarm_events import acknowledged_event, returned_event
from tests.support.pipelines.duty_loop import (
    INCIDENT,
    NOON,
    POLICY,
    DutyLoop,
    SentMessage,
    duty_alarm,
    duty_plan,
    kinds_and_contacts,
)
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND, Duration
from twin.model.duty import EscalationStep


def test_each_step_follows_the_one_before_until_all_rounds_are_over() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    assert run.sent == []
    run.advance(70 * MINUTE)
    group = 5 / 60
    assert run.sent[:6] == [
        SentMessage(group, "alarm", "first", "mail"),
        SentMessage(group, "alarm", "first", "sms"),
        SentMessage(10 + group, "alarm", "second", "mail"),
        SentMessage(20 + group, "alarm", "first", "mail"),
        SentMessage(20 + group, "alarm", "second", "mail"),
        SentMessage(20 + group, "alarm", "third", "mail"),
    ]
    # `repeat` is 1: all steps are taken once more, and then not again.
    assert [(one.minute, one.contact) for one in run.sent[6:9]] == [
        (40 + group, "first"),
        (40 + group, "first"),
        (50 + group, "second"),
    ]
    run.advance(2 * HOUR)
    assert len(run.sent) == 12
    assert run.incident_state().phase is IncidentPhase.UNANSWERED


def test_an_unanswered_incident_causes_reminders() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(6 * HOUR)
    reminders = [one for one in run.sent if one.kind == "reminder"]
    assert {(one.contact, one.channel) for one in reminders} == {
        ("first", "mail"),
        ("second", "mail"),
        ("third", "mail"),
    }


def test_an_acknowledgement_ends_the_escalation_and_a_reminder_follows() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(3 * MINUTE)
    run.on_alarms(acknowledged_event(duty_alarm()), revision=2)
    run.advance(3 * HOUR)
    assert kinds_and_contacts(run.sent) == [("alarm", "first")] * 2
    run.advance(2 * HOUR)
    assert kinds_and_contacts(run.sent[2:]) == [("reminder", "first")] * 2


def test_only_notified_contacts_get_the_recovery() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(11 * MINUTE)
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    run.advance(HOUR)
    recoveries = [one for one in run.sent if one.kind == "recovery"]
    assert sorted((one.contact, one.channel) for one in recoveries) == [
        ("first", "mail"),
        ("first", "sms"),
        ("second", "mail"),
    ]


def test_the_recovery_does_not_use_a_channel_that_failed() -> None:
    run = DutyLoop(delivers=lambda message: message.request.channel != "sms")
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    run.advance(HOUR)
    assert [one for one in run.sent if one.kind == "recovery"] == [
        SentMessage(run.sent[-1].minute, "recovery", "first", "mail")
    ]
    assert {one.outcome for one in run.events if one.channel == "sms"} == {"sending", "failed", "withdrawn"}


def test_an_incident_that_is_over_before_the_first_step_causes_no_message() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(2 * SECOND)
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    run.advance(HOUR)
    assert run.events == []


def test_an_incident_acknowledged_before_the_first_step_causes_no_message() -> None:
    run = DutyLoop()
    run.on_alarms(acknowledged_event(duty_alarm()))
    run.advance(HOUR)
    assert run.events == []
    assert run.incident_state().phase is IncidentPhase.ACKNOWLEDGED


@pytest.mark.parametrize("state", ["shelved", "suppressed-by-design", "out-of-service"])
def test_a_silenced_alarm_causes_no_message(state: str) -> None:
    run = DutyLoop()
    quiet = duty_alarm("polder", state=state, severity=Severity.CRITICAL)
    run.on_alarms(acknowledged_event(duty_alarm()), quiet)
    run.advance(HOUR)
    assert run.events == []


def test_a_new_alarm_in_an_acknowledged_incident_is_a_change_after_the_interval() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    known = acknowledged_event(duty_alarm())
    run.on_alarms(known, revision=2)
    run.advance(30 * SECOND)
    run.on_alarms(known, duty_alarm("polder"), revision=3)
    run.advance(10 * MINUTE)
    changes = [one for one in run.sent if one.kind == "change"]
    assert [(one.contact, one.channel) for one in changes] == [("first", "mail"), ("first", "sms")]
    assert changes[0].minute == 5 + 5 / 60  # five minutes after the first message
    run.advance(10 * MINUTE)
    assert run.sent[-1].contact == "second", "it escalates like any other"


def test_a_new_alarm_during_the_escalation_is_sent_once_to_notified_contacts() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.on_alarms(duty_alarm(), duty_alarm("polder"), revision=2)
    run.advance_until(NOON + 9 * MINUTE)
    assert [(one.kind, one.contact, one.channel) for one in run.sent[2:]] == [
        ("change", "first", "mail"),
        ("change", "first", "sms"),
    ]
    run.advance(2 * MINUTE)
    assert run.sent[-1] == SentMessage(10 + 5 / 60, "alarm", "second", "mail"), "the steps keep their time"


def test_a_worse_severity_is_sent_at_once() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm(severity=Severity.MINOR))
    run.advance(MINUTE)
    run.on_alarms(duty_alarm(revision=2, severity=Severity.CRITICAL), revision=2)
    run.advance(MINUTE)
    assert run.sent[-1] == SentMessage(1 + 5 / 60, "change", "first", "sms")


def test_a_severity_that_keeps_rising_is_not_postponed() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm(severity=Severity.MINOR))
    run.advance(MINUTE)
    for number in range(2, 20):
        run.on_alarms(duty_alarm(revision=number, severity=Severity.CRITICAL), revision=number)
        run.advance(2 * SECOND)
    changes = [one for one in run.sent if one.kind == "change"]
    assert changes[0].minute == 1 + 5 / 60
    assert len(changes) == 2


def test_a_flapping_incident_causes_one_recovery_and_then_escalates_on() -> None:
    run = DutyLoop()
    for number in range(60):
        run.on_alarms(duty_alarm(revision=2 * number + 1), revision=2 * number + 1)
        run.advance(20 * SECOND)
        run.on_alarms(returned_event(duty_alarm(revision=2 * number + 1)), revision=2 * number + 2)
        run.advance(10 * SECOND)
    assert kinds_and_contacts(run.sent) == [
        *[("alarm", "first")] * 2,
        *[("recovery", "first")] * 2,
        *[("change", "first")] * 2,
        ("change", "second"),
        ("change", "first"),
        ("change", "second"),
        ("change", "third"),
    ]
    run.advance(10 * MINUTE)
    assert sorted(kinds_and_contacts(run.sent)[10:]) == [
        *[("recovery", "first")] * 2,
        ("recovery", "second"),
        ("recovery", "third"),
    ]


def flap(run: DutyLoop, duration: Duration, first: int = 1) -> int:
    """Let the alarm be active and over for two seconds each; return the next revision."""
    revision = first
    for _ in range(duration // (4 * SECOND)):
        run.on_alarms(duty_alarm(revision=revision), revision=revision)
        run.advance(2 * SECOND)
        run.on_alarms(returned_event(duty_alarm(revision=revision)), revision=revision + 1)
        run.advance(2 * SECOND)
        revision += 2
    return revision


def test_fast_flapping_does_not_postpone_the_first_step() -> None:
    run = DutyLoop()
    flap(run, MINUTE)
    first = run.sent[0]
    assert (first.contact, first.kind) == ("first", "alarm")
    assert first.minute * MINUTE <= POLICY.group_wait + 4 * SECOND
    (message, *_) = run.messages.values()
    assert "come back 1×" in message.text.body


def test_fast_flapping_does_not_postpone_the_second_step() -> None:
    run = DutyLoop()
    flap(run, 11 * MINUTE)
    second = next(one for one in run.sent if one.contact == "second")
    assert second.minute * MINUTE <= POLICY.group_wait + 10 * MINUTE + 4 * SECOND
    assert [one for one in run.sent if one.minute < second.minute] == run.sent[:2]


def test_a_step_that_was_withdrawn_while_the_alarm_was_over_is_followed_soon() -> None:
    run = DutyLoop(delivers=lambda message: message.request.contact != "first")
    revision = flap(run, 8 * SECOND)
    run.on_alarms(duty_alarm(revision=revision), revision=revision)
    run.advance(MINUTE)
    assert run.sent[0].contact == "second"


def test_an_incident_that_returns_after_its_recovery_is_notified_again() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    run.advance(8 * MINUTE)
    run.on_alarms(duty_alarm(revision=3), revision=3)
    run.advance(5 * MINUTE)
    assert (
        kinds_and_contacts(run.sent)
        == [("alarm", "first")] * 2 + [("recovery", "first")] * 2 + [("change", "first")] * 2
    )
    assert len({one.notification for one in run.events}) == 6


def test_a_step_that_reached_nobody_is_followed_at_once() -> None:
    run = DutyLoop(delivers=lambda message: message.request.contact != "first")
    run.on_alarms(duty_alarm())
    run.advance(7 * MINUTE)
    given_up = next(one for one in run.events if one.outcome == "given-up")
    assert given_up.attempt == 8
    assert run.sent[0].contact == "second"
    assert run.sent[0].minute < 10


def test_rounds_do_not_end_before_somebody_was_reached() -> None:
    run = DutyLoop(delivers=lambda message: False)
    run.on_alarms(duty_alarm())
    run.advance(8 * HOUR)
    run.delivers = lambda message: True
    run.advance(30 * MINUTE)
    assert run.incident_state().round > POLICY.repeat
    assert run.sent


def test_a_doubtful_message_is_not_sent_again_and_the_next_step_follows_at_once() -> None:
    run = DutyLoop(delivers=lambda message: None)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    assert [one.outcome for one in run.events] == ["sending", "sending"]
    run.delivers = lambda message: True
    assert run.manager.resolve_doubtful(run.now) == 2
    run.advance(SECOND)
    assert kinds_and_contacts(run.sent) == [("alarm", "second")]
    assert len({one.notification for one in run.events if one.outcome == "sending"}) == 3


def test_a_snooze_ends_at_its_time_or_with_a_worse_severity() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm(severity=Severity.MINOR))
    run.advance(MINUTE)
    run.command("snooze", until=NOON + HOUR)
    run.advance_until(NOON + 59 * MINUTE)
    assert len(run.sent) == 2
    run.advance(2 * MINUTE)
    assert run.sent[-1] == SentMessage(60, "alarm", "second", "mail")
    run.command("snooze", "2", until=NOON + 3 * HOUR)
    run.on_alarms(duty_alarm(revision=2, severity=Severity.MAJOR), revision=2)
    run.advance(MINUTE)
    assert run.sent[-1].kind == "change"


def test_the_assignee_is_notified_and_replaces_the_contact_on_call() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.command("assign", text="third")
    assert run.sent[-1] == SentMessage(1, "reminder", "third", "mail")
    run.command("assign", text="third")  # the same command, delivered twice
    assert len(run.sent) == 3


def test_later_messages_contain_a_comment() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.command("comment", text="The pump has been started.")
    run.advance(10 * MINUTE)
    newest = [one for one in run.messages.values() if one.request.contact == "second"][-1]
    assert "Opmerking van first: The pump has been started." in newest.text.body


def test_a_step_without_recipients_is_skipped() -> None:
    steps = (EscalationStep(notify="contact", contact="nobody", channels=("mail",)), *POLICY.steps[:1])
    run = DutyLoop(duty_plan(replace(POLICY, steps=steps)))
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    assert kinds_and_contacts(run.sent) == [("alarm", "first")] * 2
    assert run.manager.unreachable_steps == 1


def test_the_id_of_a_message_names_incident_round_step_contact_and_channel() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(11 * MINUTE)
    assert list(dict.fromkeys(one.notification for one in run.events)) == [
        f"{INCIDENT}~0~0~first~mail",
        f"{INCIDENT}~0~0~first~sms",
        f"{INCIDENT}~0~1~second~mail",
    ]
