"""That it is over, told by a process that dies of it, or while it does so."""

from __future__ import annotations

from alerting.incidents.incident_state import RECOVERY_REPEATS_MAX
from tests.support.payloads.alarm_events import returned
from tests.support.pipelines.duty_loop import DutyRun, alarm, told
from twin.instant import HOUR, MINUTE, SECOND


def test_a_doubtful_recovery_is_told_again_as_one_that_may_have_been_told() -> None:
    run = DutyRun(delivers=lambda message: message.send.kind != "recovery" or None)
    run.hear(alarm())
    run.pass_(MINUTE)
    run.hear(returned(alarm()), revision=2)
    run.pass_(10 * SECOND)
    assert told(run.sent) == [("alarm", "first")] * 2
    assert run.desk.resolve_doubtful(run.now) == 2
    run.delivers = lambda message: True
    run.pass_(HOUR)
    assert told(run.sent[2:]) == [("recovery", "first")] * 2
    assert {run.messages[one.notification].wording.title for one in run.events[-2:]} == {
        "CLEARED · Perhaps told before: High water, Canal"
    }
    assert len({one.notification for one in run.events}) == 6, "another message, with an id of its own"


def test_a_doubtful_recovery_is_not_told_again_for_ever() -> None:
    run = DutyRun(delivers=lambda message: message.send.kind != "recovery" or None)
    run.hear(alarm())
    run.pass_(MINUTE)
    run.hear(returned(alarm()), revision=2)
    for _ in range(10):
        run.pass_(MINUTE)
        run.desk.resolve_doubtful(run.now)
    tries = [one for one in run.events if one.kind == "recovery" and one.outcome == "sending"]
    assert len(tries) == 2 * (1 + RECOVERY_REPEATS_MAX)
    assert run.desk.next_due() is None


def test_what_comes_back_while_a_recovery_is_in_doubt_is_told_over_to_all_in_the_end() -> None:
    run = DutyRun(delivers=lambda message: message.send.kind != "recovery" or None)
    run.hear(alarm())
    run.pass_(MINUTE)
    run.hear(returned(alarm()), revision=2)
    run.pass_(10 * SECOND)
    run.desk.resolve_doubtful(run.now)
    run.hear(alarm(revision=3), revision=3)
    run.delivers = lambda message: True
    run.pass_(2 * SECOND)
    run.hear(returned(alarm(revision=3)), revision=4)
    run.pass_(HOUR)
    assert told(run.sent[2:]) == [("recovery", "first")] * 2
