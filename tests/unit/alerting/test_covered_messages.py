"""Messages that wait while a channel fails: a newer one to the same recipient replaces them."""

from __future__ import annotations

from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from tests.support.pipelines.duty_loop import INCIDENT, DutyLoop, duty_alarm
from twin.alarms.severity import Severity
from twin.instant import MINUTE, SECOND


class FailingChannel:
    """A channel that refuses every message until it is mended."""

    def __init__(self) -> None:
        self.works = False

    def __call__(self, _: object) -> bool:
        return self.works


def test_after_an_outage_each_recipient_gets_the_newest_message_only() -> None:
    channel = FailingChannel()
    run = DutyLoop(delivers=channel)
    run.on_alarms(duty_alarm())
    run.advance(20 * SECOND)
    run.on_alarms(duty_alarm(), duty_alarm("polder", severity=Severity.CRITICAL), revision=2)
    run.advance(20 * SECOND)
    channel.works = True
    run.advance(3 * MINUTE)
    to_first = [event for event in run.events if (event.contact, event.channel) == ("first", "mail")]
    sent = [event for event in to_first if event.outcome == "sent"]
    assert len(sent) == 1
    withdrawn = [event for event in to_first if event.outcome == "withdrawn"]
    assert [event.detail for event in withdrawn] == [f"covered by {sent[0].notification}"]
    assert "CRITICAL" in sent[0].title


def test_a_step_has_reached_somebody_once_the_newer_message_has_arrived() -> None:
    channel = FailingChannel()
    run = DutyLoop(delivers=channel)
    run.on_alarms(duty_alarm())
    run.advance(20 * SECOND)
    assert run.incident_state().pending_messages
    run.on_alarms(duty_alarm(), duty_alarm("polder", severity=Severity.CRITICAL), revision=2)
    run.advance(20 * SECOND)
    waiting = [message.id for message in run.memory.messages.values()]
    assert set(run.incident_state().pending_messages) <= set(waiting)
    channel.works = True
    run.advance(MINUTE)
    state = run.memory.incidents[INCIDENT]
    assert state.step_reached
    assert state.pending_messages == ()


def test_a_message_that_is_being_sent_is_not_withdrawn() -> None:
    run = DutyLoop(delivers=lambda _: None)
    run.on_alarms(duty_alarm())
    run.advance(20 * SECOND)
    run.on_alarms(duty_alarm(), duty_alarm("polder", severity=Severity.CRITICAL), revision=2)
    run.advance(20 * SECOND)
    assert [event for event in run.events if event.outcome == "withdrawn"] == []


def test_a_message_that_fails_after_a_newer_one_was_decided_is_not_tried_again() -> None:
    begun: list[OutgoingMessage] = []

    def deliver(message: OutgoingMessage) -> bool | None:
        begun.append(message)
        return True if len(begun) > 2 else None

    run = DutyLoop(delivers=deliver)
    run.on_alarms(duty_alarm())
    run.advance(20 * SECOND)
    run.on_alarms(duty_alarm(), duty_alarm("polder", severity=Severity.CRITICAL), revision=2)
    run.advance(20 * SECOND)
    older = next(one for one in begun if one.request.channel == "mail")
    assert run.manager.end_attempt(AttemptResult(older.id, False, "refused"), run.now) == "withdrawn"
    [event] = run.manager.take_change().events
    assert (event.notification, event.outcome) == (older.id, "withdrawn")
    assert event.detail.startswith("refused; covered by ")
    run.advance(3 * MINUTE)
    assert [one.id for one in begun].count(older.id) == 1
