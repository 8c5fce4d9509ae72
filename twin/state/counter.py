"""Counters: how much a register has counted between two readings, whatever happened to it meanwhile.

A register only rises, but what is read of it falls when it wraps around, starts again after a reboot, is
replaced by another meter, or is corrected. What lies between two readings is then not fully known, and the
amount says so (`estimated`). Increases over a sequence of readings add up: a sequence that is split anywhere,
its last reading repeated as the first of the rest, has the same sum.
"""

from __future__ import annotations

from typing import NamedTuple

from twin.instant import SECOND, Instant

TOLERANCE = 1.0
"""A fall of at most one unit is a correction of the last reading, and nothing was counted."""

RESET_SHARE = 0.1
"""A register that fell to this share of what it was, or less, started again at zero; else it is another.

Both are guesses: a new meter may start low, and a register may have counted much since. With a `rate_max` the
first guess is made only where so much could have been counted in the time.
"""

WRAP_SHARE = 0.125
"""One wrap explains a fall when no more than this share of the whole circle has been counted since.

A counter that is read often enough counts far less between two readings; a reset is taken for a wrap only in
the last eighth of the circle, and with a `rate_max` hardly ever.
"""


class CounterIncrease(NamedTuple):
    """What was counted between two readings."""

    amount: float  #: canonical unit, never negative
    estimated: bool = False  #: more may have been counted: what happened at a reset is not known
    reset: bool = False  #: the register started again, or is another one
    register: float = 0.0  #: what the next reading is to be compared with


def counter_increase(
    previous: tuple[Instant, float],
    current: tuple[Instant, float],
    *,
    wraps_at: float | None = None,
    rate_max: float | None = None,
) -> CounterIncrease:
    """Return what a register counted from one reading (phenomenon time, value) to a later one.

    `wraps_at` is how much it counts before it starts at zero again (65,536 for 16 bits, in canonical units);
    `rate_max` how much it can count in a second. `register` of the result is the current value, but after a
    correction downwards it stays the previous one: else the way up again would be counted twice. A caller
    that needs the exact sum compares the next reading with it.

    >>> counter_increase((0, 65_530.0), (60 * SECOND, 4.0), wraps_at=65_536)
    CounterIncrease(amount=10.0, estimated=False, reset=False, register=4.0)
    >>> counter_increase((0, 9_120.5), (60 * SECOND, 2.0))
    CounterIncrease(amount=2.0, estimated=True, reset=True, register=2.0)
    """
    (earlier, before), (later, now) = previous, current
    step = now - before
    most = None if rate_max is None else TOLERANCE + rate_max * max(0, later - earlier) / SECOND
    if step >= 0:
        if most is None or step <= most:
            return CounterIncrease(step, register=now)
        # A meter with a higher register, or a first reading of nothing: what was counted is not in it.
        return CounterIncrease(0.0, estimated=True, reset=True, register=now)
    if -step <= TOLERANCE:
        return CounterIncrease(0.0, register=before)
    if wraps_at is not None and before < wraps_at:
        wrapped = step + wraps_at
        if 0 <= wrapped <= WRAP_SHARE * wraps_at and (most is None or wrapped <= most):
            return CounterIncrease(wrapped, register=now)
    restarted = 0 <= now <= RESET_SHARE * before and (most is None or now <= most)
    return CounterIncrease(now if restarted else 0.0, estimated=True, reset=True, register=now)
