"""The quality check of one observation by the rules of its property and the observations measured before it.

It is a pure function of event time. The order of arrival does not matter; only the delay of the observation
itself does. Observations measured after it can only withdraw a finding: they confirm that a jump was a level
shift. So an observation changes the results of later ones, and the findings `CLEARABLE_FLAGS` of at most
`QUALITY_LOOKAHEAD` earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

import msgspec

from twin.instant import MINUTE, SECOND, Duration, Instant
from twin.quality.level_shift import is_level
from twin.quality.quality_flags import QualityFlag
from twin.quality.quality_rules import QualityRules
from twin.quality.spike import is_spike

CONTEXT_MAX = 16
"""How many preceding observations a check uses at most; a checkpoint holds as many of each datastream."""

GAP_INTERVALS_MAX = 4
"""The rate of change is not checked between two observations that are further apart."""

RATE_SPAN_MIN: Duration = MINUTE
"""Least time span of a rate: over a shorter one the rounding of the last digit alone makes a high rate."""

RATE_CONTEXT = 13
"""How many preceding values decide whether a fast change was the return from an outlier."""

# Plain integers: the operators of an enumeration cost a microsecond each.
_OUT_OF_RANGE = int(QualityFlag.OUT_OF_RANGE)
_RATE_OF_CHANGE = int(QualityFlag.RATE_OF_CHANGE)
_SPIKE = int(QualityFlag.SPIKE)
_STUCK = int(QualityFlag.STUCK)
_LATE = int(QualityFlag.LATE)
_CLOCK_SKEW = int(QualityFlag.CLOCK_SKEW)
_LEVEL_SHIFT = int(QualityFlag.LEVEL_SHIFT)

CLEARABLE_FLAGS = _SPIKE | _RATE_OF_CHANGE
"""The flags that following observations can withdraw; without one of them they change nothing."""


class ConstantRun(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Consecutive equal values, in event time, up to one observation."""

    value: float
    count: int
    start: Instant  #: phenomenon time of the first


class QualityResult(NamedTuple):
    """The quality flags that the check adds to those of the device."""

    phenomenon_time: Instant
    flags: int  #: without `TIME_FLAGS`


def extend_run(run: ConstantRun | None, time: Instant, value: float) -> ConstantRun:
    """Return the run that ends at this observation, given the run that ended at the previous one.

    >>> extend_run(extend_run(None, 0, 1.5), 60, 1.5)
    ConstantRun(value=1.5, count=2, start=0)
    >>> extend_run(ConstantRun(1.5, 2, 0), 120, 1.6)
    ConstantRun(value=1.6, count=1, start=120)
    """
    if run is not None and run.value == value:
        return ConstantRun(value, run.count + 1, run.start)
    return ConstantRun(value, 1, time)


def extend_run_over(run: ConstantRun | None, points: Iterable[tuple[Instant, float]]) -> ConstantRun | None:
    """Return the run that ends at the last of these observations; they follow the end of `run`."""
    for time, value in points:
        run = extend_run(run, time, value)
    return run


def check_quality(  # noqa: PLR0917 - called for each observation; keywords would cost a tenth
    context: Sequence[tuple[Instant, float]],
    run: ConstantRun,
    time: Instant,
    received: Instant,
    value: float,
    rules: QualityRules,
    interval: Duration,
    after: Sequence[tuple[Instant, float]] = (),
) -> int:
    """Return the `QualityFlag`s to add to those of the device.

    `context` holds (phenomenon time, value) of the observations measured before this one, ascending, at most
    the newest `CONTEXT_MAX`, including suspect ones. `run` ends at this observation. `interval` is the
    expected time between two observations. `after` holds those measured after it, ascending, at most the
    oldest `QUALITY_LOOKAHEAD`: they can withdraw `CLEARABLE_FLAGS`, and never add a fault.
    """
    flags = 0
    if (rules.minimum is not None and value < rules.minimum) or (
        rules.maximum is not None and value > rules.maximum
    ):
        flags = _OUT_OF_RANGE
    if context:
        rate_max = rules.rate_max
        if rate_max is not None:
            earlier, previous = context[-1]
            span = time - earlier
            if span <= GAP_INTERVALS_MAX * interval:
                change_max = rate_max * (span if span > RATE_SPAN_MIN else RATE_SPAN_MIN) / SECOND
                if abs(value - previous) > change_max:
                    oldest = time - RATE_CONTEXT * GAP_INTERVALS_MAX * interval
                    if not _is_return(context, oldest, value, change_max):
                        flags |= _RATE_OF_CHANGE
        spike = rules.spike
        if spike is not None and is_spike(context, time, value, spike, interval):
            flags |= _SPIKE
        if after and flags & CLEARABLE_FLAGS:
            flags = _after_confirmation(flags, context, time, value, after, rules, interval)
    stuck = rules.stuck
    if (
        stuck is not None
        and run.count >= stuck.count
        and time - run.start >= stuck.duration_min
        and value not in stuck.except_values
    ):
        flags |= _STUCK
    return flags | check_times(time, received, rules, interval)


def check_times(time: Instant, received: Instant, rules: QualityRules, interval: Duration) -> int:
    """Return the flag that follows from the two times of an observation: LATE, CLOCK_SKEW or 0.

    A value may describe the interval that it starts, so it is late only after the end of the interval.
    """
    lag = received - time
    if lag > rules.late_after + interval:
        return _LATE
    return _CLOCK_SKEW if -lag > rules.skew_after else 0


def _after_confirmation(  # noqa: PLR0917 - as `check_quality`
    flags: int,
    context: Sequence[tuple[Instant, float]],
    time: Instant,
    value: float,
    after: Sequence[tuple[Instant, float]],
    rules: QualityRules,
    interval: Duration,
) -> int:
    """Return the flags without `CLEARABLE_FLAGS` if the value belongs to a level; mark its first value."""
    previous_time, previous = context[-1]
    span = max(time - previous_time, RATE_SPAN_MIN)
    tolerance = (
        rules.spike.deviation_min if rules.spike is not None else (rules.rate_max or 0.0) * span / SECOND
    )
    if not is_level(context, time, value, after, tolerance, interval):
        return flags
    flags &= ~CLEARABLE_FLAGS
    return flags | _LEVEL_SHIFT if abs(value - previous) > tolerance else flags


def _is_return(
    context: Sequence[tuple[Instant, float]], oldest: Instant, value: float, change_max: float
) -> bool:
    """Return whether a value is back near the median, so that the previous value was the outlier."""
    values = [other for moment, other in context[-RATE_CONTEXT:] if moment >= oldest]
    return abs(value - median(values)) <= change_max
