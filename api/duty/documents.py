"""Documents of duty: who is on call, rosters and overrides. Addresses are personal: for `duty` and above."""

from __future__ import annotations

from typing import Any

import icalendar

from alerting.policy.roster import DutyShift, duty_shifts, next_on_call
from storage.model.duty_overrides import StoredOverride
from twin.instant import DAY, Duration, Instant, format_instant, to_datetime
from twin.model.city_model import City
from twin.model.duty import DutyPlan, DutyTeam
from twin.model.role import Role, role_includes

Document = dict[str, Any]

AHEAD: Duration = 28 * DAY
"""So far it is looked for the end of who is on call."""


def on_call_document(plan: DutyPlan, team: DutyTeam, at: Instant, role: Role) -> Document:
    """Return who is on call for a team at an instant, until when, and who would be asked next."""
    shift = duty_shifts(plan, team.id, at, at + AHEAD)[0]
    return {
        "teamId": team.id,
        "teamName": team.name,
        "contact": contact_document(plan, shift.contact, role),
        "source": shift.source,
        "until": format_instant(shift.end) if shift.end < at + AHEAD else None,
        "next": contact_document(plan, next_on_call(plan, team.id, shift.contact), role),
        "_links": {"roster": {"href": f"/v1/duty/roster?team={team.id}"}},
    }


def contact_document(plan: DutyPlan, contact: str | None, role: Role) -> Document | None:
    """Return a contact, without addresses for those who have no duty; None for nobody."""
    for one in plan.contacts:
        if one.id == contact:
            document: Document = {"id": one.id, "name": one.name, "language": one.language}
            return document | ({"addresses": one.addresses} if role_includes(role, "duty") else {})
    return None


def shift_document(plan: DutyPlan, team: DutyTeam, shift: DutyShift, role: Role) -> Document:
    """Return one shift of a team; `contact` is null in a gap."""
    return {
        "teamId": team.id,
        "contact": contact_document(plan, shift.contact, role),
        "start": format_instant(shift.start),
        "end": format_instant(shift.end),
        "source": shift.source,
    }


def override_document(made: StoredOverride, role: Role) -> Document:
    """Return an override; who made it and why is for those who have duty."""
    one, seen = made.override, role_includes(role, "duty")
    return {
        "id": one.id,
        "teamId": one.team,
        "contactId": one.contact,
        "start": format_instant(one.start),
        "end": format_instant(one.end),
        "note": one.note if seen else None,
        "madeBy": made.made_by if seen else None,
        "madeTime": format_instant(made.made),
        "withdrawnBy": made.withdrawn_by if seen else None,
        "withdrawnTime": None if made.withdrawn is None else format_instant(made.withdrawn),
        "_links": {"self": {"href": f"/v1/duty/overrides/{one.id}"}},
    }


def roster_calendar(
    city: City, plan: DutyPlan, found: list[tuple[DutyTeam, DutyShift]], now: Instant
) -> bytes:
    """Return shifts as iCalendar (RFC 5545), an event each; gaps are left out."""
    calendar = icalendar.Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", "-//LiveTwin//duty//EN")
    calendar.add("X-WR-CALNAME", f"{city.name}: duty")
    names = {one.id: one.name for one in plan.contacts}
    for team, shift in found:
        if shift.contact is None:
            continue
        event = icalendar.Event()
        event.add("UID", f"{team.id}-{shift.start}@{city.id}.livetwin")
        event.add("DTSTAMP", to_datetime(now))
        event.add("DTSTART", to_datetime(shift.start))
        event.add("DTEND", to_datetime(shift.end))
        event.add("SUMMARY", f"{team.name}: {names[shift.contact]}")
        event.add("CATEGORIES", [team.name])
        calendar.add_component(event)
    return bytes(calendar.to_ical())
