"""Rosters as iCalendar (RFC 5545): their faults, and the people whom they name at a time.

`icalendar` and `recurring_ical_events` handle recurrence, exceptions, moved occurrences and time zones. A
duration is nominal: a week from Monday 08:00 ends on Monday 08:00, also if the clock was put back in between.
A roster does not accept everything in RFC 5545, such as events more often than daily.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from twin.instant import DAY, Instant, from_datetime, to_datetime
from twin.model.duty import Contact

Event: TypeAlias = Any
"""An `icalendar.Event`. Its typed access returns a union of all value types, hence Any."""

YEAR_MIN = 1970

_ONCE = ("UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID", "SUMMARY")
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_KINDS = {date: "date, with or without a time", timedelta: "duration such as PT12H"}
_STAMP = re.compile(r"(?im)^(?:DTSTAMP|LAST-MODIFIED|CREATED)[:;].*(?:\n[ \t].*)*\n?")
_UID = re.compile(r"(?im)^UID[:;].*(?:\n[ \t].*)*")
_TOO_OFTEN = ("BYHOUR", "BYMINUTE", "BYSECOND")

# A year of shifts of a team of ten, each an event of its own, is 400 kB.
CALENDAR_BYTES_MAX = 1024 * 1024
EVENTS_MAX = 1_000
# Events with a rule: each has at most one shift a day, and all shifts of a span are created at once.
REPEATING_MAX = 100
# Listed dates, and excluded dates.
DATES_MAX = 1_000

# Occurrences are computed and cached by spans that start at whole multiples of this.
_SPAN = 28 * DAY
# Leap days come at least each eight years.
_REPEATS_YEARS = 8
_CALENDARS_MAX = 64
_MESSAGE_MAX = 1_000
_SPANS_MAX = 256


class CalendarFault(NamedTuple):
    """One fault of a calendar."""

    line: int  #: counted from 1
    message: str


class RosterShift(NamedTuple):
    """One occurrence of an event: `start` ≤ t < `end`."""

    start: Instant
    end: Instant
    named: tuple[str, ...]  #: labels of contacts, in order of precedence


def calendar_faults(text: str, contacts: Iterable[Contact]) -> list[CalendarFault]:
    """Return the faults of a calendar whose events name `contacts`, the members of its team."""
    if len(text.encode()) > CALENDAR_BYTES_MAX:
        return [CalendarFault(1, f"found a larger calendar, expected at most {CALENDAR_BYTES_MAX} bytes")]
    try:
        calendar = icalendar.Calendar.from_ical(text)
    except Exception as error:  # the library raises many types of errors
        return [CalendarFault(1, f"found no iCalendar (RFC 5545): {_short(error)}")]
    if calendar.name != "VCALENDAR":
        return [CalendarFault(1, f"found {calendar.name}, expected BEGIN:VCALENDAR")]
    events = calendar.walk("VEVENT")
    if len(events) > EVENTS_MAX:
        return [CalendarFault(1, f"found {len(events)} events, expected at most {EVENTS_MAX}")]
    many = list(_too_many(events))
    if many:
        return [CalendarFault(1, one) for one in many]
    zone, zone_fault = _zone(calendar)
    known = contact_names(contacts)
    faults = [CalendarFault(1, zone_fault)] if zone_fault else []
    for event, line in zip(events, _event_lines(text), strict=False):
        messages = [*event_faults(event, has_zone=zone is not None)]
        named = contact_labels(event)
        if not named:
            messages.append("names nobody: expected ATTENDEE or SUMMARY with a contact's id or name")
        elif not any(one.casefold() in known for one in named):
            messages.append(f"names {named[0]!r}, expected a member of the team by id, name or address")
        faults += [CalendarFault(line, message[:_MESSAGE_MAX]) for message in messages]
    return faults or list(_recurrence_faults(text, events))


def _too_many(events: Sequence[Event]) -> Iterator[str]:
    events = [one for one in events if not one.errors]  # those have faults of their own
    repeating = sum("RRULE" in one for one in events)
    if repeating > REPEATING_MAX:
        yield f"found {repeating} events with an RRULE, expected at most {REPEATING_MAX}"
    for name in ("RDATE", "EXDATE"):
        dates = sum(_dates(one.get(name, [])) for one in events)
        if dates > DATES_MAX:
            yield f"found {dates} dates in {name}, expected at most {DATES_MAX} in all events"


def _dates(value: Any) -> int:
    lists = value if isinstance(value, list) else [value]
    return sum(len(getattr(one, "dts", ())) for one in lists)


def _recurrence_faults(text: str, events: Sequence[Event]) -> Iterator[CalendarFault]:
    try:
        for event, line in zip(events, _event_lines(text), strict=False):
            if "RRULE" in event and not _repeats(event):
                message = f"RRULE: found no repetition within {_REPEATS_YEARS} years, expected one"
                yield CalendarFault(line, message)
                return
        roster_shifts(text, 0, _SPAN)
    except Exception as error:  # the libraries raise many types of errors
        yield CalendarFault(1, f"found events that cannot be repeated: {_short(error)}")


def _repeats(event: Event) -> bool:
    """Whether a rule repeats its event soon: a rule that never does is searched up to the year 9999."""
    # An UNTIL does not shorten that search.
    rule = dict(event["RRULE"])
    if rule.pop("COUNT", None) == [1]:
        return True
    start = event["DTSTART"].dt
    alone = icalendar.Event({name: event[name] for name in ("UID", "DTSTART", "DTEND") if name in event})
    # A month first: a daily rule has three thousand shifts in eight years, and two are enough.
    for days in (32, _REPEATS_YEARS * 366):
        end = start + timedelta(days=days)
        alone["RRULE"] = icalendar.vRecur({**rule, "UNTIL": [end]})
        calendar = icalendar.Calendar()
        calendar.add_component(alone)
        if len(recurring_ical_events.of(calendar).between(start, end)) > 1:
            return True
    return False


def without_stamps(text: str) -> str:
    """Return a calendar without what an export writes anew each time, although no shift has changed.

    Some programs create new UIDs, too: each one is replaced with a number, by the order of their first use.
    """
    numbers: dict[str, int] = {}
    return _UID.sub(lambda line: f"UID:{numbers.setdefault(line[0], len(numbers))}", _STAMP.sub("", text))


def roster_shifts(text: str, start: Instant, end: Instant) -> tuple[RosterShift, ...]:
    """Return the shifts that overlap a time span, by start; for a calendar without faults."""
    found = {
        shift
        for span in range(start // _SPAN, (end - 1) // _SPAN + 1)
        for shift in _shifts_of_span(text, span)
    }
    return tuple(sorted(one for one in found if one.start < end and one.end > start))


def contact_names(contacts: Iterable[Contact]) -> dict[str, str]:
    """Return contact ids by all labels that an event may have, in lower case; ids precede names."""
    listed = tuple(contacts)
    names = {address.casefold(): one.id for one in listed for address in one.addresses.values()}
    names |= {one.name.casefold(): one.id for one in listed}
    return names | {one.id.casefold(): one.id for one in listed}


@lru_cache(maxsize=_CALENDARS_MAX)
def _calendar(text: str) -> tuple[Any, tzinfo]:
    calendar = icalendar.Calendar.from_ical(text)
    zone = _zone(calendar)[0] or UTC
    events: list[Event] = calendar.walk("VEVENT")
    for event in events:
        if "UNTIL" in event.get("RRULE", {}):
            event["RRULE"]["UNTIL"] = [_exact_until(event["RRULE"]["UNTIL"][0], event["DTSTART"].dt, zone)]
    return recurring_ical_events.of(calendar), zone


def _exact_until(until: date, start: date, zone: tzinfo) -> date:
    """Return an UNTIL in the form of the start of its event, of which it is inclusive.

    `recurring_ical_events` takes a date for its first moment and a time without a zone for UTC. Calendar
    programs write both for events with times, and mean the whole day and the local time.
    """
    if not isinstance(start, datetime):
        if not isinstance(until, datetime):
            return until
        return (until.astimezone(zone) if until.tzinfo is not None else until).date()
    if not isinstance(until, datetime):
        until = datetime.combine(until, time(23, 59, 59))
    if until.tzinfo is not None or start.tzinfo is None:
        return until
    return until.replace(tzinfo=start.tzinfo).astimezone(UTC)


@lru_cache(maxsize=_SPANS_MAX)
def _shifts_of_span(text: str, span: int) -> tuple[RosterShift, ...]:
    query, zone = _calendar(text)
    # A day more on both sides: dates without a time are local, not UTC.
    occurrences = query.between(to_datetime(span * _SPAN - DAY), to_datetime((span + 1) * _SPAN + DAY))
    return tuple(
        RosterShift(
            _instant(event["DTSTART"].dt, zone), _instant(event["DTEND"].dt, zone), contact_labels(event)
        )
        for event in occurrences
        if str(event.get("STATUS", "")).upper() != "CANCELLED"
    )


def _instant(moment: date, zone: tzinfo) -> Instant:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return from_datetime(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))


def _zone(calendar: icalendar.Calendar) -> tuple[tzinfo | None, str]:
    """Return the zone of times that name none, and its fault."""
    name = str(calendar.get("X-WR-TIMEZONE", ""))
    try:
        return (ZoneInfo(name), "") if name else (None, "")
    except (ValueError, OSError, KeyError):
        return None, f"X-WR-TIMEZONE: found {name!r}, expected an IANA time zone such as Europe/Amsterdam"


def _event_lines(text: str) -> Iterator[int]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().upper() == "BEGIN:VEVENT":
            yield number


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def contact_labels(event: Event) -> tuple[str, ...]:
    """Return the labels of the contact: name and address of each ATTENDEE; without one, the SUMMARY."""
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
    """Yield the faults of an event; `has_zone`: its calendar has a zone for times without one."""
    for name, message in event.errors:
        yield f"{name or 'line'}: {message}"
    repeated = [name for name in _ONCE if isinstance(event.get(name), list)]
    for name in repeated:
        yield f"{name}: found it more than once, expected it once"
    if event.errors or repeated:
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
        yield "DTEND is missing: a shift has an end"
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
            yield f"RRULE: found {part}, expected at most one shift a day; write an event for each hand-over"
