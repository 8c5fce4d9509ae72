"""`select` and `schedule` of a rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import get_args

from cities.rules.context import RuleContext
from cities.rules.faults import RuleFaults
from cities.rules.schema import DayWord, ScheduleItem, SelectItem
from twin.alarms.rules.rule import EntitySelection
from twin.alarms.rules.schedule import MINUTES_OF_DAY, WeeklyInterval, WeeklySchedule

DAYS: tuple[str, ...] = get_args(DayWord)
"""From Monday, which is 0."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def read_selection(item: SelectItem, context: RuleContext, faults: RuleFaults) -> EntitySelection:
    """Return which entities a rule is for; with faults where it names what the city does not have."""
    if not (item.types or item.within or item.entities or item.relation):
        faults.add_fault(
            ("select",),
            "found nothing, expected at least one of types, within, entities and relation; "
            "name the city under within to mean all of it",
        )
    for key in ("within", "entities"):
        for index, id in enumerate(getattr(item, key) or ()):
            if (message := context.unknown_id(id)) is not None:
                faults.add_fault(("select", key, index), message)
    for index, type in enumerate(item.types or ()):
        if (message := context.unknown_type(type)) is not None:
            faults.add_fault(("select", "types", index), message)
    if item.relation is not None and (message := context.unknown_id(item.relation.target)) is not None:
        faults.add_fault(("select", "relation", "target"), message)
    return EntitySelection(
        types=tuple(item.types or ()),
        within=tuple(item.within or ()),
        entities=tuple(item.entities or ()),
        relation=(item.relation.type, item.relation.target) if item.relation is not None else None,
    )


def read_schedule(items: Sequence[ScheduleItem] | None, faults: RuleFaults) -> WeeklySchedule | None:
    """Return the times of a schedule; a night becomes two intervals."""
    if items is None:
        return None
    intervals: list[WeeklyInterval] = []
    for index, item in enumerate(items):
        place = ("schedule", index)
        start = _minutes(item.start, (*place, "from"), faults)
        end = _minutes(item.until, (*place, "until"), faults)
        if start is None or end is None:
            continue
        days = sorted({DAYS.index(day) for day in item.days or DAYS})
        if start in (end, MINUTES_OF_DAY):
            faults.add_fault(place, f"found {item.start} until {item.until}, expected a time that lasts")
        elif start < end:
            intervals.append(WeeklyInterval(tuple(days), start, end))
        else:
            intervals.append(WeeklyInterval(tuple(days), start, MINUTES_OF_DAY))
            if end:
                intervals.append(WeeklyInterval(_next_days(days), 0, end))
    return WeeklySchedule(tuple(intervals))


def _next_days(days: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted((day + 1) % len(DAYS) for day in days))


def _minutes(text: str, location: tuple[str | int, ...], faults: RuleFaults) -> int | None:
    """Return a time of day in minutes since midnight.

    >>> _minutes("07:30", (), RuleFaults()), _minutes("24:00", (), RuleFaults())
    (450, 1440)
    """
    if text == "24:00":
        return MINUTES_OF_DAY
    match = _CLOCK.fullmatch(text)
    if match is None:
        faults.add_fault(
            location, f"found {text!r}, expected a local time of day such as '07:30'; 24:00 is its end"
        )
        return None
    return 60 * int(match[1]) + int(match[2])


def write_clock(minutes: int) -> str:
    """Return a time of day as it is written.

    >>> write_clock(450), write_clock(1440)
    ('07:30', '24:00')
    """
    return f"{minutes // 60:02}:{minutes % 60:02}"
