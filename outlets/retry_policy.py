"""When a delivery that failed is tried again, and when it is given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from runtime.backoff import backoff_delay
from twin.instant import SECOND, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRetryPolicy:
    """Exponential back-off with jitter, bounded in tries and in time."""

    first_s: float = 1.0
    max_s: float = 3_600.0
    attempts_max: int = 30
    age_max_s: float = 86_400.0

    def delay_s(self, failures: int, rng: Random, retry_after_s: float | None = None) -> float:
        """Return how long to wait after so many failures, from 1 on.

        `asked_s` is what the receiver asked for (`Retry-After`): no less, within the bound. A half of the
        pause is chance, so that receivers of many that come back do not get everything at once.
        """
        whole = backoff_delay(failures, self.first_s, self.max_s)
        pause = rng.uniform(whole / 2, whole)
        return pause if retry_after_s is None else max(pause, min(retry_after_s, self.max_s))

    def is_exhausted(self, failures: int, since: Instant, now: Instant) -> bool:
        """Whether what failed so often since then is dead."""
        return failures >= self.attempts_max or now - since >= self.age_max_s * SECOND
