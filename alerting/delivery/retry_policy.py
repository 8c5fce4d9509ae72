"""The number of attempts for a message, and the pauses between them."""

from __future__ import annotations

from runtime.backoff import backoff_delay
from twin.instant import MINUTE, SECOND, Duration

ATTEMPTS_MAX = 8
"""Attempts for one message; the last is about five minutes after the first."""

BACK_OFF_FIRST: Duration = 2 * SECOND
BACK_OFF_MAX: Duration = 2 * MINUTE


def retry_delay(attempt: int) -> Duration:
    """Return the pause after a failed attempt; attempts count from 1.

    >>> [retry_delay(attempt) // SECOND for attempt in range(1, ATTEMPTS_MAX)]
    [2, 4, 8, 16, 32, 64, 120]
    """
    return backoff_delay(attempt, BACK_OFF_FIRST, BACK_OFF_MAX)
