"""The health of the alarm system itself, after EEMUA 191 and ANSI/ISA-18.2 (monitoring and assessment).

An alarm counts when it is raised, and again when it worsens. Rates use the time at which an event was
published (log time), since operators learn of it then; the duration of a condition is in event time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, Duration, Instant

PERIOD: Duration = 10 * MINUTE
"""Rates are per operator and ten minutes (EEMUA 191, table of average alarm rates)."""

FLOOD_BEGINS = 10
"""A flood begins when this many alarms reached one operator within `PERIOD` (ISA-18.2) …"""

FLOOD_ENDS = 5
"""… and ends when there were fewer than this many (ISA-18.2)."""

CHATTERING_TIMES = 3
CHATTERING_WITHIN: Duration = MINUTE
"""An alarm chatters when it is raised three times or more within a minute (EEMUA 191)."""

FLEETING_WITHIN: Duration = MINUTE
"""An alarm is fleeting if its condition held for less: no operator can act in that time."""

STALE_AFTER: Duration = 24 * HOUR
"""An alarm is stale when its condition has held for longer (ISA-18.2)."""

BAD_ACTORS_MAX = 10


class Transition(NamedTuple):
    """A change of an alarm: raised, worsened, returned, retracted or acknowledged."""

    alarm: str
    rule: str
    kind: str
    time: Instant  #: event time
    told_time: Instant  #: log time
    severity: Severity
    occurrence: int


@dataclass(frozen=True, slots=True)
class Flood:
    """A time with more alarms than one operator can handle."""

    start: Instant
    end: Instant
    count: int  #: alarms during the flood, of all operators
    peak: float  #: the most for one operator in ten minutes


@dataclass(frozen=True, slots=True)
class AlarmCount:
    """An alarm with a count."""

    alarm: str
    rule: str
    count: int
    share: float = 0.0  #: of all alarms, 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmStatistics:
    """The statistics of a time span."""

    annunciated: int  #: number of alarms
    average: float  #: per operator in ten minutes
    peak: float  #: the most for one operator in any ten minutes
    peak_time: Instant | None  #: start of those ten minutes
    floods: tuple[Flood, ...]
    flooded_share: float  #: share of the time in floods, 0 to 1
    chattering: tuple[AlarmCount, ...]  #: count: the most within a minute
    fleeting: tuple[AlarmCount, ...]
    bad_actors: tuple[AlarmCount, ...]
    by_severity: dict[Severity, int]
    acknowledged: int
    acknowledge_p50: Duration | None  #: from publication to acknowledgement
    acknowledge_p95: Duration | None


def statistics(
    transitions: Sequence[Transition], start: Instant, end: Instant, operators: int = 1
) -> AlarmStatistics:
    """Return the statistics of [start, end) for a number of operators who share the alarms evenly.

    The transitions are in the order of their publication.
    """
    alarms = [one for one in transitions if one.kind in ("raised", "worsened")]
    times = [one.told_time for one in alarms]
    peak, peak_time = _peak(times)
    floods = _floods(times, operators, end)
    waits = sorted(_waits(transitions))
    count = len(alarms)
    periods = max(1.0, (end - start) / PERIOD)
    actors = Counter((one.alarm, one.rule) for one in alarms).most_common()
    return AlarmStatistics(
        annunciated=count,
        average=count / periods / operators,
        peak=peak / operators,
        peak_time=peak_time,
        floods=tuple(floods),
        flooded_share=min(1.0, sum(one.end - one.start for one in floods) / max(1, end - start)),
        chattering=tuple(_chattering(alarms)),
        fleeting=tuple(_fleeting(transitions)),
        bad_actors=tuple(
            AlarmCount(alarm, rule, times, times / count)
            for (alarm, rule), times in sorted(actors, key=lambda one: (-one[1], one[0]))[:BAD_ACTORS_MAX]
        ),
        by_severity={one: sum(each.severity == one for each in alarms) for one in Severity if one},
        acknowledged=len(waits),
        acknowledge_p50=percentile(waits, 50),
        acknowledge_p95=percentile(waits, 95),
    )


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """Return the value that this many percent do not exceed (nearest rank); None for no values.

    >>> percentile([1, 2, 3, 4], 50), percentile([1, 2, 3, 4], 95), percentile([], 50)
    (2, 4, None)
    """
    if not ordered:
        return None
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


def _peak(times: Sequence[Instant]) -> tuple[int, Instant | None]:
    """Return the most alarms within any `PERIOD`, and the start of that period."""
    best, when, first = 0, None, 0
    for last, time in enumerate(times):
        while times[first] <= time - PERIOD:
            first += 1
        if last - first + 1 > best:
            best, when = last - first + 1, times[first]
    return best, when


def _floods(times: Sequence[Instant], operators: int, end: Instant) -> list[Flood]:
    """Return the floods, in order; one that has not ended ends at `end`."""
    found = []
    number = 0
    while number < len(times):
        first = bisect_left(times, times[number] - PERIOD + 1, 0, number + 1)
        if number - first + 1 < FLOOD_BEGINS * operators:
            number += 1
            continue
        begin, peak, last = first, number - first + 1, number
        # It lasts while at least `FLOOD_ENDS` alarms are younger than `PERIOD` when the next one comes.
        keep = FLOOD_ENDS * operators
        over = times[last - keep + 1] + PERIOD
        while last + 1 < len(times) and times[last + 1] <= over:
            last += 1
            over = times[last - keep + 1] + PERIOD
            peak = max(peak, last - bisect_left(times, times[last] - PERIOD + 1, 0, last + 1) + 1)
        found.append(
            Flood(times[begin], min(over, max(end, times[last])), last - begin + 1, peak / operators)
        )
        number = last + 1
    return found


def _chattering(alarms: Iterable[Transition]) -> list[AlarmCount]:
    raised: defaultdict[tuple[str, str], list[Instant]] = defaultdict(list)
    for event in alarms:
        if event.kind == "raised":
            raised[event.alarm, event.rule].append(event.time)
    found = []
    for (alarm, rule), times in raised.items():
        times.sort()
        most, first = 0, 0
        for last, time in enumerate(times):
            while times[first] <= time - CHATTERING_WITHIN:
                first += 1
            most = max(most, last - first + 1)
        if most >= CHATTERING_TIMES:
            found.append(AlarmCount(alarm, rule, most))
    return sorted(found, key=lambda one: (-one.count, one.alarm))


def _fleeting(transitions: Iterable[Transition]) -> list[AlarmCount]:
    raised: dict[tuple[str, int], Instant] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for transition in transitions:
        occurrence = transition.alarm, transition.occurrence
        if transition.kind == "raised":
            raised[occurrence] = transition.time
        elif transition.kind == "returned":
            since = raised.pop(occurrence, None)
            if since is not None and transition.time - since < FLEETING_WITHIN:
                counts[transition.alarm, transition.rule] += 1
    found = [AlarmCount(alarm, rule, count) for (alarm, rule), count in counts.items()]
    return sorted(found, key=lambda transition: (-transition.count, transition.alarm))


def _waits(transitions: Iterable[Transition]) -> Iterable[Duration]:
    """Yield the time from publication to acknowledgement of each alarm."""
    waiting: dict[str, Instant] = {}
    for transition in transitions:
        if transition.kind in ("raised", "worsened"):
            waiting.setdefault(transition.alarm, transition.told_time)
        elif transition.kind == "acknowledged":
            since = waiting.pop(transition.alarm, None)
            if since is not None:
                yield max(0, transition.told_time - since)
        elif transition.kind == "retracted":
            waiting.pop(transition.alarm, None)
