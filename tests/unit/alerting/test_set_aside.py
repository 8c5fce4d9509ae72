"""Nobody is told that an alarm is over while its condition may still hold."""

from __future__ import annotations

from msgspec.structs import replace

from alerting.messages.outgoing_message import OutgoingMessage
from tests.support.payloads.alarm_events import acknowledged_event
from tests.support.pipelines.duty_loop import DutyLoop, duty_alarm
from twin.instant import DAY, HOUR, MINUTE, SECOND


def recovery(run: DutyLoop) -> OutgoingMessage:
    """Return the recovery that the first person got."""
    [id] = [
        event.notification
        for event in run.events
        if (event.kind, event.contact, event.channel, event.outcome) == ("recovery", "first", "mail", "sent")
    ]
    return run.messages[id]


def test_a_recovery_after_an_acknowledgement_still_says_that_the_rule_was_changed() -> None:
    run = DutyLoop()
    raised = duty_alarm()
    run.on_alarms(raised)
    run.advance(MINUTE)
    (operand,) = raised.operands
    ended = replace(
        raised,
        revision=2,
        kind="returned",
        actor="anna",
        text="by version 2 of the rule",
        active=False,
        state="returned-unacknowledged",
        operands=(operand._replace(value=-0.1),),
    )
    run.on_alarms(ended, revision=2, open=False, closed_time=run.now)
    run.advance(SECOND)
    known = replace(
        acknowledged_event(ended, "bert"), revision=3, active=False, state="normal", text="seen", operands=()
    )
    run.on_alarms(known, revision=3, open=False, closed_time=run.now)
    run.advance(MINUTE)
    text = recovery(run).text
    assert text.title.startswith("SET ASIDE · ")
    assert "(rule changed by anna)" in text.body
    assert "-0.1 m, at or above -0.3 m" in text.body, "the value now"


def test_an_acknowledgement_of_the_next_occurrence_says_nothing_about_the_one_before() -> None:
    run = DutyLoop()
    raised = duty_alarm()
    run.on_alarms(raised)
    ended = replace(
        raised, revision=2, kind="returned", text="by version 2 of the rule", active=False, state="normal"
    )
    run.on_alarms(ended, revision=2, open=False, closed_time=run.now)
    again = replace(raised, revision=3, kind="raised", occurrence=2)
    run.on_alarms(again, revision=3)
    known = replace(acknowledged_event(again, "bert"), revision=4)
    run.on_alarms(known, revision=4)
    assert run.memory.alarms[raised.alarm].kind == "acknowledged"


def test_nobody_is_told_that_it_is_over_while_no_data_come() -> None:
    run = DutyLoop()
    run.on_alarms(duty_alarm())
    run.advance(2 * DAY + HOUR)
    assert {one.kind for one in run.events} == {"alarm", "reminder"}
