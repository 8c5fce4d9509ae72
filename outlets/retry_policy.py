"""When a failed delivery is attempted again, and when it is given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from runtime.backoff import backoff_delay
from twin.instant import SECOND, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRetryPolicy:
    """Exponential back-off with jitter, bounded in attempts and in time."""

    first_s: float = 1.0
    max_s: float = 3_600.0
    attempts_max: int = 30
    age_max_s: float = 86_400.0

    def delay_s(self, failures: int, rng: Random, retry_after_s: float | None = None) -> float:
        """Return the delay after so many failures, counted from 1, seconds.

        It is at least what the receiver asked for (`Retry-After`), but never above `max_s`. Half of it is
        random: many receivers that recover together do not get all messages at once.
        """
        longest = backoff_delay(failures, self.first_s, self.max_s)
        delay = rng.uniform(longest / 2, longest)
        return delay if retry_after_s is None else max(delay, min(retry_after_s, self.max_s))

    def is_exhausted(self, failures: int, since: Instant, now: Instant) -> bool:
        """Whether a message that fails since `since` is given up."""
        return failures >= self.attempts_max or now - since >= self.age_max_s * SECOND
