"""One event of a roster: whom it names, and what a roster does not take of RFC 5545."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

Event: TypeAlias = Any
"""An `icalendar.Event`. Its typed access gives a union of all values that there are, hence Any."""

YEAR_MIN = 1970

_ONCE = ("UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID", "SUMMARY")
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_KINDS = {date: "date, with or without a time", timedelta: "duration such as PT12H"}
_TOO_OFTEN = ("BYHOUR", "BYMINUTE", "BYSECOND")


def contact_labels(event: Event) -> tuple[str, ...]:
    """Return what may name the contact: name and address of each ATTENDEE; without one, the SUMMARY."""
    found = event.get("ATTENDEE", [])
    attendees = found if isinstance(found, list) else [found]
    if not attendees:
        summary = str(event.get("SUMMARY", "")).strip()
        return (summary,) if summary else ()
    names = [name for one in attendees for name in (str(one.params.get("CN", "")), _address(str(one)))]
    return tuple(name.strip() for name in names if name.strip())


def _address(uri: str) -> str:
    """Return a URI without its scheme, such as `mailto:`."""
    return uri.partition(":")[2] or uri


def event_faults(event: Event, *, has_zone: bool) -> Iterator[str]:
    """Yield what is wrong with an event; `has_zone` says that its calendar names a zone for plain times."""
    for name, message in event.errors:
        yield f"{name or 'line'}: {message}"
    twice = [name for name in _ONCE if isinstance(event.get(name), list)]
    for name in twice:
        yield f"{name}: found it more than once, expected it once"
    if event.errors or twice:
        return
    for name in ("UID", "DTSTART"):
        if name not in event:
            yield f"{name} is missing"
    if "DTSTART" in event:
        yield from _time_faults(event, has_zone)
    if "RRULE" in event:
        yield from _rule_faults(event["RRULE"])


def _time_faults(event: Event, has_zone: bool) -> Iterator[str]:
    for name, kind in (("DTSTART", date), ("DTEND", date), ("DURATION", timedelta)):
        if name in event and not isinstance(event[name].dt, kind):
            yield f"{name}: found another kind of value, expected a {_KINDS[kind]}"
            return
    start = event["DTSTART"].dt
    timed = isinstance(start, datetime)
    if start.year < YEAR_MIN:
        yield f"DTSTART: found the year {start.year}, expected {YEAR_MIN} or later"
    if "DTEND" in event and "DURATION" in event:
        yield "found DTEND and DURATION, expected one of them"
    elif "DTEND" in event:
        end = event["DTEND"].dt
        if isinstance(end, datetime) != timed or (timed and _zoned(end) != _zoned(start)):
            yield "DTEND: expected it written as DTSTART is, with or without a time and a zone"
        elif end <= start:
            yield f"DTEND: found {end}, expected later than DTSTART, {start}"
    elif "DURATION" in event:
        if event["DURATION"].dt.total_seconds() <= 0:
            yield "DURATION: found no time, expected more"
    elif timed:
        yield "DTEND is missing: a duty has an end"
    if not has_zone and not _zoned(start):
        yield "DTSTART: found no known time zone, expected TZID or UTC, or X-WR-TIMEZONE for the calendar"


def _zoned(moment: Any) -> bool:
    return isinstance(moment, datetime) and moment.tzinfo is not None


def _rule_faults(rule: Any) -> Iterator[str]:
    frequency = "".join(rule.get("FREQ", [])).upper()
    if frequency not in _FREQUENCIES:
        yield f"RRULE: found FREQ={frequency}, expected one of {', '.join(_FREQUENCIES)}"
    if any(one < 1 for one in rule.get("INTERVAL", [])):
        yield "RRULE: found an INTERVAL below 1, expected 1 or more"
    for part in _TOO_OFTEN:
        if part in rule:
            yield f"RRULE: found {part}, expected at most one duty a day; write an event for each hand-over"
