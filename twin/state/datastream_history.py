"""The verdicts and windows of a datastream, computed from its stored observations at once.

`twin.state.datastream_state` computes the same one by one, in any order of arrival. Storage repairs whole
hours with this. It reads the observations that their verdicts depend on, and judges further hours whose
verdicts depend on theirs.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from twin.instant import HOUR, INSTANT_MAX, INSTANT_MIN, Duration, Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import BY_TIME, LastGoodValue, Observation
from twin.quality.constant_run import ConstantRun, extend_run
from twin.quality.level_shift import QUALITY_LOOKAHEAD
from twin.quality.quality_check import CONTEXT_MAX, check_quality
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.quality.quality_rules import QualityRules
from twin.quality.stuck_runs import (
    LongRun,
    activity_memory,
    has_clearable_rules,
    long_run,
    mark_stuck_runs,
)
from twin.state.preceding_history import (
    PrecedingHistory,
    RegisterReading,
    StoredHistory,
    increases_of,
    register_after,
)
from twin.state.window import WindowAccumulator, window_start


def assess_history(
    observations: Sequence[Observation], policy: DatastreamPolicy, run: ConstantRun | None = None
) -> list[Observation]:
    """Return observations of one datastream, ascending, calibrated and with all flags.

    `run` is that of the equal values, as received, before the first. The first `CONTEXT_MAX` observations are
    checked without those before them, and the last `QUALITY_LOOKAHEAD`, and the last run, without those after
    them.
    """
    points = [
        (one.phenomenon_time, policy.calibrated(one.value, one.phenomenon_time)) for one in observations
    ]
    assessed: list[Observation] = []
    for index, received in enumerate(observations):
        time, value = points[index]
        run = extend_run(run, time, received.value)
        flags = received.flags | check_quality(
            points[max(0, index - CONTEXT_MAX) : index],
            run,
            time,
            received.received_time,
            value,
            policy.rules,
            policy.interval,
            points[index + 1 : index + 1 + QUALITY_LOOKAHEAD],
        )
        if policy.is_in_maintenance(time):
            flags |= QualityFlag.MAINTENANCE
        assessed.append(received._replace(value=value, flags=int(flags)))
    mark_stuck_runs(observations, assessed)
    return assessed


def windows_of(
    assessed: Sequence[Observation],
    policy: DatastreamPolicy,
    start: Instant = INSTANT_MIN,
    register: RegisterReading | None = None,
) -> list[tuple[Duration, Instant, WindowAccumulator]]:
    """Return size, start and content of the windows from a time on, oldest first.

    `register` is the reading of a counter with which the first one is compared.
    """
    increases = increases_of(register, assessed, policy)
    windows: dict[tuple[Instant, Duration], WindowAccumulator] = {}
    for time, value, flags in ((one.phenomenon_time, one.value, one.flags) for one in assessed):
        if time < start:
            continue
        for size in policy.sizes:
            key = window_start(time, size), size
            content = windows.get(key)
            if content is None:
                content = windows[key] = WindowAccumulator()
            content.add(time, value, flags, policy.aggregation, increases.get(time, 0.0))
    return [
        (size, begin, content) for (begin, size), content in sorted(windows.items(), key=lambda one: one[0])
    ]


PAGE = 128
"""How many observations after a span are read first; each further page has twice as many."""


class HistoryReader(Protocol):
    """Reads the stored observations of one datastream."""

    async def before(self, time: Instant, count: int) -> list[Observation]:
        """Return the newest `count` observations before a time, ascending."""
        ...

    async def between(self, start: Instant, end: Instant) -> list[Observation]:
        """Return the observations of start ≤ t < end, ascending."""
        ...

    async def following(self, time: Instant, count: int) -> list[Observation]:
        """Return the first `count` observations from a time on, ascending."""
        ...

    async def run_before(self, time: Instant, rules: QualityRules) -> ConstantRun | None:
        """Return the run of equal values, as received, that ends with the last observation before a time.

        None without one. Of a run that is long by the rules (`long_run`), only as much is needed as makes it
        long, and of what was before it only `activity_memory`.
        """
        ...

    async def usable_before(self, time: Instant) -> LastGoodValue | None:
        """Return the newest usable value before a time, calibrated, or None."""
        ...


class HistorySpan(NamedTuple):
    """Whole hours whose verdicts and windows are computed, with the observations that they depend on."""

    start: Instant
    end: Instant
    observations: list[Observation]  #: ascending; also some before `start` and after `end`
    run: ConstantRun | None  #: before the first of them
    register: RegisterReading | None  #: before the first of them

    def assess(self, policy: DatastreamPolicy) -> list[Observation]:
        """Return the observations up to `end`, calibrated and with all flags."""
        assessed = assess_history(self.observations, policy, self.run)
        return [one for one in assessed if one.phenomenon_time < self.end]


async def read_history_span(
    reader: HistoryReader, policy: DatastreamPolicy, start: Instant, end: Instant
) -> HistorySpan:
    """Read what is needed to judge the hours of start ≤ t < end, and all that depends on their observations.

    The result begins earlier where a run reaches into the hours, and ends later: after the observations that
    are checked with those of the hours as context, and after a run that leaves them. `start` and `end` are
    whole hours.
    """
    long = long_run(policy.rules)
    begin = start
    earlier = await reader.before(start, QUALITY_LOOKAHEAD)
    if earlier and has_clearable_rules(policy.rules):
        begin = min(begin, earlier[0].phenomenon_time)
    if earlier and long is not None:
        reaching = await reader.run_before(start, policy.rules)
        if reaching is not None and not long.reached_by(reaching, earlier[-1].phenomenon_time):
            begin = min(begin, reaching.start)
    begin -= begin % HOUR
    # The verdicts on twice the context are exact from its second half on.
    context = await reader.before(begin, 2 * CONTEXT_MAX)
    first = context[0].phenomenon_time if context else begin
    run = await reader.run_before(first, policy.rules) if long is not None else None
    register = await _register_before(reader, policy, first)
    observations = [*context, *await reader.between(begin, end)]
    effect, last = end, end
    while True:
        following, effect = await _read_effect(reader, policy, last)
        observations = [*(one for one in observations if one.phenomenon_time < last), *following]
        span = HistorySpan(begin, effect, observations, run, register)
        # The next usable reading of a counter is compared with the last one before.
        if policy.aggregation != "counter" or effect == last:
            return span
        if any(is_usable(one.flags) for one in span.assess(policy) if one.phenomenon_time >= end):
            return span
        last = effect


async def _read_effect(
    reader: HistoryReader, policy: DatastreamPolicy, end: Instant
) -> tuple[list[Observation], Instant]:
    """Read the observations from `end` on that are needed to judge those up to `effect_end`; return both."""
    following: list[Observation] = []
    page = PAGE
    while True:
        since = following[-1].phenomenon_time + 1 if following else end
        found = await reader.following(since, page)
        following += found
        effect = effect_end(following, policy, end, complete=len(found) < page)
        if effect is not None:
            return following, effect
        page *= 2


def effect_end(
    following: Sequence[Observation], policy: DatastreamPolicy, end: Instant, *, complete: bool
) -> Instant | None:
    """Return until when verdicts depend on observations before `end`; a whole hour.

    `following` are the first observations from `end` on. None when more of them are needed to tell, or to
    judge those up to the result; `complete`: there are no more.
    """
    affected = _affected_count(following, policy.rules, end)
    if affected is None or affected >= len(following):
        if not complete:
            return None
        affected = len(following)
    if not affected:
        return end
    last = following[affected - 1].phenomenon_time
    effect = last - last % HOUR + HOUR
    if complete:
        return effect
    while affected < len(following) and following[affected].phenomenon_time < effect:
        affected += 1
    long = long_run(policy.rules)
    is_known = affected + QUALITY_LOOKAHEAD <= len(following) and (
        long is None or _decided_at(following, affected - 1, long) is not None
    )
    return effect if is_known else None


def _affected_count(following: Sequence[Observation], rules: QualityRules, end: Instant) -> int | None:
    """Return how many of these observations depend on those before `end`; None when more must be known."""
    affected = min(len(following), CONTEXT_MAX)
    long, memory = long_run(rules), activity_memory(rules)
    if long is None or not following:
        return affected
    decided = _decided_at(following, 0, long)
    if decided is None:
        return None
    affected = max(affected, decided)
    if memory:
        within = bisect_left(following, end + memory, key=BY_TIME)
        if within == len(following):
            return None
        if within:
            decided = _decided_at(following, within - 1, long)
            if decided is None:
                return None
            affected = max(affected, within, decided)
    return affected


def _decided_at(following: Sequence[Observation], index: int, long: LongRun) -> int | None:
    """Return where the run of an observation has ended or is long; None for neither.

    The run is taken to begin at the first of these observations at the earliest.
    """
    value, begin = following[index].value, index
    while begin > 0 and following[begin - 1].value == value:
        begin -= 1
    for current in range(begin, len(following)):
        one = following[current]
        if one.value != value:
            return current
        run = ConstantRun(value, current - begin + 1, following[begin].phenomenon_time)
        if current >= index and long.reached_by(run, one.phenomenon_time):
            return current
    return None


async def _register_before(
    reader: HistoryReader, policy: DatastreamPolicy, time: Instant
) -> RegisterReading | None:
    """Return the reading with which a counter's first one from a time on is compared."""
    newest = await reader.usable_before(time) if policy.aggregation == "counter" else None
    if newest is None:
        return None
    readings = await reader.before(newest.phenomenon_time + 1, 2 * CONTEXT_MAX)
    register = None
    for reading in assess_history(readings, policy)[CONTEXT_MAX:] if len(readings) > CONTEXT_MAX else ():
        register = register_after(register, reading)
    return register or (newest.phenomenon_time, newest.value)


def needs_history(policy: DatastreamPolicy) -> bool:
    """Return whether the state of a datastream depends on what was long before its observations in memory."""
    return policy.aggregation == "counter" or long_run(policy.rules) is not None


async def read_stored_history(
    reader: HistoryReader, policy: DatastreamPolicy, datastream: int, count: int
) -> StoredHistory:
    """Read the newest `count` observations, and the summary of all before them."""
    newest = await reader.before(INSTANT_MAX, count)
    if len(newest) < count:
        assessed = assess_history(newest, policy)
        return StoredHistory(datastream, None, tuple(newest), tuple(assessed))
    first = newest[0].phenomenon_time
    context = await reader.before(first, 2 * CONTEXT_MAX)
    begin = context[0].phenomenon_time if context else first
    has_runs = long_run(policy.rules) is not None
    run = await reader.run_before(begin, policy.rules) if has_runs else None
    assessed = assess_history([*context, *newest], policy, run)
    assessed, of_newest = assessed[: len(context)], assessed[len(context) :]
    preceding = await _preceding(reader, policy, context, assessed) if context else None
    return StoredHistory(datastream, preceding, tuple(newest), tuple(of_newest))


async def _preceding(
    reader: HistoryReader,
    policy: DatastreamPolicy,
    received: Sequence[Observation],
    assessed: Sequence[Observation],
) -> PrecedingHistory:
    """Return the summary of all observations up to the last of these."""
    first, time = received[0].phenomenon_time, received[-1].phenomenon_time
    has_runs = long_run(policy.rules) is not None
    run = await reader.run_before(time + 1, policy.rules) if has_runs else None
    run = run if run is not None else ConstantRun(received[-1].value, 1, time)
    good = await reader.usable_before(run.start)
    history = PrecedingHistory(
        run.start - 1,
        ConstantRun(math.nan, 0, run.start),
        good,
        good,
        register := await _register_before(reader, policy, run.start),
        register,
    )
    for one, judged in zip(received, assessed, strict=True):
        if one.phenomenon_time >= run.start:
            history.add(one, judged, policy)
    history.run, history.time = run, time
    if run.start < first:
        history.last_good_before_run, history.register_before_run = good, register
        history.reassess(policy)
    return history
