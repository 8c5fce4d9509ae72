"""How often one client may ask: a bucket of tokens each, in bounded memory. Pure: the clock is an argument.

A client that was not heard of for as long as its bucket takes to fill again is as good as new: so the bucket
that was touched longest ago may go when there are too many.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

CLIENTS_MAX = 20_000
"""Buckets of 200 bytes each: 4 MB."""


class RateLimitDecision(NamedTuple):
    """What a client has left after a request."""

    granted: bool
    remaining: int  #: requests that it may make at once
    wait_s: float  #: until the next one is granted; 0 where one is left


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class RateLimiter:
    """The buckets of all clients: `burst` requests at once, and `per_s` more each second."""

    def __init__(self, per_s: float, burst: int) -> None:
        self.per_s = per_s
        self.burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    @property
    def window_s(self) -> int:
        """How long an empty bucket takes to fill."""
        return ceil(self.burst / self.per_s)

    def take(self, client: str, now_s: float) -> RateLimitDecision:
        """Take a request from a client's bucket, unless it is empty; `now_s` is monotonic.

        >>> limiter = RateLimiter(per_s=2, burst=1)
        >>> limiter.take("a", 0.0)
        RateLimitDecision(granted=True, remaining=0, wait_s=0.5)
        >>> limiter.take("a", 0.0)
        RateLimitDecision(granted=False, remaining=0, wait_s=0.5)
        """
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self.burst, now_s)
            while len(self._buckets) > CLIENTS_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
            bucket.tokens = min(self.burst, bucket.tokens + (now_s - bucket.at_s) * self.per_s)
            bucket.at_s = now_s
        granted = bucket.tokens >= 1
        if granted:
            bucket.tokens -= 1
        left = int(bucket.tokens)
        return RateLimitDecision(granted, left, 0.0 if left else (1 - bucket.tokens) / self.per_s)
