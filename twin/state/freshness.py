"""Freshness: whether a value is still current, from the expected interval of its sensor."""

from __future__ import annotations

from typing import Literal, TypeAlias

from twin.instant import MINUTE, Duration, Instant

Freshness: TypeAlias = Literal["live", "stale", "silent"]

# A value stays live when one report is lost and the next is under way; after ten missed reports it is silent.
LIVE_INTERVALS_MAX = 2.5
STALE_INTERVALS_MAX = 10.0

# Time for the transmission, so that values with an interval of a second do not flicker.
TRANSMISSION_GRACE: Duration = MINUTE // 2


def live_duration(interval: Duration) -> Duration:
    """Return how long a value is live after its measurement."""
    return int(interval * LIVE_INTERVALS_MAX) + TRANSMISSION_GRACE


def interval_for_live_duration(live: Duration) -> Duration:
    """Return the expected interval for a live duration; the inverse of `live_duration`.

    >>> interval_for_live_duration(live_duration(600_000_000))
    600000000
    """
    return max(0, int((live - TRANSMISSION_GRACE) / LIVE_INTERVALS_MAX))


def stale_duration(interval: Duration) -> Duration:
    """Return how long after its measurement a value is at most stale; then it is silent."""
    return int(interval * STALE_INTERVALS_MAX) + TRANSMISSION_GRACE


def freshness(phenomenon_time: Instant, interval: Duration, now: Instant) -> Freshness:
    """Return the freshness of a value at `now`.

    >>> from twin.instant import SECOND
    >>> [freshness(0, 60 * SECOND, age * SECOND) for age in (60, 180, 181, 630, 631)]
    ['live', 'live', 'stale', 'stale', 'silent']
    """
    age = now - phenomenon_time
    if age <= live_duration(interval):
        return "live"
    return "stale" if age <= stale_duration(interval) else "silent"
