"""Documents of duty: contacts on call, rosters and overrides.

Addresses are personal data, for the role `duty` and above.
"""

from __future__ import annotations

import icalendar

from alerting.policy.roster import DutyShift, duty_shifts, next_on_call
from api.http.responses import Document, format_optional_instant
from storage.model.duty_overrides import StoredOverride
from twin.instant import DAY, Duration, Instant, format_instant, to_datetime
from twin.model.city_model import City
from twin.model.duty import DutyPlan, DutyTeam
from twin.model.role import Role, role_includes

AHEAD: Duration = 28 * DAY
"""How far ahead the end of a shift is searched."""


def on_call_document(plan: DutyPlan, team: DutyTeam, at: Instant, role: Role) -> Document:
    """Return the contact on call for a team at an instant, the end of the shift, and the next contact."""
    shift = duty_shifts(plan, team.id, at, at + AHEAD)[0]
    return {
        "teamId": team.id,
        "teamName": team.name,
        "contact": contact_document(plan, shift.contact, role),
        "source": shift.source,
        "until": format_instant(shift.end) if shift.end < at + AHEAD else None,
        "next": contact_document(plan, next_on_call(plan, team.id, shift.contact, at), role),
        "_links": {"roster": {"href": f"/v1/duty/roster?team={team.id}"}},
    }


def contact_document(plan: DutyPlan, contact: str | None, role: Role) -> Document | None:
    """Return a contact, with addresses for the role `duty` and above; None for no contact."""
    for each in plan.contacts:
        if each.id == contact:
            document: Document = {"id": each.id, "name": each.name, "language": each.language}
            return document | ({"addresses": each.addresses} if role_includes(role, "duty") else {})
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


def override_document(stored: StoredOverride, role: Role) -> Document:
    """Return an override; its author and note are for the role `duty` and above."""
    override, may_see = stored.override, role_includes(role, "duty")
    return {
        "id": override.id,
        "teamId": override.team,
        "contactId": override.contact,
        "start": format_instant(override.start),
        "end": format_instant(override.end),
        "note": override.note if may_see else None,
        "madeBy": stored.made_by if may_see else None,
        "madeTime": format_instant(stored.made),
        "withdrawnBy": stored.withdrawn_by if may_see else None,
        "withdrawnTime": format_optional_instant(stored.withdrawn),
        "_links": {"self": {"href": f"/v1/duty/overrides/{override.id}"}},
    }


def roster_calendar(
    city: City, plan: DutyPlan, shifts: list[tuple[DutyTeam, DutyShift]], now: Instant
) -> bytes:
    """Return shifts as iCalendar (RFC 5545), one event each; gaps are left out."""
    calendar = icalendar.Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", "-//LiveTwin//duty//EN")
    calendar.add("X-WR-CALNAME", f"{city.name}: duty")
    names = {contact.id: contact.name for contact in plan.contacts}
    for team, shift in shifts:
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
