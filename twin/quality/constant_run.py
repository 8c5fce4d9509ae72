"""Runs of equal values, and how long the value stayed equal in the days before a run.

A run is *stuck* when it is too long for its property (`StuckRule`). For a datastream that is active a
shorter time is enough. It is active if, in the `ACTIVITY_MEMORY` before the run, no time without a change was
longer than the run divided by `ACTIVITY_FACTOR`. So a datastream in whole centimetres of still water is
judged by its own hours of calm, and one that changes each quarter of an hour is stuck sooner. A gap in the
data counts as a time without a change.

The numbers follow from simulated levels in whole centimetres: of stuck stretches of 34, 66 and 71
quarter-hours in a canal 90 to 100 in a hundred are found, without a false one in two years; in a polder whose
level stays equal for most of a day there is a false one every few months. No published source found.

Everything is a fold over the observations in event time. A fold that begins with the newest observation that
is at least `ACTIVITY_MEMORY` older than the run gives the same answer as one over all observations.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from twin.instant import DAY, HOUR, Duration, Instant
from twin.quality.quality_rules import QualityRules

ACTIVITY_MEMORY: Duration = 7 * DAY
"""How long before a run a time without a change still counts."""

ACTIVITY_KNOWN_MIN: Duration = 2 * DAY
"""How long a datastream must be known before a run to be active: a storm and the night after it."""

ACTIVITY_FACTOR = 1.5
"""How much longer than the longest time without a change a run must be."""

STANDSTILL_MIN: Duration = 2 * HOUR
"""Shorter times without a change are not remembered, and count as this long."""

Standstill: TypeAlias = tuple[Instant, Instant]
"""A time without a change: from the first of equal values to the next different one."""


class ConstantRun(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Consecutive equal values, in event time, up to one observation."""

    value: float
    count: int
    start: Instant  #: phenomenon time of the first
    #: The standstills before the run that still count, ascending; each is longer than all after it.
    standstills: tuple[Standstill, ...] = ()
    #: Phenomenon time from which on the standstills are known; None: that of `start`.
    known_since: Instant | None = None


def extend_run(run: ConstantRun | None, time: Instant, value: float) -> ConstantRun:
    """Return the run that ends at this observation, given the run that ended at the previous one.

    >>> extend_run(extend_run(None, 0, 1.5), 60, 1.5)
    ConstantRun(value=1.5, count=2, start=0, standstills=(), known_since=None)
    >>> extend_run(ConstantRun(1.5, 2, 0), 120, 1.6)
    ConstantRun(value=1.6, count=1, start=120, standstills=(), known_since=0)
    """
    if run is None:
        return ConstantRun(value, 1, time)
    start, standstills, known = run.start, run.standstills, run.known_since
    if run.value == value:
        return ConstantRun(value, run.count + 1, start, standstills, known)
    if known is None:
        known = start
    if standstills or time - start > STANDSTILL_MIN:
        standstills = _with_standstill(standstills, (start, time))
    return ConstantRun(value, 1, time, standstills, known)


def extend_run_over(run: ConstantRun | None, points: Iterable[tuple[Instant, float]]) -> ConstantRun | None:
    """Return the run that ends at the last of these observations; they follow the end of `run`."""
    for time, value in points:
        run = extend_run(run, time, value)
    return run


def is_stuck(run: ConstantRun, time: Instant, rules: QualityRules) -> bool:
    """Return whether a run that ends at this time is too long. A longer run of the same start is, too."""
    value, nulls, stuck = run.value, rules.null_values, rules.stuck
    duration = time - run.start
    if (
        nulls is not None
        and nulls.duration_min is not None
        and run.count >= nulls.count
        and duration >= nulls.duration_min
        and value in nulls.values
    ):
        return True
    if stuck is None or run.count < stuck.count or value in stuck.except_values:
        return False
    if duration >= stuck.duration_min:
        return True
    shorter = stuck.active_duration_min
    return shorter is not None and duration >= shorter and _was_active(run, duration)


def _with_standstill(standstills: tuple[Standstill, ...], newest: Standstill) -> tuple[Standstill, ...]:
    """Return the standstills that count for a run that starts at the end of the newest."""
    start, end = newest
    oldest, length = end - ACTIVITY_MEMORY, end - start
    kept = [one for one in standstills if one[1] > oldest and one[1] - one[0] > length]
    if length > STANDSTILL_MIN:
        kept.append(newest)
    elif len(kept) == len(standstills):
        return standstills
    return tuple(kept)


def _was_active(run: ConstantRun, duration: Duration) -> bool:
    """Return whether the value never stayed equal for long before the run."""
    known = run.start if run.known_since is None else run.known_since
    if run.start - known < ACTIVITY_KNOWN_MIN:
        return False
    oldest = run.start - ACTIVITY_MEMORY
    longest = max([end - max(start, oldest) for start, end in run.standstills], default=0)
    return duration >= ACTIVITY_FACTOR * max(longest, STANDSTILL_MIN)
