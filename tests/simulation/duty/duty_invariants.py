"""What must be true of every simulated duty; each invariant yields its violations as text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from alerting.messages.outgoing_message import OutgoingMessage
from tests.simulation.duty.duty_run import Attempt, DutyRun
from tests.simulation.duty.duty_world import IncidentTruth, Occurrence
from tests.support.pipelines.duty_loop import NOON
from twin.alarms.severity import Severity
from twin.instant import SECOND, Duration, Instant

SLACK: Duration = 15 * SECOND
"""For the time in which an incident that comes and goes is over."""


def violations_of(seed: int) -> list[str]:
    """Return what a run breaks."""
    run = DutyRun(seed)
    run.run()
    return [words for invariant in INVARIANTS for words in invariant(run)]


def each_message_arrives_once(run: DutyRun) -> Iterator[str]:
    """No message reaches its recipient twice, alone or in digests."""
    arrived = Counter(id for one in run.attempts if one.arrived for id in one.ids)
    for id, count in arrived.items():
        if count > 1:
            yield f"{id} arrived {count} times"


def the_first_step_is_in_time(run: DutyRun) -> Iterator[str]:
    """Whoever is on call is told of an incident when it is due, or the hold of the storm limit later."""
    policy = run.plan.policies[0]
    for incident, truths in run.world.truth.items():
        first = next((one.time for one in truths if one.open and not one.acknowledged), None)
        if first is None:
            continue
        at = _standing_from(truths, first + policy.group_wait + _hold(run) + SLACK, run.end)
        if at is None or any(one.acknowledged and one.open for one in truths if one.time <= at):
            continue
        if _was_over(run, [one for one in truths if one.time <= at]):
            continue
        told = [id for one in _about(run, incident) if one.time <= at for id in one.ids]
        requests = [run.decided[id].request for id in told if run.decided[id].request.incident == incident]
        if not requests:
            yield f"{incident}: since {_since(first)} nobody was told of it until {_since(at)}"
        elif requests[0].contact != _on_call(run, requests[0].due_time):
            yield f"{incident}: {requests[0].contact} was told first, who is not on call"


def the_next_step_follows(run: DutyRun) -> Iterator[str]:
    """An incident that stands without an acknowledgement reaches the next person in time."""
    policy = run.plan.policies[0]
    for incident, truths in run.world.truth.items():
        first = next((one.time for one in truths if one.open and not one.acknowledged), None)
        if first is None:
            continue
        by = first + policy.group_wait + policy.steps[0].wait + 2 * _hold(run) + SLACK
        if by > run.end or any(first < one.time <= by for one in truths):
            continue  # what gets worse is escalated again
        contacts = {one.message.request.contact for one in _about(run, incident) if one.time <= by}
        if len(contacts) < 2:
            yield f"{incident}: since {_since(first)} only {contacts} were told until {_since(by)}"


def nobody_gets_a_false_all_clear(run: DutyRun) -> Iterator[str]:
    """A message says that an incident is over only if it is, and no condition of it holds."""
    for attempt in run.attempts:
        for id in attempt.ids:
            message = run.decided[id]
            request = message.request
            if request.kind != "recovery":
                continue
            if run.world.at(request.incident, attempt.time).open:
                yield f"{id}: sent at {_since(attempt.time)}, while the incident was open again"
            holding = run.world.at(request.incident, request.due_time).holding
            if message.text.severity is Severity.CLEARED and holding:
                yield f"{id}: {message.text.title!r}, while {sorted(holding)} holds"


def nothing_is_acknowledged_that_was_not_told(run: DutyRun) -> Iterator[str]:
    """A link acknowledges what was open when its message was decided, at the severity of then."""
    for use in run.links:
        ids = [part.notification for part in use.message.parts] or [use.message.id]
        told: set[Occurrence] = set()
        for id in ids:
            for incident in _incidents(run.decided[id]):
                told |= run.world.at(incident, run.decided[id].request.due_time).occurrences
        for occurrence in use.acknowledged:
            if occurrence not in told:
                yield f"{use.message.id} acknowledged {occurrence}, of which it told nothing"


def no_older_message_follows_a_newer_one(run: DutyRun) -> Iterator[str]:
    """A message is not sent once a newer one to the same recipient about its incident was decided."""
    newest: defaultdict[tuple[str, str, str], list[Instant]] = defaultdict(list)
    for message in run.decided.values():
        request = message.request
        if request.incident:  # a digest or a hand-over is newer than nothing
            newest[request.incident, request.contact, request.channel].append(request.due_time)
    for attempt in run.attempts:
        for id in attempt.ids:
            request = run.decided[id].request
            times = newest[request.incident, request.contact, request.channel]
            if any(request.due_time < time < attempt.time for time in times):
                yield f"{id}: sent at {_since(attempt.time)}, after a newer one was decided"


def a_storm_is_bounded(run: DutyRun) -> Iterator[str]:
    """Within the shortest time that a message waits for a digest a recipient gets a bounded number."""
    limit, hold = run.plan.storm, _hold(run)
    if not limit.messages:
        return
    times: defaultdict[tuple[str, str], list[Instant]] = defaultdict(list)
    for attempt in run.attempts:
        if attempt.mode != "fails":
            times[attempt.message.recipient].append(attempt.time)
    most = limit.messages + len(Severity) + 2 + 2 * len(run.plan.overrides)  # hand-overs never wait
    for recipient, found in times.items():
        for index, begin in enumerate(found):
            count = sum(1 for time in found[index:] if time < begin + hold)
            if count > most:
                yield f"{recipient} got {count} messages within {hold // SECOND} s of {_since(begin)}"
                return


def everything_comes_to_an_end(run: DutyRun) -> Iterator[str]:
    """Nothing waits in the end, and who was told of an incident that is over was told that, too."""
    for message in run.waiting:
        if message.due < run.end - run.plan.storm.digest - SLACK:
            yield f"{message.id} still waits, since {_since(message.due)}"
    for incident, truths in run.world.truth.items():
        if truths[-1].open or truths[-1].time > run.end - 10 * 60 * SECOND:
            continue
        last: dict[tuple[str, str], str] = {}
        for event in run.events:
            told = _incidents(run.decided[event.notification]) if event.kind != "digest" else ()
            if incident in told and event.outcome in {"sent", "given-up"}:
                last[event.contact, event.channel] = f"{event.kind} {event.outcome}"
        for recipient, words in last.items():
            if words.endswith("sent") and not words.startswith("recovery"):
                yield f"{incident}: {recipient} was not told that it is over, the last was {words}"


def each_hand_over_is_told(run: DutyRun) -> Iterator[str]:
    """Whoever comes on call is told at once and once, and nobody else; a kill does not change that."""
    edges = [edge for one in run.plan.overrides for edge in (one.start, one.end)]
    found = [one.request for one in run.decided.values() if one.hand_over is not None]
    if [(one.due_time, one.contact) for one in found] != [(edge, _on_call(run, edge)) for edge in edges]:
        told = ", ".join(f"{one.contact} at {_since(one.due_time)}" for one in found)
        yield f"hand-overs at {list(map(_since, edges))}, told were {told or 'none'}"
    for request in found:
        begun = [one.time for one in run.attempts if one.message.id == request.notification]
        if not begun or begun[0] > request.due_time + SLACK:
            yield f"{request.notification} was not attempted in time"


INVARIANTS = (
    each_hand_over_is_told,
    each_message_arrives_once,
    the_first_step_is_in_time,
    the_next_step_follows,
    nobody_gets_a_false_all_clear,
    nothing_is_acknowledged_that_was_not_told,
    no_older_message_follows_a_newer_one,
    a_storm_is_bounded,
    everything_comes_to_an_end,
)


def _hold(run: DutyRun) -> Duration:
    limit = run.plan.storm
    return min(limit.digest, run.plan.policies[0].steps[0].wait // 2) if limit.messages else 0


def _incidents(message: OutgoingMessage) -> tuple[str, ...]:
    """Return the incidents that a message tells of."""
    if message.hand_over is not None:
        return tuple(line.incident for line in message.hand_over.lines)
    return (message.request.incident,)


def _about(run: DutyRun, incident: str) -> list[Attempt]:
    return [
        one for one in run.attempts if any(run.decided[id].request.incident == incident for id in one.ids)
    ]


def _was_over(run: DutyRun, truths: list[IncidentTruth]) -> bool:
    """Whether an incident was over for so long that its end is told, and nothing else."""
    policy = run.plan.policies[0]
    pause, over_since = policy.group_wait, None
    for one in truths:
        if not one.open:
            over_since = one.time if over_since is None else over_since
        elif over_since is not None:
            if one.time - over_since >= pause:
                return True
            pause, over_since = policy.group_interval, None
    return False


def _standing_from(truths: list[IncidentTruth], time: Instant, end: Instant) -> Instant | None:
    """Return the first time from `time` on at which an incident is open and not acknowledged."""
    if time > end:
        return None
    before = [one for one in truths if one.time <= time]
    after = [one for one in truths if one.time > time]
    if before and before[-1].open and not before[-1].acknowledged:
        return time
    return next((one.time for one in after if one.open and not one.acknowledged), None)


def _on_call(run: DutyRun, time: Instant) -> str:
    return next((one.contact for one in run.plan.overrides if one.start <= time < one.end), "first")


def _since(time: Instant) -> str:
    return f"{(time - NOON) / SECOND:.1f} s"
