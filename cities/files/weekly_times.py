"""Times of day on days of the week: of the schedule of a rule, and of the quiet hours of a duty plan."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Literal, get_args

from pydantic import Field, PlainSerializer, PlainValidator

from cities.files.schema import Item
from twin.alarms.rules.schedule import MINUTES_OF_DAY, WeeklyInterval

DayWord = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[DayWord, ...] = get_args(DayWord)
"""From Monday, which is 0."""

_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def _read_time_of_day(value: object) -> int:
    if not isinstance(value, str) or not _TIME_OF_DAY.fullmatch(value):
        raise ValueError('expected a local time of day in quotes, from "00:00" to "24:00"')
    return int(value[:2]) * 60 + int(value[3:])


def _write_time_of_day(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


TimeOfDay = Annotated[
    int, PlainValidator(_read_time_of_day, json_schema_input_type=str), PlainSerializer(_write_time_of_day)
]
"""Minutes since local midnight; written as "07:30"."""


class WeeklyTimesItem(Item):
    """A time of day on some days of the week; if `until` is not after `from`, it ends on the next day."""

    days: Annotated[list[DayWord], Field(min_length=1, max_length=7)] | None = None
    start: Annotated[TimeOfDay, Field(alias="from")] = 0
    until: TimeOfDay = MINUTES_OF_DAY

    def to_intervals(self) -> tuple[WeeklyInterval, ...]:
        """Return the intervals, each within a day: a night is two."""
        days = tuple(sorted({DAYS.index(day) for day in self.days or DAYS}))
        if self.start < self.until:
            return (WeeklyInterval(days, self.start, self.until),)
        next_days = tuple(sorted((day + 1) % len(DAYS) for day in days))
        night = WeeklyInterval(days, self.start, MINUTES_OF_DAY), WeeklyInterval(next_days, 0, self.until)
        return tuple(interval for interval in night if interval.start < interval.end)

    @classmethod
    def from_interval(cls, interval: WeeklyInterval, always: Collection[str] = ()) -> WeeklyTimesItem:
        """Return the item of an interval, to be written; its days only if they are not all seven."""
        days = [DAYS[day] for day in interval.days] if len(interval.days) < len(DAYS) else None
        return cls.of(always, days=days, start=interval.start, until=interval.end)
