"""The health of the alarm system itself, after EEMUA 191 and ANSI/ISA-18.2 (monitoring and assessment).

Counted is what operators are told: an occurrence when it is raised, and again when it worsens. Times are
those at which it was told (log time), since that is when people hear of it; how long a condition held is
event time.
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
"""Rates are told for each operator and ten minutes (EEMUA 191, table of average alarm rates)."""

FLOOD_BEGINS = 10
"""A flood begins when so many alarms came to one operator within `PERIOD` (ISA-18.2) …"""

FLOOD_ENDS = 5
"""… and ends when it were fewer than so many (ISA-18.2)."""

CHATTERING_TIMES = 3
CHATTERING_WITHIN: Duration = MINUTE
"""An alarm chatters when it is raised three times or more within a minute (EEMUA 191)."""

FLEETING_WITHIN: Duration = MINUTE
"""An alarm is fleeting when its condition held for less than this: nobody could do anything in it."""

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
    """A time in which more came than one operator can work on."""

    start: Instant
    end: Instant
    count: int  #: alarms told in it, to all operators
    peak: float  #: the most to one operator in ten minutes


@dataclass(frozen=True, slots=True)
class AlarmCount:
    """An alarm, and how often it did something."""

    alarm: str
    rule: str
    count: int
    share: float = 0.0  #: of all that were told, 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmStatistics:
    """What is known of a time."""

    annunciated: int  #: alarms that were told
    average: float  #: for each operator in ten minutes
    peak: float  #: the most for one operator in any ten minutes
    peak_time: Instant | None  #: when those ten minutes began
    floods: tuple[Flood, ...]
    flooded_share: float  #: of the time, 0 to 1
    chattering: tuple[AlarmCount, ...]  #: count: of the most that fell into a minute
    fleeting: tuple[AlarmCount, ...]
    bad_actors: tuple[AlarmCount, ...]
    by_severity: dict[Severity, int]
    acknowledged: int
    acknowledge_p50: Duration | None  #: from told to acknowledged
    acknowledge_p95: Duration | None


def statistics(
    transitions: Sequence[Transition], start: Instant, end: Instant, operators: int = 1
) -> AlarmStatistics:
    """Return the statistics of [start, end) for so many operators who share the alarms evenly.

    The transitions are in the order in which they were told.
    """
    told = [one for one in transitions if one.kind in ("raised", "worsened")]
    times = [one.told_time for one in told]
    peak, peak_time = _peak(times)
    floods = _floods(times, operators, end)
    waits = sorted(_waits(transitions))
    count = len(told)
    periods = max(1.0, (end - start) / PERIOD)
    actors = Counter((one.alarm, one.rule) for one in told).most_common()
    return AlarmStatistics(
        annunciated=count,
        average=count / periods / operators,
        peak=peak / operators,
        peak_time=peak_time,
        floods=tuple(floods),
        flooded_share=min(1.0, sum(one.end - one.start for one in floods) / max(1, end - start)),
        chattering=tuple(_chattering(told)),
        fleeting=tuple(_fleeting(transitions)),
        bad_actors=tuple(
            AlarmCount(alarm, rule, times_told, times_told / count)
            for (alarm, rule), times_told in sorted(actors, key=lambda one: (-one[1], one[0]))[
                :BAD_ACTORS_MAX
            ]
        ),
        by_severity={one: sum(each.severity == one for each in told) for one in Severity if one},
        acknowledged=len(waits),
        acknowledge_p50=percentile(waits, 50),
        acknowledge_p95=percentile(waits, 95),
    )


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """Return the value that so many percent do not exceed (nearest rank); None of nothing.

    >>> percentile([1, 2, 3, 4], 50), percentile([1, 2, 3, 4], 95), percentile([], 50)
    (2, 4, None)
    """
    if not ordered:
        return None
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


def _peak(times: Sequence[Instant]) -> tuple[int, Instant | None]:
    """Return the most that fell into any `PERIOD`, and when that began."""
    best, when, first = 0, None, 0
    for last, time in enumerate(times):
        while times[first] <= time - PERIOD:
            first += 1
        if last - first + 1 > best:
            best, when = last - first + 1, times[first]
    return best, when


def _floods(times: Sequence[Instant], operators: int, end: Instant) -> list[Flood]:
    """Return the floods, in order; one that goes on ends at the end of what is looked at."""
    found = []
    number = 0
    while number < len(times):
        first = bisect_left(times, times[number] - PERIOD + 1, 0, number + 1)
        if number - first + 1 < FLOOD_BEGINS * operators:
            number += 1
            continue
        begin, peak, last = first, number - first + 1, number
        # It lasts while, before the next alarm comes, at least `FLOOD_ENDS` are younger than `PERIOD`.
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


def _chattering(told: Iterable[Transition]) -> list[AlarmCount]:
    raised: defaultdict[tuple[str, str], list[Instant]] = defaultdict(list)
    for one in told:
        if one.kind == "raised":
            raised[one.alarm, one.rule].append(one.time)
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
    for one in transitions:
        occurrence = one.alarm, one.occurrence
        if one.kind == "raised":
            raised[occurrence] = one.time
        elif one.kind == "returned":
            since = raised.pop(occurrence, None)
            if since is not None and one.time - since < FLEETING_WITHIN:
                counts[one.alarm, one.rule] += 1
    found = [AlarmCount(alarm, rule, count) for (alarm, rule), count in counts.items()]
    return sorted(found, key=lambda one: (-one.count, one.alarm))


def _waits(transitions: Iterable[Transition]) -> Iterable[Duration]:
    """Yield how long each alarm waited for its acknowledgement, since it was told last."""
    waiting: dict[str, Instant] = {}
    for one in transitions:
        if one.kind in ("raised", "worsened"):
            waiting.setdefault(one.alarm, one.told_time)
        elif one.kind == "acknowledged":
            since = waiting.pop(one.alarm, None)
            if since is not None:
                yield max(0, one.told_time - since)
        elif one.kind == "retracted":
            waiting.pop(one.alarm, None)
