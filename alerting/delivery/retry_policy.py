"""Tries to send a message: how one ended, how many there are, and how long apart they are."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.backoff import backoff_delay
from twin.instant import MINUTE, SECOND, Duration

ATTEMPTS_MAX = 8
"""Tries of one message; the last one is about five minutes after the first."""

BACK_OFF_FIRST: Duration = 2 * SECOND
BACK_OFF_MAX: Duration = 2 * MINUTE


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """How a try to send a message ended."""

    id: str
    sent: bool
    detail: str  #: why not, without secrets
    final: bool = False  #: whether another try would end alike
    doubtful: bool = False  #: whether the message may have got there all the same


def retry_delay(attempt: int) -> Duration:
    """Return how long to wait after a failed try; `attempt` counts from 1.

    >>> [retry_delay(attempt) // SECOND for attempt in range(1, ATTEMPTS_MAX)]
    [2, 4, 8, 16, 32, 64, 120]
    """
    return backoff_delay(attempt, BACK_OFF_FIRST, BACK_OFF_MAX)
