"""The quality check of one observation by the rules of its property and the observations measured before it.

It is a pure function of event time. The order of arrival does not matter; only the delay of the observation
itself does. Observations measured after it can only withdraw a finding: they confirm that a jump was a level
shift. So an observation changes the results of later ones, and the findings `CLEARABLE_FLAGS` of at most
`QUALITY_LOOKAHEAD` earlier ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from twin.instant import MINUTE, SECOND, Duration, Instant
from twin.quality.constant_run import ConstantRun, is_stuck
from twin.quality.isolated_value import is_isolated
from twin.quality.level_shift import is_level
from twin.quality.null_value import is_confirmed_null, is_false_null, is_return_from_null
from twin.quality.quality_flags import QualityFlag
from twin.quality.quality_rules import NullValueRule, QualityRules
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


class QualityResult(NamedTuple):
    """The quality flags that the check adds to those of the device."""

    phenomenon_time: Instant
    flags: int  #: without `TIME_FLAGS`


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
        nulls, isolated = rules.null_values, rules.isolated
        if nulls is not None and nulls.deviation_min is not None and value in nulls.values:
            flags = _check_null(flags, context, time, value, after, nulls, interval)
        elif (
            isolated is not None
            and abs(value - context[-1][1]) > isolated.deviation_min
            and is_isolated(context, time, value, after, isolated, interval)
        ):
            flags |= _SPIKE
        elif flags and flags & CLEARABLE_FLAGS:
            flags = _check_level(flags, context, time, value, after, rules, interval)
    if run.count > 1 and is_stuck(run, time, rules):
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


def _check_level(  # noqa: PLR0917 - as `check_quality`
    flags: int,
    context: Sequence[tuple[Instant, float]],
    time: Instant,
    value: float,
    after: Sequence[tuple[Instant, float]],
    rules: QualityRules,
    interval: Duration,
) -> int:
    """Return the flags without those of a jump if the value belongs to a level; mark its first value.

    The value after false null values belongs to the level before them.
    """
    earlier, previous = context[-1]
    span = max(time - earlier, RATE_SPAN_MIN)
    tolerance = (
        rules.spike.deviation_min if rules.spike is not None else (rules.rate_max or 0.0) * span / SECOND
    )
    if rules.null_values is not None and is_return_from_null(context, value, rules.null_values, tolerance):
        return flags & ~CLEARABLE_FLAGS
    if not is_level(context, time, value, after, tolerance, interval):
        return flags
    flags &= ~CLEARABLE_FLAGS
    return flags | _LEVEL_SHIFT if abs(value - previous) > tolerance else flags


def _check_null(  # noqa: PLR0917 - as `check_quality`
    flags: int,
    context: Sequence[tuple[Instant, float]],
    time: Instant,
    value: float,
    after: Sequence[tuple[Instant, float]],
    nulls: NullValueRule,
    interval: Duration,
) -> int:
    """Return the flags of a null value: a spike, however many there are, until another value confirms it."""
    deviation_min = nulls.deviation_min or 0.0
    if is_confirmed_null(value, after, nulls.values, deviation_min):
        previous = context[-1][1]
        shifted = flags & CLEARABLE_FLAGS and abs(value - previous) > deviation_min
        return flags & ~CLEARABLE_FLAGS | (_LEVEL_SHIFT if shifted else 0)
    if is_false_null(context, time, value, nulls.values, deviation_min, interval):
        return flags | _SPIKE
    return flags


def _is_return(
    context: Sequence[tuple[Instant, float]], oldest: Instant, value: float, change_max: float
) -> bool:
    """Return whether a value is back near the median, so that the previous value was the outlier."""
    values = [other for moment, other in context[-RATE_CONTEXT:] if moment >= oldest]
    return abs(value - median(values)) <= change_max
