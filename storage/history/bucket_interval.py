"""The length of a bucket: elapsed time, or days, weeks, months and years of a calendar."""

from __future__ import annotations

import re
from typing import NamedTuple

from storage.database import QueryError
from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant

_CALENDAR = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?")
_ELAPSED = re.compile(r"PT(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?")


class BucketInterval(NamedTuple):
    """The length of a bucket: exactly one of the three fields is greater than zero.

    `elapsed` is elapsed time, independent of time zones; its buckets are counted from a Monday midnight in
    UTC. `PT24H` is elapsed, and so is an hour: in the night in which clocks are set back, two hours begin at
    02:00, and they are two buckets. `days` and `months` are calendar days and months in a time zone: when
    clocks change, a day has 23 or 25 hours. Weeks begin on Monday, months on the 1st, years on 1 January.
    """

    months: int = 0
    days: int = 0
    elapsed: Duration = 0

    @classmethod
    def parse(cls, text: str) -> BucketInterval:
        """Return the interval of an ISO 8601 duration; raise QueryError when it is not a valid interval.

        >>> BucketInterval.parse("PT24H") == BucketInterval(elapsed=DAY), BucketInterval.parse("P1W").days
        (True, 7)
        """
        if elapsed := _ELAPSED.fullmatch(text):
            hours, minutes, seconds = (int(part or 0) for part in elapsed.groups())
            interval = cls(elapsed=hours * HOUR + minutes * MINUTE + seconds * SECOND)
        elif calendar := _CALENDAR.fullmatch(text):
            years, months, weeks, days = (int(part or 0) for part in calendar.groups())
            interval = cls(months=12 * years + months, days=7 * weeks + days)
        else:
            raise QueryError(
                f"interval {text!r}: expected an ISO 8601 duration in hours, minutes and seconds (PT15M), or "
                "in days, weeks, months or years (P1D)"
            )
        if sum(part > 0 for part in interval) != 1:
            raise QueryError(
                f"interval {text!r}: expected a length greater than zero, and either days and weeks "
                "or months and years"
            )
        return interval

    @property
    def is_calendar(self) -> bool:
        """Whether the buckets depend on the time zone."""
        return not self.elapsed

    @property
    def shortest(self) -> Duration:
        """The shortest possible bucket: a month may have 28 days, a day 23 hours."""
        return self.elapsed or 28 * DAY * self.months or self.days * DAY - HOUR

    def count_max(self, start: Instant, end: Instant) -> int:
        """Return the greatest number of buckets that a range can touch."""
        return max(0, end - start) // self.shortest + 2

    @property
    def postgres_text(self) -> str:
        """The interval as PostgreSQL reads it."""
        if self.elapsed:
            return f"{self.elapsed} microseconds"
        return f"{self.months} months" if self.months else f"{self.days} days"
