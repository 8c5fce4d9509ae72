"""Recoveries whose sending kills the process, or that the process sends while it dies."""

from __future__ import annotations

from alerting.incidents.incident_state import RECOVERY_REPEATS_MAX
from tests.support.payloads.alarm_events import returned_event
from tests.support.pipelines.duty_loop import DutyLoop, duty_alarm, kinds_and_contacts
from twin.instant import HOUR, MINUTE, SECOND


def test_a_doubtful_recovery_is_repeated_and_marked_as_such() -> None:
    run = DutyLoop(delivers=lambda message: message.request.kind != "recovery" or None)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    run.advance(10 * SECOND)
    assert kinds_and_contacts(run.sent) == [("alarm", "first")] * 2
    assert run.manager.resolve_doubtful(run.now) == 2
    run.delivers = lambda message: True
    run.advance(HOUR)
    assert kinds_and_contacts(run.sent[2:]) == [("recovery", "first")] * 2
    assert {run.messages[one.notification].text.title for one in run.events[-2:]} == {
        "CLEARED · Perhaps sent before: High water, Canal"
    }
    assert len({one.notification for one in run.events}) == 6, "another message, with an id of its own"


def test_a_doubtful_recovery_is_not_repeated_for_ever() -> None:
    run = DutyLoop(delivers=lambda message: message.request.kind != "recovery" or None)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    for _ in range(10):
        run.advance(MINUTE)
        run.manager.resolve_doubtful(run.now)
    tries = [one for one in run.events if one.kind == "recovery" and one.outcome == "sending"]
    assert len(tries) == 2 * (1 + RECOVERY_REPEATS_MAX)
    assert run.manager.next_due() is None


def test_after_a_doubtful_recovery_and_a_return_all_get_the_recovery_in_the_end() -> None:
    run = DutyLoop(delivers=lambda message: message.request.kind != "recovery" or None)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    run.advance(10 * SECOND)
    run.manager.resolve_doubtful(run.now)
    run.on_alarms(duty_alarm(revision=3), revision=3)
    run.delivers = lambda message: True
    run.advance(2 * SECOND)
    run.on_alarms(returned_event(duty_alarm(revision=3)), revision=4)
    run.advance(HOUR)
    assert kinds_and_contacts(run.sent[2:]) == [("recovery", "first")] * 2
