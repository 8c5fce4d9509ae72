"""What must be true of two simulated alertings; each invariant yields its violations as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from alerting.messages.outgoing_message import DOUBTFUL_DETAIL
from tests.simulation.duty.standby_process import HandOver
from tests.simulation.duty.standby_run import StandbyRun
from tests.support.pipelines.duty_loop import NOON
from twin.instant import SECOND, Duration, Instant

TAKEOVER: Duration = 10 * SECOND
"""Without a fault for so long, somebody works."""

HELD: Duration = 5 * SECOND
"""A message is handed over at most so long after its intent was read back, by the slowest clock."""

TOLD: Duration = TAKEOVER + 20 * SECOND
"""Without a fault for so long, somebody is told of each incident: its wait, and attempts that are refused."""


def standby_violations_of(seed: int) -> list[str]:
    """Return what a run breaks."""
    run = StandbyRun(seed)
    run.run()
    return [words for invariant in STANDBY_INVARIANTS for words in invariant(run)]


def no_message_arrives_twice(run: StandbyRun) -> Iterator[str]:
    """A message arrives once, unless the log with its intent is lost and the other process works then."""
    arrived: defaultdict[str, list[HandOver]] = defaultdict(list)
    for one in run.record.hand_overs:
        if one.arrived:
            arrived[one.message.id].append(one)
    for id, found in arrived.items():
        for first, second in pairwise(found):
            if not _log_was_lost(run, first.time - HELD, second.time) or not _other_worked(
                run, first, second
            ):
                yield f"{id}: by {_who(first)} and again by {_who(second)}"


def nothing_is_handed_over_after_another_works(run: StandbyRun) -> Iterator[str]:
    """Once a process works, the one before it hands over nothing, as long as the log is the same."""
    for one in run.record.hand_overs:
        turns = [turn for turn in run.record.turns if turn.time <= one.time]
        own = [turn for turn in turns if turn.process == one.process]
        if not own:
            yield f"{one.message.id}: by {_who(one)}, which never worked"
        elif turns[-1].process != one.process and turns[-1].log == own[-1].log:
            yield f"{one.message.id}: by {_who(one)}, while {turns[-1].process} works"


def nobody_is_displaced_without_a_fault(run: StandbyRun) -> Iterator[str]:
    """A process takes over only from one that had a fault, or whose log had one."""
    for before, turn in pairwise(run.record.turns):
        since = turn.time - TAKEOVER - 2 * SECOND
        names = (before.process, "log")
        if turn.process != before.process and not any(
            fault.what.startswith(names) and fault.begin <= turn.time and fault.end >= since
            for fault in run.faults
        ):
            yield f"{turn.process} took over from {before.process} at {_since(turn.time)}, without a fault"


def somebody_works(run: StandbyRun) -> Iterator[str]:
    """Without a fault for a while, one of the processes works."""
    for time, works in run.working:
        if not works and time >= NOON + TAKEOVER + 2 * SECOND and _is_quiet(run, time - TAKEOVER, time):
            yield f"nobody works at {_since(time)}, without a fault since {_since(time - TAKEOVER)}"
            return


def somebody_is_told_of_each_incident(run: StandbyRun) -> Iterator[str]:
    """Without a fault for a while, a message about each incident that stands has arrived."""
    for incident, truths in run.world.truth.items():
        begin = truths[0].time
        until = next((one.time for one in truths if not one.open or one.acknowledged), run.end)
        time = next(
            (at for at, _ in run.working if at - TOLD >= begin and _is_quiet(run, at - TOLD, at)), run.end
        )
        if time >= until:
            continue
        if not any(
            one.arrived and one.message.request.incident == incident and one.time <= time
            for one in run.record.hand_overs
        ):
            yield f"{incident}: since {_since(begin)} nobody was told until {_since(time)}"


def only_what_may_have_been_sent_is_doubtful(run: StandbyRun) -> Iterator[str]:
    """A process gives up no message as doubtful whose attempts were all its own and handed nothing over.

    Except after another process, which has worked in between, gave it up: it could not know that.
    """
    handed_over = {(one.message.id, one.process, one.life) for one in run.record.hand_overs}
    given_up_by: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
    for process, life, event in run.record.events:
        if event.outcome != "given-up" or event.detail != DOUBTFUL_DETAIL:
            continue
        id, own = event.notification, (process, life)
        given_up_by[id].add(own)
        if run.record.begun.get(id) == given_up_by[id] == {own} and (id, *own) not in handed_over:
            yield f"{id}: {process} gave it up as doubtful and knew that it had not sent it"


def each_message_that_was_handed_over_gets_a_result(run: StandbyRun) -> Iterator[str]:
    """Who handed a message over, or who works after that, says what became of it, unless the log was lost."""
    last = {one.message.id: one for one in run.record.hand_overs}
    results: defaultdict[str, Instant] = defaultdict(int)
    for _, _, event in run.record.events:
        if event.outcome != "sending":
            results[event.notification] = max(results[event.notification], event.time)
    for id, one in last.items():
        quiet = next(
            (at for at, _ in run.working if at - TOLD >= one.time and _is_quiet(run, at - TOLD, at)), None
        )
        if quiet is None or _log_was_lost(run, one.time - HELD, quiet):
            continue
        if not one.time <= results[id] <= quiet:
            yield f"{id}: by {_who(one)}, and nobody says what became of it until {_since(quiet)}"


STANDBY_INVARIANTS = (
    no_message_arrives_twice,
    nothing_is_handed_over_after_another_works,
    nobody_is_displaced_without_a_fault,
    somebody_works,
    somebody_is_told_of_each_incident,
    only_what_may_have_been_sent_is_doubtful,
    each_message_that_was_handed_over_gets_a_result,
)


def _log_was_lost(run: StandbyRun, after: Instant, before: Instant) -> bool:
    return any(after <= time <= before for time in run.log_losses)


def _other_worked(run: StandbyRun, first: HandOver, second: HandOver) -> bool:
    turns = [turn for turn in run.record.turns if first.time <= turn.time <= second.time]
    return any(turn.process != first.process for turn in turns)


def _is_quiet(run: StandbyRun, begin: Instant, end: Instant) -> bool:
    return not any(fault.begin <= end and fault.end >= begin for fault in run.faults)


def _who(one: HandOver) -> str:
    return f"{one.process} (life {one.life}) at {_since(one.time)}"


def _since(time: Instant) -> str:
    return f"{(time - NOON) / SECOND:.2f} s"
