"""A storm of incidents: a recipient gets a bounded number of messages, and nothing is lost or postponed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from alerting.incidents.incident_state import NotificationRequest
from alerting.messages.digest_text import OCCURRENCES_MAX, compose_digest, fit_digest
from alerting.messages.message_text import MessageText
from alerting.messages.outgoing_message import OutgoingMessage
from alerting.policy.storm_limit import RecipientTraffic, divide_due, next_delivery
from tests.support.payloads.alarm_events import incident_event
from tests.support.pipelines.duty_loop import NOON, POLICY, DutyLoop, duty_alarm, duty_plan
from twin.alarms.messages import AlarmBatch
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND, Instant
from twin.model.duty import StormLimit
from twin.wire.codec import LAYOUT_VERSION

STORM = 200


def storm(run: DutyLoop, count: int = STORM, revision: int = 1, **changes: Any) -> None:
    """Raise alarms of as many causes and areas within 6 s; every 50th is critical."""
    for number in range(count):
        severity = Severity.CRITICAL if number % 50 == 49 else Severity.MINOR
        raise_alarm(run, number, revision, **{"severity": severity, **changes})
        run.advance(6 * SECOND // count)


def raise_alarm(run: DutyLoop, number: int, revision: int = 1, **changes: Any) -> None:
    alarm = duty_alarm(
        "canal", revision, cause=f"cause-{number}", area=f"area-{number}", rule=f"rule-{number}", **changes
    )
    incident = incident_event(alarm, revision=revision, incident=f"cause-{number}~area-{number}~1")
    run.on_batch(AlarmBatch(LAYOUT_VERSION, run.now, (alarm,), (incident,)))


def delivered(run: DutyLoop, contact: str = "first", channel: str = "mail") -> Iterator[OutgoingMessage]:
    """Yield what a contact got: messages that were sent alone, and digests."""
    for event in run.events:
        if (event.contact, event.channel, event.outcome, event.digest) == (contact, channel, "sent", ""):
            yield run.messages[event.notification]


def told(run: DutyLoop, contact: str = "first", channel: str = "mail") -> set[str]:
    """Return the incidents of which a contact was told, alone or in a digest."""
    events = (one for one in run.events if (one.contact, one.channel) == (contact, channel))
    return {one.incident for one in events if one.outcome == "sent" and one.incident}


def test_200_incidents_are_a_few_messages_and_none_is_lost() -> None:
    run = DutyLoop()
    storm(run)
    run.advance(3 * MINUTE)
    got = list(delivered(run))
    assert len(told(run)) == STORM
    assert len(got) <= StormLimit().messages + 2
    assert sum(len(one.parts) or 1 for one in got) == STORM, "each once"
    digest = got[-1]
    severities = [run.messages[part.notification].text.severity for part in digest.parts]
    assert severities == sorted(severities, reverse=True), "the worst first"


def test_the_first_messages_are_the_worst_of_those_that_are_due() -> None:
    run = DutyLoop()
    for number in range(20):
        raise_alarm(run, number, severity=Severity.CRITICAL if number >= 18 else Severity.MINOR)
    run.advance(6 * SECOND)
    assert [one.text.severity for one in delivered(run)][:2] == [Severity.CRITICAL] * 2


def test_what_is_worse_than_all_that_a_person_got_does_not_wait() -> None:
    run = DutyLoop()
    storm(run, 30, severity=Severity.MINOR)
    run.advance(10 * SECOND)
    raise_alarm(run, 99, severity=Severity.CRITICAL)
    run.advance(5 * SECOND)
    assert list(delivered(run))[-1].request.incident == "cause-99~area-99~1"


def test_a_message_waits_for_its_digest_no_longer_than_the_plan_says() -> None:
    run = DutyLoop()
    for number in range(60):
        raise_alarm(run, number)
        run.advance(20 * SECOND)
    run.advance(3 * MINUTE)
    sent = {one.notification: one for one in run.events if one.outcome == "sent" and one.incident}
    assert len({one.incident for one in sent.values()}) == 60
    assert max(one.time - one.due_time for one in sent.values()) <= StormLimit().digest
    times = [run.messages[one.id].due for one in delivered(run)]
    assert all(times[index + 12] - times[index] >= 10 * MINUTE for index in range(len(times) - 12))


def test_a_message_reaches_its_recipient_before_the_next_step_follows() -> None:
    steps = tuple(replace(step, wait=20 * SECOND) for step in POLICY.steps)
    run = DutyLoop(duty_plan(replace(POLICY, steps=steps, group_wait=0)))
    storm(run, 60)
    run.advance(MINUTE)
    first = [one for one in run.events if one.step == 0 and one.outcome == "sent" and one.incident]
    assert max(one.time - one.due_time for one in first) <= 10 * SECOND


def test_a_newer_message_does_not_postpone_the_digest() -> None:
    run = DutyLoop()
    for number in range(6):
        raise_alarm(run, number)
    run.advance(6 * SECOND)
    held = {f"cause-{number}~area-{number}~1" for number in range(6)} - told(run)
    [number] = [int(id.split("~")[0].removeprefix("cause-")) for id in held]
    for revision, severity in enumerate((Severity.MINOR, Severity.MINOR), 2):
        run.advance(50 * SECOND)
        raise_alarm(run, number, revision, severity=severity, raised_time=run.now)
    run.advance(30 * SECOND)
    assert held <= told(run)


def test_the_limit_survives_a_restart_and_a_digest_that_was_being_sent_is_doubtful(tmp_path: Path) -> None:
    hangs = False
    run = DutyLoop(delivers=lambda _: None if hangs else True, journal=tmp_path / "journal")
    for number in range(20):
        raise_alarm(run, number)
    run.advance(6 * SECOND)
    assert len(list(delivered(run))) == 5
    run.restart()
    run.advance(10 * SECOND)
    assert len(list(delivered(run))) == 5, "what was sent before the restart counts"
    hangs = True
    run.advance(2 * MINUTE)
    run.restart()
    hangs = False
    assert run.manager.resolve_doubtful(run.now) > 15
    run.advance(3 * MINUTE)
    # The incidents of the digest certainly reached nobody at that step: the next person is asked.
    assert len(told(run)) == 5
    assert len(told(run, "second")) == 15
    run.close()


def test_a_failed_digest_is_sent_again_with_the_same_id_and_in_time() -> None:
    works = True
    run = DutyLoop(delivers=lambda _: works)
    for number in range(20):
        raise_alarm(run, number)
    run.advance(6 * SECOND)
    works = False
    run.advance(2 * MINUTE)
    works = True
    run.advance(5 * MINUTE)
    tries = [one for one in run.events if one.kind == "digest" and one.channel == "mail"]
    assert len({one.notification for one in tries if one.contact == "first"}) == 1
    revisions = [one.revision for one in tries if one.contact == "first"]
    assert revisions == sorted(set(revisions))
    assert len(told(run)) == 20


def test_incidents_of_one_area_that_begin_together_share_a_message() -> None:
    run = DutyLoop()
    for second, cause in enumerate(("flood", "power")):
        alarm = duty_alarm("canal", cause=cause, rule=cause)
        incident = incident_event(alarm, revision=1, incident=f"{cause}~town.east~1")
        run.on_batch(AlarmBatch(LAYOUT_VERSION, run.now, (alarm,), (incident,)))
        run.advance((2 - second) * SECOND)
    run.advance(5 * SECOND)
    [message] = delivered(run)
    assert message.text.title.startswith("MAJOR · 2 messages: ")
    assert [part.notification.split("~")[0] for part in message.parts] == ["flood", "power"]
    assert message.due == NOON + 5 * SECOND, "no later than the first of them alone"
    assert len(message.occurrences) == 2, "its link acknowledges both"
    assert "Area: " in message.text.body, "few messages are there with their whole text"


@pytest.mark.parametrize(("group", "count"), [("incident", 3), ("area", 2), ("all", 1)])
def test_the_plan_says_which_incidents_share_a_message(group: Any, count: int) -> None:
    run = DutyLoop(duty_plan(storm=StormLimit(group=group)))
    for cause, area in (("flood", "town.east"), ("power", "town.east"), ("flood", "town.west")):
        alarm = duty_alarm("canal", cause=cause, area=area, rule=f"{cause}-{area}")
        incident = incident_event(alarm, revision=1, incident=f"{cause}~{area}~1", area=area)
        run.on_batch(AlarmBatch(LAYOUT_VERSION, run.now, (alarm,), (incident,)))
    run.advance(5 * SECOND)
    assert len(list(delivered(run))) == count


def test_without_a_limit_every_message_is_sent_at_once() -> None:
    run = DutyLoop(duty_plan(storm=StormLimit(messages=0, group="incident")))
    storm(run, 50)
    run.advance(6 * SECOND)
    assert len(list(delivered(run))) == 50


def message(number: int, severity: Severity = Severity.MINOR, **changes: Any) -> OutgoingMessage:
    id = f"cause~area-{number}~1"
    request = NotificationRequest(f"{id}~0~0~anna~mail", id, "alarm", 0, 0, "anna", "mail", NOON)
    text = MessageText(
        title=f"MINOR · High water, gauge {number}",
        body="since noon",
        short="MINOR - High water",
        line=f"MINOR · High water, gauge {number}, -0.3 m, since noon",
        language="en",
        severity=severity,
        answer_label="Acknowledge",
    )
    known = {"due": NOON, "held_until": NOON + MINUTE, "occurrences": frozenset({b"%05d" % number})}
    return OutgoingMessage(request=request, text=text, **{**known, **changes})


def test_a_digest_acknowledges_only_what_it_has_room_for() -> None:
    digest = compose_digest([message(number) for number in range(100)], NOON)
    assert len(digest.occurrences) == 100
    fitted = fit_digest(digest, 2_000)
    lines = [line for line in fitted.text.body.splitlines() if line.startswith("– ")]
    assert len(fitted.text.body) <= 2_000
    assert 0 < len(lines) < 100
    assert fitted.occurrences == {b"%05d" % number for number in range(len(lines))}
    assert f"and {100 - len(lines)} more messages" in fitted.text.body


def test_a_text_message_names_the_worst_message_and_counts_the_others() -> None:
    digest = compose_digest([message(0, Severity.CRITICAL), *map(message, range(1, 30))], NOON)
    assert digest.text.short.startswith("MINOR - 30 messages: 1 critical, 29 minor; first: High water")
    assert len(digest.text.short) <= 160
    assert fit_digest(digest, 160).occurrences == {b"00000"}


def test_a_link_of_a_digest_has_a_bounded_length() -> None:
    many = [
        message(number, occurrences=frozenset(b"%02d%03d" % (number, one) for one in range(100)))
        for number in range(20)
    ]
    assert len(fit_digest(compose_digest(many, NOON), 1_000_000).occurrences) == OCCURRENCES_MAX


def test_a_recovery_in_a_digest_adds_nothing_to_acknowledge() -> None:
    over = message(1, Severity.CLEARED)
    over = replace(over, text=replace(over.text, answer_label=""))
    digest = compose_digest([message(0), over], NOON)
    assert digest.occurrences == {b"00000"}


@pytest.mark.parametrize("seed", range(200))
def test_something_is_delivered_at_the_time_at_which_it_is_due(seed: int) -> None:
    """The loop waits until `next_delivery`, and then always has something to send."""
    dice = Random(seed)
    limit = StormLimit(messages=dice.randint(0, 4), within=10 * MINUTE, digest=dice.choice((SECOND, MINUTE)))
    traffic = RecipientTraffic()
    now: Instant = NOON
    waiting: list[OutgoingMessage] = []
    for number in range(40):
        now += dice.choice((0, SECOND, MINUTE, HOUR))
        due = now + dice.choice((0, SECOND, MINUTE))
        waiting.append(message(number, Severity(dice.randint(0, 4)), due=due, held_until=due + limit.digest))
        at = next_delivery(waiting, traffic, limit)
        assert at is not None
        if at > now:
            assert divide_due(waiting, traffic, limit, {}, now) == []
        else:
            for part in divide_due(waiting, traffic, limit, {}, now):
                assert all(one.due <= now for one in part)
                waiting = [one for one in waiting if one not in part]
                traffic = traffic.with_message(part[0], now, limit.within)
    while waiting:
        at = next_delivery(waiting, traffic, limit)
        assert at is not None
        now = max(now, at)
        parts = divide_due(waiting, traffic, limit, {}, now)
        assert parts, f"nothing is sent at {now}, although {at} is the next time"
        for part in parts:
            waiting = [one for one in waiting if one not in part]
            traffic = traffic.with_message(part[0], now, limit.within)


def test_an_incident_that_comes_and_goes_in_a_storm_is_told_in_time() -> None:
    run = DutyLoop()
    storm(run, 30)
    run.advance(10 * SECOND)
    begun = run.now
    for revision in range(1, 121):
        raise_alarm(run, 99, revision, severity=Severity.MINOR, active=revision % 2 == 1)
        run.advance(2 * SECOND)
    events = [one for one in run.events if one.incident.startswith("cause-99~") and one.contact == "first"]
    times = [one.time for one in events if one.outcome == "sent"]
    assert times
    assert min(times) <= begun + 5 * SECOND + StormLimit().digest + 5 * SECOND


def test_whoever_was_told_is_told_the_end_of_an_incident_that_returned_before_its_recovery_was_sent() -> None:
    run = DutyLoop()
    for number in range(4):
        raise_alarm(run, number)
    run.advance(6 * SECOND)
    assert "cause-0~area-0~1" in told(run)
    raise_alarm(run, 5)
    run.advance(6 * SECOND)
    for revision, active in ((2, False), (3, True), (4, False)):
        raise_alarm(run, 0, revision, active=active)
        run.advance(8 * SECOND)
    run.advance(10 * MINUTE)
    over = {one.contact for one in run.events if one.kind == "recovery" and one.outcome == "sent"}
    assert over == {one.contact for one in run.events if one.incident == "cause-0~area-0~1"}
