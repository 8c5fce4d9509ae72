"""Changes of an incident that still escalates: who is notified, when, and how often."""

from __future__ import annotations

from msgspec.structs import replace

from tests.support.payloads.alarm_events import returned_event
from tests.support.pipelines.duty_loop import (
    NOON,
    POLICY,
    DutyLoop,
    duty_alarm,
    duty_plan,
    kinds_and_contacts,
)
from twin.instant import HOUR, MINUTE


def test_a_change_is_part_of_the_step_for_its_recipients_and_extra_for_the_others() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance_until(NOON + 17 * MINUTE)
    run.on_alarms(duty_alarm(), duty_alarm("polder"), revision=2)
    # The change would be due at 17:05; an officer snoozed the incident until the step at 20:05.
    run.command("snooze", until=NOON + 25 * MINUTE)
    run.advance_until(NOON + 26 * MINUTE)
    assert sorted((one.kind, one.contact, one.channel) for one in run.sent[3:]) == [
        ("alarm", "first", "mail"),
        ("alarm", "second", "mail"),
        ("alarm", "third", "mail"),
        ("change", "first", "sms"),
    ]
    run.advance(8 * MINUTE)
    assert len(run.sent) == 7, "it was notified once"


def test_a_step_to_another_contact_does_not_suppress_the_change() -> None:
    run = DutyLoop(duty_plan(replace(POLICY, group_interval=12 * MINUTE)))
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.on_alarms(duty_alarm(), duty_alarm("polder"), revision=2)
    run.advance_until(NOON + 13 * MINUTE)
    assert kinds_and_contacts(run.sent[2:]) == [("alarm", "second"), *[("change", "first")] * 2]
    newest = list(run.messages.values())[-1].text
    assert newest.title == "MAJOR · New: High water, Polder"


def test_a_change_that_cleared_before_it_is_due_is_not_sent() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.on_alarms(duty_alarm(), duty_alarm("polder"), revision=2)
    run.advance(MINUTE)
    run.on_alarms(duty_alarm(), returned_event(duty_alarm("polder")), revision=3)
    run.advance_until(NOON + 9 * MINUTE)
    assert kinds_and_contacts(run.sent) == [("alarm", "first")] * 2


def test_an_incident_that_keeps_growing_causes_a_bearable_number_of_messages() -> None:
    """EEMUA 191: one message in ten minutes is acceptable, and two are the most a person can handle."""
    run = DutyLoop()
    alarms = [duty_alarm(rule=f"rule-{number}", cause="high-water") for number in range(22)]
    for number in range(len(alarms)):
        run.on_alarms(*alarms[: number + 1], revision=number + 1)
        run.advance(HOUR // len(alarms))
    for contact in ("first", "second", "third"):
        minutes = [one.minute for one in run.sent if (one.contact, one.channel) == (contact, "mail")]
        assert len(minutes) <= 6
        assert len(set(minutes)) == len(minutes), "two messages at the same moment"
    run.advance(HOUR)
    assert len(run.incident_state().reported_alarms) == len(alarms), "all alarms were reported"
