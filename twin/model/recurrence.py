"""Times that recur: an iCalendar rule (RFC 5545) over the local times of a city, expanded by blocks of time.

`icalendar` reads the rule and `recurring_ical_events` expands it, over local times without a zone. What that
library gets wrong about UNTIL is decided here: a DATE means the whole of that local day, and a time without
`Z` is local.

The first occurrence has the start and the end that are stated. Every other one begins and ends at the same
local times of day, so one from 22:00 to 06:00 takes seven or nine hours where the clocks change. A local time
that the spring night skips is read with the offset from before, one that the autumn night repeats is the
first of the two; an occurrence that would be empty thereby is as long as the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import icalendar
import msgspec
import recurring_ical_events

from twin.instant import DAY, INSTANT_MAX, Duration, Instant, from_datetime, to_datetime

OCCURRENCE_LENGTH_MAX: Duration = 7 * DAY
"""The longest recurring occurrence; what takes longer is stated once."""

BLOCK: Duration = 28 * DAY
"""Occurrences are expanded and cached by blocks that start at whole multiples of this."""

EXPANSIONS_CACHED_MAX = 4_096
"""Of one process, each with at most 36 occurrences of 100 bytes: 15 MB."""

FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST")
"""Times of day could recur more often than daily; numbers of days and weeks of a year, nobody plans by."""

_DAYS_OF_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

SEARCHED_YEARS = 8
"""Leap days come at least each eight years."""

Period: TypeAlias = tuple[Instant, Instant]
"""A time span, start ≤ t < end."""


class Recurrence(msgspec.Struct, frozen=True, kw_only=True):
    """When a period recurs."""

    rule: str  #: the value of an RRULE (RFC 5545, 3.3.10), at most daily
    exdates: tuple[str, ...] = ()  #: local dates (YYYY-MM-DD) on which no occurrence begins


class RecurringPeriod(NamedTuple):
    """A period of time, and its recurrence in a time zone, if it recurs."""

    start: Instant
    end: Instant
    recurrence: Recurrence | None = None
    zone: str = "UTC"  #: IANA name; without a recurrence it does not matter

    @property
    def reach(self) -> Period:
        """The time in which all occurrences are; up to INSTANT_MAX where their number is not known."""
        if self.recurrence is None:
            return self.start, self.end
        until = _until(_parse(self.recurrence.rule))
        if until is None:
            return self.start, INSTANT_MAX
        if not isinstance(until, datetime):
            until = datetime.combine(until, time())
        # Two days: for the zone of local times, and for the end of a date.
        last = from_datetime(until.replace(tzinfo=until.tzinfo or ZoneInfo("UTC"))) + 2 * DAY
        return self.start, max(self.end, last + OCCURRENCE_LENGTH_MAX)


def rule_fault(text: str) -> str:
    """Return what is wrong with the text of a rule: found …, expected …; empty if nothing is."""
    try:
        rule = _parse(text)
    except Exception as error:  # the library raises many types of errors
        return f"found no RRULE (RFC 5545): {' '.join(str(error).split())[:200]}"
    return next(_rule_faults(rule), "")


def _rule_faults(rule: icalendar.vRecur) -> Iterator[str]:
    frequency = "".join(rule.get("FREQ", [])).upper()
    if frequency not in FREQUENCIES:
        found = f"FREQ={frequency}" if frequency else "no FREQ"
        yield f"found {found}, expected FREQ with one of {', '.join(FREQUENCIES)}"
    if any(one < 1 for name in ("INTERVAL", "COUNT") for one in rule.get(name, [])):
        yield "found an INTERVAL or COUNT below 1, expected 1 or more"
    if "COUNT" in rule and "UNTIL" in rule:
        yield "found COUNT and UNTIL, expected at most one of them"
    for part in rule:
        if part not in PARTS:
            yield f"found {part}, expected {', '.join(PARTS)}: at most daily, at the time of the start"
    months = [int(one) for one in rule.get("BYMONTH", [])]
    if any(not 1 <= one <= len(_DAYS_OF_MONTHS) for one in months):
        yield "found a BYMONTH that is no month, expected 1 to 12"
    longest = max((_DAYS_OF_MONTHS[one - 1] for one in months if one <= len(_DAYS_OF_MONTHS)), default=31)
    if min((abs(one) for one in rule.get("BYMONTHDAY", [])), default=1) > longest:
        yield "found a BYMONTHDAY that no BYMONTH has, expected a date that exists"


def recurs(period: RecurringPeriod) -> bool:
    """Return whether the rule of a period gives another occurrence within `SEARCHED_YEARS`.

    A rule that never does would be searched up to the year 9999 with each expansion, whatever its UNTIL.
    """
    if period.recurrence is None:
        return False
    rule = dict(_parse(period.recurrence.rule))
    rule.pop("UNTIL", None)
    if rule.pop("COUNT", None) == [1]:
        return True
    start = _wall(period.start, ZoneInfo(period.zone))
    # A month first: a daily rule has three thousand occurrences in eight years, and two are enough.
    for days in (32, SEARCHED_YEARS * 366):
        limited = icalendar.vRecur({**rule, "UNTIL": [start + timedelta(days=days)]})
        if len(_expand(start, limited, start, start + timedelta(days=days))) > 1:
            return True
    return False


def occurrences_between(period: RecurringPeriod, start: Instant, end: Instant) -> tuple[Period, ...]:
    """Return the occurrences that overlap start ≤ t < end, ascending."""
    if period.recurrence is None:
        return ((period.start, period.end),) if period.start < end and period.end > start else ()
    first, last = max(start, period.start), min(end, period.reach[1])
    found = {
        one
        for block in range(first // BLOCK, (last - 1) // BLOCK + 1)
        for one in occurrences_of_block(period, block)
    }
    return tuple(sorted(one for one in found if one[0] < end and one[1] > start))


@lru_cache(maxsize=EXPANSIONS_CACHED_MAX)
def occurrences_of_block(period: RecurringPeriod, block: int) -> tuple[Period, ...]:
    """Return the occurrences that overlap a block, ascending."""
    start, end = block * BLOCK, (block + 1) * BLOCK
    if period.recurrence is None or end <= period.start or start >= period.reach[1]:
        return occurrences_between(period._replace(recurrence=None), start, end)
    zone = ZoneInfo(period.zone)
    rule = dict(_parse(period.recurrence.rule))
    until = _until(rule)
    begin = _wall(period.start, zone)
    limit = _wall(min(end + DAY, INSTANT_MAX - 2 * DAY), zone)
    if "COUNT" not in rule:
        # Which occurrences are after its own UNTIL is decided below.
        rule["UNTIL"] = [limit]
    walls = _expand(
        begin,
        icalendar.vRecur(rule),
        _wall(max(start - OCCURRENCE_LENGTH_MAX - DAY, 0), zone),
        limit,
    )
    found = [
        (wall, *_placed(period, wall, zone))
        for wall in {*walls, begin}
        if wall.date().isoformat() not in period.recurrence.exdates
    ]
    return tuple(
        sorted(
            (first, last)
            for wall, first, last in found
            if first < end and last > start and (wall == begin or not _is_after(until, wall, first))
        )
    )


def _parse(text: str) -> icalendar.vRecur:
    rule: icalendar.vRecur = icalendar.vRecur.from_ical(text)
    return rule


def _until(rule: dict[str, list[date]]) -> date | None:
    listed = rule.get("UNTIL")
    return listed[0] if listed else None


def _wall(instant: Instant, zone: ZoneInfo) -> datetime:
    return to_datetime(instant).astimezone(zone).replace(tzinfo=None, fold=0)


def _expand(begin: datetime, rule: icalendar.vRecur, start: datetime, end: datetime) -> list[datetime]:
    """Return the local times of a rule that begins at a local time, within a span of local times."""
    event, calendar = icalendar.Event(), icalendar.Calendar()
    event["UID"] = "recurrence"
    event["DTSTART"], event["DTEND"] = icalendar.vDatetime(begin), icalendar.vDatetime(begin)
    event["RRULE"] = rule
    calendar.add_component(event)
    return [one["DTSTART"].dt for one in recurring_ical_events.of(calendar).between(start, end)]


def _placed(period: RecurringPeriod, wall: datetime, zone: ZoneInfo) -> Period:
    """Return the occurrence that begins at a local time."""
    begin = _wall(period.start, zone)
    if wall == begin:
        return period.start, period.end
    start = from_datetime(wall.replace(tzinfo=zone))
    end = from_datetime((wall + (_wall(period.end, zone) - begin)).replace(tzinfo=zone))
    return start, end if end > start else start + (period.end - period.start)


def _is_after(until: date | None, wall: datetime, start: Instant) -> bool:
    """Return whether an occurrence begins after the UNTIL of its rule."""
    if until is None:
        return False
    if not isinstance(until, datetime):
        return wall.date() > until
    return wall > until if until.tzinfo is None else start > from_datetime(until)
