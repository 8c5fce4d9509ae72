"""Exponential back-off: how long to wait between attempts to reach a service that fails."""

from __future__ import annotations

from typing import TypeVar

# 2^62 times the first delay exceeds every maximum.
_DOUBLINGS_MAX = 62

Delay = TypeVar("Delay", int, float)


def backoff_delay(failures: int, first: Delay, longest: Delay) -> Delay:
    """Return the delay after so many failures in a row, from 1 on: doubled each time, up to `longest`.

    >>> [backoff_delay(failures, 0.5, 15.0) for failures in (1, 2, 3, 6, 1_000)]
    [0.5, 1.0, 2.0, 15.0, 15.0]
    """
    return min(longest, first * (1 << min(failures - 1, _DOUBLINGS_MAX)))


class Backoff:
    """The delays of one retry loop; call `reset` after a success.

    >>> backoff = Backoff(first_s=0.2, max_s=1.0)
    >>> [backoff.next_s() for _ in range(4)]
    [0.2, 0.4, 0.8, 1.0]
    """

    def __init__(self, *, first_s: float, max_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._failures = 0

    def next_s(self) -> float:
        """Count a failure; return how long to wait before the next attempt, seconds."""
        self._failures += 1
        return backoff_delay(self._failures, self._first_s, self._max_s)

    def reset(self) -> None:
        """Start again with the shortest delay."""
        self._failures = 0
