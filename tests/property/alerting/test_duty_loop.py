"""Laws of the duty loop: what is told twice changes nothing, nobody is told twice, nothing is forgotten."""

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

Happening: TypeAlias = tuple[str, str, Duration]

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
"""Of messages: sent, or handed over by a process that dies of it."""


class Story:
    """What happens to the alarms of one incident, told as their stage would tell it."""

    def __init__(self) -> None:
        self.alarms: dict[str, AlarmEvent] = {}
        self.revision = 0

    def tell(self, what: str, entity: str) -> AlarmBatch | None:
        """Return the record that tells it; None where it cannot happen."""
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
        told = duty_incident(*self.alarms.values(), revision=self.revision)
        return AlarmBatch(LAYOUT_VERSION, 0, (new,), (told,))


def play(
    run: DutyLoop, story: list[Happening], *, between: Callable[[list[AlarmBatch]], None] = lambda _: None
) -> Story:
    """Play a story, and return who can go on telling it.

    `between` is done after each thing that happens, with all that was told so far.
    """
    teller, told = Story(), []
    for number, (what, entity, pause) in enumerate(story):
        if what == "snooze":
            run.command("snooze", str(number), until=run.now + HOUR)
        elif what in ("assign", "comment"):
            run.command(what, str(number), text="third")
        elif (batch := teller.tell(what, entity)) is not None:
            told.append(batch)
            run.on_batch(batch)
        between(told)
        run.advance(pause)
    return teller


@given(happenings, st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_told_again_changes_no_decision(story: list[Happening], data: st.DataObject) -> None:
    once, often = DutyLoop(), DutyLoop()

    def tell_again(told: list[AlarmBatch]) -> None:
        for repeated in data.draw(st.lists(st.sampled_from(told), max_size=3)) if told else ():
            often.on_batch(repeated)

    play(once, story)
    play(often, story, between=tell_again)
    assert often.events == once.events


@given(happenings, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_nobody_is_told_twice_for_a_step_and_what_is_open_is_never_forgotten(
    story: list[Happening], dice: Random
) -> None:
    def delivers(message: OutgoingMessage) -> bool | None:
        return dice.choices((True, False, None), (6, 3, 1))[0]

    run = DutyLoop(delivers=delivers)
    play(run, story)
    # The process dies; what it was about to hand over is doubtful.
    run.manager.resolve_doubtful(run.now)
    run.advance(SECOND)
    run.delivers = lambda message: True
    run.advance(30 * MINUTE)
    counted = Counter(one.notification for one in run.events if one.outcome == "sent")
    assert not counted or max(counted.values()) == 1
    tries = Counter((one.notification, one.attempt) for one in run.events if one.outcome == "sending")
    assert not tries or max(tries.values()) == 1
    case = run.memory.incidents.get(INCIDENT)
    if case is None:
        return
    if case.phase is IncidentPhase.ESCALATING:
        assert run.manager.next_due() is not None, (
            "an open incident that nobody acknowledged has no next step"
        )
        run.advance(12 * HOUR)
        assert any(one.outcome == "sent" and one.kind in ("alarm", "change") for one in run.events)
    told = {(one.contact, one.channel) for one in run.events if one.kind != "recovery"}
    recovered = {(one.contact, one.channel) for one in run.events if one.kind == "recovery"}
    assert recovered <= told, "somebody who was never told hears that it is over"


@given(happenings, fates, fates)
@settings(max_examples=100, deadline=None)
def test_whoever_was_told_hears_in_the_end_that_it_is_over(
    story: list[Happening], recoveries: list[bool | None], others: list[bool | None]
) -> None:
    def delivers(message: OutgoingMessage) -> bool | None:
        waiting = recoveries if message.request.kind == "recovery" else others
        return waiting.pop() if waiting else True

    run = DutyLoop(delivers=delivers)
    teller = play(run, story)
    for entity in ENTITIES:
        if (batch := teller.tell("return", entity)) is not None:
            run.on_batch(batch)
    # The process dies again and again, also of what it tells then.
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
def test_a_restart_at_any_moment_goes_on_alike(story: list[Happening]) -> None:
    whole = DutyLoop()
    play(whole, story)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(DutyLoop(journal=Path(folder) / "duty.sqlite")) as cut,
    ):
        play(cut, story, between=lambda _: cut.restart())
    assert cut.events == whole.events
