"""Laws of the duty loop: repeated input has no effect, nobody is notified twice, nothing is lost."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alerting.incidents.incident_state import RECOVERY_REPEATS_MAX, IncidentPhase
from alerting.messages.outgoing_message import OutgoingMessage
from tests.support.payloads.alarm_events import acknowledged_event, returned_event
from tests.support.pipelines.duty_loop import INCIDENT, DutyLoop, duty_alarm, duty_incident
from twin.alarms.messages import AlarmBatch, AlarmEvent
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND, Duration
from twin.wire.codec import LAYOUT_VERSION

ENTITIES = ("canal", "polder", "town")

StoryEvent: TypeAlias = tuple[str, str, Duration]

pauses = st.sampled_from((0, SECOND, 4 * SECOND, MINUTE, 6 * MINUTE, 20 * MINUTE, 5 * HOUR))
happenings = st.lists(
    st.tuples(
        st.sampled_from(("raise", "worsen", "acknowledge", "return", "snooze", "assign", "comment")),
        st.sampled_from(ENTITIES),
        pauses,
    ),
    min_size=1,
    max_size=25,
)


fates = st.lists(st.sampled_from((True, None)), max_size=20)
"""The result of an attempt: sent, or doubtful since the process died."""


class Story:
    """Random events of the alarms of one incident, as records of the alarm stage."""

    def __init__(self) -> None:
        self.alarms: dict[str, AlarmEvent] = {}
        self.revision = 0

    def next_batch(self, what: str, entity: str) -> AlarmBatch | None:
        """Return the record of an event; None where it cannot happen."""
        known = self.alarms.get(entity)
        active = known is not None and known.active
        revision = known.revision + 1 if known is not None else 1
        match what:
            case "raise" if not active:
                new = duty_alarm(entity, revision, severity=Severity.MINOR)
            case "worsen" if known is not None and active and known.severity < Severity.CRITICAL:
                worse = Severity(known.severity + 1)
                new = replace(known, revision=revision, severity=worse, state="unacknowledged")
            case "acknowledge" if known is not None and active:
                new = acknowledged_event(known)
            case "return" if known is not None and active:
                new = returned_event(known)
            case _:
                return None
        self.alarms[entity] = new
        self.revision += 1
        incident = duty_incident(*self.alarms.values(), revision=self.revision)
        return AlarmBatch(LAYOUT_VERSION, 0, (new,), (incident,))


def play(
    run: DutyLoop, story: list[StoryEvent], *, between: Callable[[list[AlarmBatch]], None] = lambda _: None
) -> Story:
    """Play a story, and return it, so that it can be continued.

    `between` is called after each event, with all records so far.
    """
    player, records = Story(), []
    for number, (what, entity, pause) in enumerate(story):
        if what == "snooze":
            run.command("snooze", str(number), until=run.now + HOUR)
        elif what in ("assign", "comment"):
            run.command(what, str(number), text="third")
        elif (batch := player.next_batch(what, entity)) is not None:
            records.append(batch)
            run.on_batch(batch)
        between(records)
        run.advance(pause)
    return player


@given(happenings, st.data())
@settings(max_examples=60, deadline=None)
def test_repeated_records_change_no_decision(story: list[StoryEvent], data: st.DataObject) -> None:
    once, often = DutyLoop(), DutyLoop()

    def repeat(records: list[AlarmBatch]) -> None:
        for repeated in data.draw(st.lists(st.sampled_from(records), max_size=3)) if records else ():
            often.on_batch(repeated)

    play(once, story)
    play(often, story, between=repeat)
    assert often.events == once.events


@given(happenings, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_no_step_notifies_twice_and_no_open_incident_is_lost(story: list[StoryEvent], dice: Random) -> None:
    def delivers(message: OutgoingMessage) -> bool | None:
        return dice.choices((True, False, None), (6, 3, 1))[0]

    run = DutyLoop(delivers=delivers)
    play(run, story)
    # The process dies; the message that it was sending is doubtful.
    run.manager.resolve_doubtful(run.now)
    run.advance(SECOND)
    run.delivers = lambda message: True
    run.advance(30 * MINUTE)
    counted = Counter(one.notification for one in run.events if one.outcome == "sent")
    assert not counted or max(counted.values()) == 1
    tries = Counter((one.notification, one.attempt) for one in run.events if one.outcome == "sending")
    assert not tries or max(tries.values()) == 1
    state = run.memory.incidents.get(INCIDENT)
    if state is None:
        return
    if state.phase is IncidentPhase.ESCALATING:
        assert run.manager.next_due() is not None, (
            "an open incident that nobody acknowledged has no next step"
        )
        run.advance(12 * HOUR)
        assert any(one.outcome == "sent" and one.kind in ("alarm", "change") for one in run.events)
    notified = {(one.contact, one.channel) for one in run.events if one.kind != "recovery"}
    recovered = {(one.contact, one.channel) for one in run.events if one.kind == "recovery"}
    assert recovered <= notified, "a recovery was sent to somebody who was never notified"


@given(happenings, fates, fates)
@settings(max_examples=100, deadline=None)
def test_every_notified_contact_gets_the_recovery_in_the_end(
    story: list[StoryEvent], recoveries: list[bool | None], others: list[bool | None]
) -> None:
    def delivers(message: OutgoingMessage) -> bool | None:
        waiting = recoveries if message.request.kind == "recovery" else others
        return waiting.pop() if waiting else True

    run = DutyLoop(delivers=delivers)
    player = play(run, story)
    for entity in ENTITIES:
        if (batch := player.next_batch("return", entity)) is not None:
            run.on_batch(batch)
    # The process dies again and again, also while it sends the recovery.
    for _ in range(RECOVERY_REPEATS_MAX):
        run.advance(12 * HOUR)
        run.manager.resolve_doubtful(run.now)
    recoveries.clear()
    others.clear()
    run.advance(12 * HOUR)
    last = {(one.contact, one.channel): one.kind for one in run.events if one.outcome == "sent"}
    assert set(last.values()) <= {"recovery"}


@given(happenings)
@settings(max_examples=25, deadline=None)
def test_a_restart_at_any_moment_changes_nothing(story: list[StoryEvent]) -> None:
    whole = DutyLoop()
    play(whole, story)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(DutyLoop(journal=Path(folder) / "duty.sqlite")) as cut,
    ):
        play(cut, story, between=lambda _: cut.restart())
    assert cut.events == whole.events
