"""Rate limit per client: one token bucket each, in bounded memory. Pure: the clock is an argument.

A bucket that nobody used while it would refill is the same as a new one. So the bucket that was used longest
ago may be dropped when there are too many.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

CLIENTS_MAX = 20_000
"""Buckets of 200 bytes each: 4 MB."""


class RateLimitDecision(NamedTuple):
    """Whether a request is granted, and the quota of its client after it."""

    granted: bool
    remaining: int  #: requests that are granted at once
    wait_s: float  #: until the next request is granted; 0 where one is left


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class RateLimiter:
    """The buckets of all clients: `burst` requests at once, and `per_s` more each second."""

    def __init__(self, per_s: float, burst: int, *, clients_max: int = CLIENTS_MAX) -> None:
        self.per_s = per_s
        self.burst = burst
        self._clients_max = clients_max
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    @property
    def window_s(self) -> int:
        """How long an empty bucket takes to fill."""
        return ceil(self.burst / self.per_s)

    def take(self, client: str, now_s: float, tokens: int = 1) -> RateLimitDecision:
        """Take tokens for a request from a client's bucket, unless it has too few; `now_s` is monotonic.

        A request takes at most the whole burst.

        >>> limiter = RateLimiter(per_s=2, burst=1)
        >>> limiter.take("a", 0.0)
        RateLimitDecision(granted=True, remaining=0, wait_s=0.5)
        >>> limiter.take("a", 0.0)
        RateLimitDecision(granted=False, remaining=0, wait_s=0.5)
        """
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self.burst, now_s)
            while len(self._buckets) > self._clients_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
            bucket.tokens = min(self.burst, bucket.tokens + (now_s - bucket.at_s) * self.per_s)
            bucket.at_s = now_s
        tokens = min(tokens, self.burst)
        granted = bucket.tokens >= tokens
        if granted:
            bucket.tokens -= tokens
        remaining = int(bucket.tokens)
        missing = max(0.0, (1 if granted else tokens) - bucket.tokens)
        return RateLimitDecision(granted, remaining, missing / self.per_s)
