"""Attempts that ended before anything was handed over, in a turn of work whose end the log does not know."""

from __future__ import annotations

from alerting.messages.outgoing_message import NOT_SENT_DETAIL, AttemptKey, MessageState, OutgoingMessage
from tests.support.payloads.alarm_events import incident_event
from tests.support.pipelines.duty_loop import DutyLoop, duty_alarm, kinds_and_contacts
from twin.alarms.messages import AlarmBatch
from twin.instant import MINUTE, SECOND
from twin.wire.codec import LAYOUT_VERSION


def under_way(run: DutyLoop) -> list[OutgoingMessage]:
    """Return the messages that are being sent, those in a digest by their digest."""
    sending = (one for one in run.memory.messages.values() if one.state is MessageState.SENDING)
    return [one for one in sending if not one.digest]


def interrupted() -> DutyLoop:
    """Return a duty of which two messages of one alarm are being sent."""
    run = DutyLoop(delivers=lambda message: None)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.delivers = lambda message: True
    assert len(under_way(run)) == 2
    return run


def test_what_was_certainly_not_sent_is_sent_after_another_turn() -> None:
    run = interrupted()
    messages = under_way(run)
    assert run.manager.resolve_doubtful(run.now, [one.attempt_key for one in messages]) == 0
    run.advance(MINUTE)
    assert kinds_and_contacts(run.sent) == [("alarm", "first")] * 2
    failed = [one for one in run.events if one.outcome == "failed"]
    assert {one.notification for one in failed} == {one.id for one in messages}
    assert {one.detail for one in failed} == {NOT_SENT_DETAIL}


def test_an_attempt_of_the_same_number_by_another_process_is_doubtful() -> None:
    run = interrupted()
    others = [AttemptKey(one.id, one.begun - 1) for one in under_way(run)]
    assert run.manager.resolve_doubtful(run.now, others) == 2
    run.advance(MINUTE)
    assert kinds_and_contacts(run.sent) == [("alarm", "second")]


def test_what_is_in_a_digest_that_was_not_sent_is_sent() -> None:
    run = DutyLoop()
    for number in range(20):
        alarm = duty_alarm("canal", cause=f"cause-{number}", area=f"area-{number}", rule=f"rule-{number}")
        incident = incident_event(alarm, incident=f"cause-{number}~area-{number}~1")
        run.on_batch(AlarmBatch(LAYOUT_VERSION, run.now, (alarm,), (incident,)))
    run.advance(6 * SECOND)
    run.delivers = lambda message: None
    run.advance(2 * MINUTE)
    digests = under_way(run)
    assert [bool(one.parts) for one in digests] == [True, True], "one on each channel"
    run.delivers = lambda message: True
    assert run.manager.resolve_doubtful(run.now, [one.attempt_key for one in digests]) == 0
    run.advance(3 * MINUTE)
    told = {(one.incident, one.contact) for one in run.events if one.outcome == "sent" and one.incident}
    assert {contact for _, contact in told} == {"first"}, "no further step was needed"
    assert len(told) == 20
