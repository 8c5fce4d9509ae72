"""Weekly schedules: the local times at which a rule counts."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from twin.instant import HOUR, Instant, to_datetime

MINUTES_OF_DAY = 24 * 60


class WeeklyInterval(msgspec.Struct, frozen=True):
    """A time of day on some days of the week: minutes since local midnight, `start` ≤ m < `end`."""

    days: tuple[int, ...]  #: Monday is 0
    start: int = 0
    end: int = MINUTES_OF_DAY  #: at most midnight: a night is two intervals


class WeeklySchedule(msgspec.Struct, frozen=True):
    """The union of several intervals."""

    intervals: tuple[WeeklyInterval, ...]

    def contains(self, time: Instant, timezone: str) -> bool:
        """Whether an instant lies in one of the intervals.

        >>> working = WeeklySchedule((WeeklyInterval((0, 1, 2, 3, 4), 8 * 60, 18 * 60),))
        >>> noon = 1_767_351_600_000_000  # Friday 2 January 2026, 12:00 in Alkmaar
        >>> [working.contains(noon + hours * HOUR, "Europe/Amsterdam") for hours in (0, 5, 6, 24)]
        [True, True, False, False]
        """
        minute = minute_of_week(time, timezone)
        day, minute_of_day = divmod(minute, MINUTES_OF_DAY)
        return any(
            day in interval.days and interval.start <= minute_of_day < interval.end
            for interval in self.intervals
        )


def minute_of_week(time: Instant, timezone: str) -> int:
    """Return the local minute of the week, from Monday 00:00."""
    # Offsets of time zones change on whole hours, so one look-up per hour is enough.
    return _first_minute(time // HOUR, timezone) + time % HOUR // 60_000_000


@lru_cache(maxsize=4_096)
def _first_minute(hour: int, timezone: str) -> int:
    local = to_datetime(hour * HOUR).astimezone(ZoneInfo(timezone))
    return local.weekday() * MINUTES_OF_DAY + local.hour * 60 + local.minute


def hour_of_week(time: Instant, timezone: str) -> int:
    """Return the local hour of the week, 0 to 167, from Monday 00:00."""
    return minute_of_week(time, timezone) // 60
