"""Pacing: how long to let messages gather after a batch. Pure.

Each record costs everyone behind it about as much as twenty observations, so many small batches are dear; yet
each millisecond that a message waits is seen by whoever follows it. So a few messages wait for nobody, some
hundred a second come in batches of twenty milliseconds, and the more there are, the longer the next gather.
"""

from __future__ import annotations

FEW_MESSAGES_MAX = 3
"""A batch of so many is a quiet moment, in which nothing waits for company."""

MANY_MESSAGES = 400
"""From so many messages in a batch on the longest interval is kept."""


def batch_interval_s(messages: int, min_s: float, max_s: float) -> float:
    """Return the time from the beginning of a batch of so many messages to that of the next, seconds.

    >>> [batch_interval_s(messages, 0.01, 0.04) for messages in (1, 4, 200, 2_000)]
    [0.0, 0.0103, 0.025, 0.04]
    """
    if messages <= FEW_MESSAGES_MAX:
        return 0.0
    share = min(1.0, messages / MANY_MESSAGES)
    return min_s + share * max(0.0, max_s - min_s)
