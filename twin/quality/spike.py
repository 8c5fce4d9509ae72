"""Spikes: whether a value stands out from those measured before it, and jumped there.

The Hampel identifier alone would call a flood a spike: after a flat night the first half of any rise lies far
from the median. So a value that was reached in steps no greater than `deviation_min` is a movement, and only
what jumped is a spike. (The second condition is our own; no published source found.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twin.instant import Duration, Instant
from twin.quality.quality_rules import SpikeRule

SPIKE_CONTEXT_MIN = 5
"""With fewer preceding values than this a median says nothing, and nothing is called a spike."""

SPIKE_INTERVALS_MAX = 4
"""A context may be as old as if all but each fourth observation were lost; beyond, it is another time."""

MAD_SCALE = 1.4826
"""Makes the median absolute deviation estimate the standard deviation of normal noise: 1 / Φ⁻¹(3/4)."""


def median_of(values: Iterable[float]) -> float:
    """Return the median of at least one value.

    >>> median_of([3.0, 1.0]), median_of([9.0, 1.0, 2.0])
    (2.0, 2.0)
    """
    ranked = sorted(values)
    middle = len(ranked) // 2
    if len(ranked) % 2:
        return ranked[middle]
    return (ranked[middle - 1] + ranked[middle]) / 2.0


def is_spike(
    context: Sequence[tuple[Instant, float]],
    time: Instant,
    value: float,
    spike: SpikeRule,
    interval: Duration,
) -> bool:
    """Return whether a value is suspect, given the ones measured before it, ascending.

    Those that were suspect themselves count like any other: so a step of the world, which looks like a spike
    at first, is believed as soon as half of the context lies beyond it.
    """
    window = spike.window
    oldest = time - window * SPIKE_INTERVALS_MAX * interval
    low, high = value - spike.deviation_min, value + spike.deviation_min
    enough = window // 2
    near = size = 0
    for moment, other in reversed(context):
        if moment < oldest or size == window:
            break
        size += 1
        if low <= other <= high:
            near += 1
            # More than half of at most `window` lie near: so does their median, whatever the rest is.
            if near > enough:
                return False
    if size < SPIKE_CONTEXT_MIN or 2 * near > size:
        return False
    return _stands_out([other for _, other in context[-size:]], value, spike)


def _stands_out(values: list[float], value: float, spike: SpikeRule) -> bool:
    median = median_of(values)
    deviation = median_of([abs(other - median) for other in values])
    deviation_max = max(spike.threshold * MAD_SCALE * deviation, spike.deviation_min)
    if abs(value - median) <= deviation_max:
        return False
    # Back in time, step by step: over a jump, or down to where the values are usual?
    for before in reversed(values):
        if abs(value - before) > spike.deviation_min:
            return True
        if abs(before - median) <= deviation_max:
            return False
        value = before
    return True
