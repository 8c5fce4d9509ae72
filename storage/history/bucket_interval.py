"""The length of a bucket: elapsed time, or days, weeks, months and years of a calendar."""

from __future__ import annotations

import re
from typing import NamedTuple

from storage.database import QueryError
from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant

_CALENDAR = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?")
_ELAPSED = re.compile(r"PT(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?")


class BucketInterval(NamedTuple):
    """How long a bucket is: exactly one of the three is more than zero.

    `elapsed` is time that passes, whatever clocks on the wall do, in buckets counted from a Monday midnight
    in UTC; `PT24H` is such, and so is an hour: the night in which clocks go back has two hours that begin at
    02:00, and they are two buckets. `days` and `months` are those of a calendar in a time zone: the days of
    the two nights have 23 and 25 hours. Weeks begin on Monday, months on their first, years on 1 January.
    """

    months: int = 0
    days: int = 0
    elapsed: Duration = 0

    @classmethod
    def parse(cls, text: str) -> BucketInterval:
        """Return the interval that an ISO 8601 duration names; raise QueryError when it cannot be one.

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
                f"interval {text!r}: expected more than nothing, and either days and weeks "
                "or months and years"
            )
        return interval

    @property
    def is_calendar(self) -> bool:
        """Whether the time zone matters."""
        return not self.elapsed

    @property
    def shortest(self) -> Duration:
        """The least time that a bucket may last: a month may have 28 days, a day 23 hours."""
        return self.elapsed or 28 * DAY * self.months or self.days * DAY - HOUR

    def count_max(self, start: Instant, end: Instant) -> int:
        """Return how many buckets a range can touch at most."""
        return max(0, end - start) // self.shortest + 2

    @property
    def postgres_text(self) -> str:
        """The interval as PostgreSQL reads it."""
        if self.elapsed:
            return f"{self.elapsed} microseconds"
        return f"{self.months} months" if self.months else f"{self.days} days"
