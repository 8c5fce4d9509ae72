"""Batching: the interval between batches, by the size of the last one. Pure.

A record costs each of its readers about as much as twenty observations, so many small batches are expensive.
But each millisecond of waiting delays the live view. So a batch of up to three messages is followed at once,
and the interval grows with the number of messages in a batch.
"""

from __future__ import annotations

FEW_MESSAGES_MAX = 3
"""After a batch of at most so many messages, the next batch does not wait."""

MANY_MESSAGES = 400
"""After a batch of so many messages or more, the longest interval applies."""


def batch_interval_s(messages: int, min_s: float, max_s: float) -> float:
    """Return the time from the start of a batch of so many messages to the start of the next, seconds.

    >>> [batch_interval_s(messages, 0.01, 0.04) for messages in (1, 4, 200, 2_000)]
    [0.0, 0.0103, 0.025, 0.04]
    """
    if messages <= FEW_MESSAGES_MAX:
        return 0.0
    fraction = min(1.0, messages / MANY_MESSAGES)
    return min_s + fraction * max(0.0, max_s - min_s)
