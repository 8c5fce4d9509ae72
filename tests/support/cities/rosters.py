"""Duty plans and calendars: two officers alternate weekly, with hand-over on Monday at 08:00."""

from __future__ import annotations

from twin.instant import Instant, parse_instant
from twin.model.duty import Contact, DutyOverride, DutyPlan, DutyTeam

WATER = Contact(id="water", name="Duty officer water", addresses={"mail": "water@example.org"})
ROADS = Contact(id="roads", name="Duty officer roads and air")
LEAD = Contact(id="lead", name="Team lead operations")

ZONE = "TZID=Europe/Amsterdam"
WEEKS = (
    ("UID:water-weeks", f"DTSTART;{ZONE}:20260105T080000", f"DTEND;{ZONE}:20260112T080000",
     "RRULE:FREQ=WEEKLY;INTERVAL=2", "ATTENDEE;CN=Duty officer water:mailto:water@example.org"),
    ("UID:roads-weeks", f"DTSTART;{ZONE}:20260112T080000", f"DTEND;{ZONE}:20260119T080000",
     "RRULE:FREQ=WEEKLY;INTERVAL=2", "SUMMARY:roads"),
)  # fmt: skip


def calendar_text(*events: tuple[str, ...], head: tuple[str, ...] = ()) -> str:
    """Return an iCalendar text of events, each given as its lines."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//livetwin//tests//EN", *head]
    for event in events:
        lines += ["BEGIN:VEVENT", "DTSTAMP:20260101T000000Z", *event, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def plan_with_calendar(text: str, *overrides: DutyOverride) -> DutyPlan:
    """Return a plan with the team `operations`, which has this iCalendar text."""
    team = DutyTeam(id="operations", name="Operations", members=("water", "roads", "lead"), calendar=text)
    return DutyPlan(contacts=(WATER, ROADS, LEAD), teams=(team,), overrides=overrides)


def duty_override(contact: str, start: str, end: str, name: str = "1") -> DutyOverride:
    """Return an override for the team `operations`; times are RFC 3339."""
    return DutyOverride(
        id=name, team="operations", contact=contact, start=parse_instant(start), end=parse_instant(end)
    )


def at(text: str) -> Instant:
    """Return the instant of an RFC 3339 text."""
    return parse_instant(text)
