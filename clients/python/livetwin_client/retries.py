"""When a request is made again: delays that grow, and what the server asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import Random

RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})
"""Of a server that is busy, starting or in trouble; every request of this client only reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How long to wait, and how often; a live stream tries without end."""

    first_delay_s: float = 0.5
    delay_s_max: float = 30.0  #: where the server asks for nothing; the random part can double it
    asked_s_max: float = 300.0  #: of what the server asks for, by `Retry-After` or `retry:`
    attempts_max: int = 5  #: of a request

    def __post_init__(self) -> None:
        if self.attempts_max < 1:
            raise ValueError(f"attempts_max: found {self.attempts_max}, expected at least 1")


class Backoff:
    """The delays between the attempts of one request or stream."""

    def __init__(self, retries: Retries, random: Random) -> None:
        self._retries = retries
        self._random = random
        self._attempts = 0
        self.retry_s = 0.0  #: the least delay that a stream asked for

    def reset(self) -> None:
        """Begin again with the first delay: the last attempt worked."""
        self._attempts = 0

    def next_delay_s(self, asked_s: float | None = None) -> float:
        """Return the time until the next attempt, never less than what the server asks for, up to a bound.

        The random part spreads the clients of a server that was away.
        """
        # Beyond 2 ** 20 times the first delay the bound has long been reached.
        grown = self._retries.first_delay_s * float(2 ** min(self._attempts, 20))
        self._attempts += 1
        delay = min(grown, self._retries.delay_s_max)
        least = min(max(asked_s or 0.0, self.retry_s), self._retries.asked_s_max)
        return max(delay, least) + self._random.uniform(0, delay)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`; None without a usable one.

    A date counts from the `Date` of the same answer, so the clock of this machine does not matter.

    >>> retry_after_s({"retry-after": "10"})
    10.0
    >>> date = {"date": "Mon, 23 Nov 2026 12:00:00 GMT"}
    >>> retry_after_s({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT", **date})
    30.0
    """
    text = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
