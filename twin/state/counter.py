"""Counters: the increase of a register between two readings, in spite of wraps, resets and corrections.

A register only rises, but its readings fall when it wraps around, starts again after a reboot, is replaced by
another meter, or is corrected. Then the increase is not fully known, and it is marked `estimated`. Increases
over a sequence of readings add up: a sequence that is split anywhere, with the last reading repeated as the
first of the rest, has the same sum.
"""

from __future__ import annotations

from typing import NamedTuple

from twin.instant import SECOND, Instant

TOLERANCE = 1.0
"""A fall of at most one unit is a correction of the last reading, with an increase of 0."""

RESET_SHARE = 0.1
"""A register that fell to at most this share of its value was reset to zero; otherwise it was replaced.

Both are guesses: a new meter may start low, and a register may have counted much since a reset. With a
`rate_max` a reset is assumed only where the time allows that increase.
"""

WRAP_SHARE = 0.125
"""A fall is a wrap when the increase is at most this share of the whole range.

A counter that is read often enough counts far less between two readings. So a reset is mistaken for a wrap
only in the last eighth of the range, and with a `rate_max` hardly ever.
"""


class CounterIncrease(NamedTuple):
    """The increase between two readings."""

    amount: float  #: canonical unit, never negative
    estimated: bool = False  #: the real increase may be greater: that before a reset is not known
    reset: bool = False  #: the register was reset or replaced
    register: float = 0.0  #: the value with which the next reading is compared


def next_register(before: float, now: float) -> float:
    """Return the value with which the next reading is compared: `before` after a correction downwards."""
    return before if 0 < before - now <= TOLERANCE else now


def counter_increase(
    previous: tuple[Instant, float],
    current: tuple[Instant, float],
    *,
    wraps_at: float | None = None,
    rate_max: float | None = None,
) -> CounterIncrease:
    """Return the increase of a register from one reading (phenomenon time, value) to a later one.

    `wraps_at` is the value at which it starts at zero again (65,536 for 16 bits, in canonical units);
    `rate_max` its greatest increase per second. `register` of the result is the current value. After a
    correction downwards it stays the previous value: otherwise the following rise would count twice. A caller
    that needs the exact sum compares the next reading with it.

    >>> counter_increase((0, 65_530.0), (60 * SECOND, 4.0), wraps_at=65_536)
    CounterIncrease(amount=10.0, estimated=False, reset=False, register=4.0)
    >>> counter_increase((0, 9_120.5), (60 * SECOND, 2.0))
    CounterIncrease(amount=2.0, estimated=True, reset=True, register=2.0)
    """
    (earlier, before), (later, now) = previous, current
    step, register = now - before, next_register(before, now)
    most = None if rate_max is None else TOLERANCE + rate_max * max(0, later - earlier) / SECOND
    if step >= 0:
        if most is None or step <= most:
            return CounterIncrease(step, register=register)
        # A meter with a higher register: its value does not show the increase.
        return CounterIncrease(0.0, estimated=True, reset=True, register=register)
    if register == before:
        return CounterIncrease(0.0, register=register)
    if wraps_at is not None and before < wraps_at:
        wrapped = step + wraps_at
        if 0 <= wrapped <= WRAP_SHARE * wraps_at and (most is None or wrapped <= most):
            return CounterIncrease(wrapped, register=register)
    restarted = 0 <= now <= RESET_SHARE * before and (most is None or now <= most)
    return CounterIncrease(now if restarted else 0.0, estimated=True, reset=True, register=register)
