"""Isolated values: high or low for one observation only (`IsolatedRule`)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from twin.instant import Duration, Instant
from twin.quality.quality_rules import IsolatedRule
from twin.quality.spike import MAD_SCALE, SPIKE_CONTEXT_MIN

ISOLATED_WINDOW = 13
"""How many preceding values the median is taken of."""

NEIGHBOUR_INTERVALS_MAX = 4
"""A neighbour in time that is further away, in intervals, neither supports nor isolates a value."""

NOISE_DEVIATIONS = 3
"""How many scaled median absolute deviations are noise (Hampel's customary number, see `SpikeRule`)."""

CLEAR_SHARE = 0.4
"""Above the noise of clean air this part of the rule's share is enough: wind soon takes smoke away."""


def is_isolated(  # noqa: PLR0917 - called by position from the check of each observation
    context: Sequence[tuple[Instant, float]],
    time: Instant,
    value: float,
    after: Sequence[tuple[Instant, float]],
    rule: IsolatedRule,
    interval: Duration,
) -> bool:
    """Return whether no neighbour supports a value that stands out; `context` is not empty.

    `context` and `after` hold the observations before and after it, ascending. While there is none after it,
    only the one before it can support it.

    >>> rule, calm = IsolatedRule(deviation_min=150), [(hour, 8.0) for hour in range(13)]
    >>> [is_isolated(calm, 13, 400.0, [(14, following)], rule, 1) for following in (9.0, 40.0)]
    [True, False]
    """
    earlier, previous = context[-1]
    if -rule.deviation_min <= value - previous <= rule.deviation_min:
        return False
    reach = NEIGHBOUR_INTERVALS_MAX * interval
    oldest = time - ISOLATED_WINDOW * reach
    values = [other for moment, other in context[-ISOLATED_WINDOW:] if moment >= oldest]
    if time - earlier > reach or len(values) < SPIKE_CONTEXT_MIN:
        return False
    middle = median(values)
    height = value - middle
    if abs(height) <= rule.deviation_min:
        return False
    share = rule.share
    noise = NOISE_DEVIATIONS * MAD_SCALE * median([abs(other - middle) for other in values])
    if noise < share * abs(height):
        share = max(share * CLEAR_SHARE, noise / abs(height))
    if (previous - middle) / height >= share:
        return False
    if not after:
        return True
    later, following = after[0]
    return later - time > reach or (following - middle) / height < share
