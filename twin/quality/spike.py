"""Spikes: values that are far from the preceding ones and were reached by a jump.

The Hampel identifier alone would flag a flood as a spike: after a flat night the first half of any rise lies
far from the median. So a value that was reached in steps of at most `deviation_min` is a movement, and only
a jump is a spike. (The second condition is our own; no published source found.)
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from twin.instant import Duration, Instant
from twin.quality.quality_rules import SpikeRule

SPIKE_CONTEXT_MIN = 5
"""With fewer preceding values a median is not meaningful, and no value is flagged."""

SPIKE_INTERVALS_MAX = 4
"""Greatest age of the context, in intervals per observation: up to three of four observations may be lost."""

MAD_SCALE = 1.4826
"""Makes the median absolute deviation estimate the standard deviation of normal noise: 1 / Φ⁻¹(3/4)."""


def is_spike(
    context: Sequence[tuple[Instant, float]],
    time: Instant,
    value: float,
    spike: SpikeRule,
    interval: Duration,
) -> bool:
    """Return whether a value is a spike, given the values measured before it, ascending.

    Values that were suspect themselves count like any other. So a real step, which looks like a spike at
    first, is accepted once half of the context lies beyond it.
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
            # More than half of at most `window` values are near, so the median is near, too.
            if near > enough:
                return False
    if size < SPIKE_CONTEXT_MIN or 2 * near > size:
        return False
    return _stands_out([other for _, other in context[-size:]], value, spike)


def _stands_out(values: list[float], value: float, spike: SpikeRule) -> bool:
    middle = median(values)
    deviation = median([abs(other - middle) for other in values])
    deviation_max = max(spike.threshold * MAD_SCALE * deviation, spike.deviation_min)
    if abs(value - middle) <= deviation_max:
        return False
    # Go back in time, step by step: the first jump makes it a spike, a value near the median a movement.
    for before in reversed(values):
        if abs(value - before) > spike.deviation_min:
            return True
        if abs(before - middle) <= deviation_max:
            return False
        value = before
    return True
