"""Freshness: whether a value still speaks for the present, from how often its sensor should report."""

from __future__ import annotations

from typing import Literal, TypeAlias

from twin.instant import MINUTE, Duration, Instant

Freshness: TypeAlias = Literal["live", "stale", "silent"]

# One report may be lost and the next be on its way before a value is stale; ten missed in a row are silence.
LIVE_INTERVALS_MAX = 2.5
STALE_INTERVALS_MAX = 10.0

# A transmission takes its time; an interval of a second must not flicker because of it.
TRANSMISSION_GRACE: Duration = MINUTE // 2


def live_duration(interval: Duration) -> Duration:
    """Return how long after its measurement a value is live."""
    return int(interval * LIVE_INTERVALS_MAX) + TRANSMISSION_GRACE


def interval_for_live_duration(live: Duration) -> Duration:
    """Return the expected interval of a value that is live for so long; the inverse of `live_duration`.

    >>> interval_for_live_duration(live_duration(600_000_000))
    600000000
    """
    return max(0, int((live - TRANSMISSION_GRACE) / LIVE_INTERVALS_MAX))


def stale_duration(interval: Duration) -> Duration:
    """Return how long after its measurement a value is at most stale, and silent thereafter."""
    return int(interval * STALE_INTERVALS_MAX) + TRANSMISSION_GRACE


def freshness(phenomenon_time: Instant, interval: Duration, now: Instant) -> Freshness:
    """Return how fresh a value is at `now`.

    >>> from twin.instant import SECOND
    >>> [freshness(0, 60 * SECOND, age * SECOND) for age in (60, 180, 181, 630, 631)]
    ['live', 'live', 'stale', 'stale', 'silent']
    """
    age = now - phenomenon_time
    if age <= live_duration(interval):
        return "live"
    return "stale" if age <= stale_duration(interval) else "silent"
