"""Renders contacts on call, rosters and overrides.

Addresses are personal data, for the role `duty` and above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import icalendar
from msgspec import UNSET

from alerting.policy.roster import DutyShift, duty_shifts, next_on_call
from api.access.rights import Rights
from api.duty.models import (
    ContactModel,
    DutyOverrideLinks,
    DutyOverrideModel,
    DutyShiftModel,
    OnCallLinks,
    OnCallModel,
)
from api.duty.schemas import ROSTER_MAX
from api.http.models import Link
from api.http.responses import format_optional_instant
from storage.model.duty_overrides import StoredOverride
from twin.instant import DAY, INSTANT_MAX, Duration, Instant, format_instant, to_datetime
from twin.model.city_model import City
from twin.model.duty import DutyPlan, DutyTeam
from twin.model.role import Role, role_includes

AHEAD: Duration = 28 * DAY
"""How far ahead the end of a shift is searched."""


def on_call_model(plan: DutyPlan, team: DutyTeam, at: Instant, rights: Rights) -> OnCallModel:
    """Return the contact on call for a team at an instant, the end of the shift, and the next contact."""
    shift = duty_shifts(plan, team.id, at, at + AHEAD)[0]
    return OnCallModel(
        team_id=team.id,
        team_name=team.name,
        contact=contact_model(plan, shift.contact, rights),
        source=shift.source,
        until=format_instant(shift.end) if shift.end < at + AHEAD else None,
        next=contact_model(plan, next_on_call(plan, team.id, shift.contact, at), rights),
        links=OnCallLinks(roster=Link(href=f"/v1/duty/roster?team={team.id}")),
    )


def contact_model(plan: DutyPlan, contact: str | None, rights: Rights) -> ContactModel | None:
    """Return a contact, with addresses for the role `duty` and above; None for no contact."""
    shows_addresses = role_includes(rights.role, "duty")
    for each in plan.contacts:
        if each.id == contact:
            if shows_addresses:
                rights.read_contacts.add(each.id)
            return ContactModel(
                id=each.id,
                name=each.name,
                language=each.language,
                addresses=each.addresses if shows_addresses else UNSET,
            )
    return None


def shift_model(plan: DutyPlan, team: DutyTeam, shift: DutyShift, rights: Rights) -> DutyShiftModel:
    """Return one shift of a team."""
    return DutyShiftModel(
        team_id=team.id,
        contact=contact_model(plan, shift.contact, rights),
        start=format_instant(shift.start),
        end=format_instant(shift.end),
        source=shift.source,
    )


def override_model(stored: StoredOverride, role: Role) -> DutyOverrideModel:
    """Return an override; its author and note are for the role `duty` and above."""
    override, may_see = stored.override, role_includes(role, "duty")
    return DutyOverrideModel(
        id=override.id,
        team_id=override.team,
        contact_id=override.contact,
        start=format_instant(override.start),
        end=format_instant(override.end),
        note=override.note if may_see else None,
        made_by=stored.made_by if may_see else None,
        made_time=format_instant(stored.made),
        withdrawn_by=stored.withdrawn_by if may_see else None,
        withdrawn_time=format_optional_instant(stored.withdrawn),
        links=DutyOverrideLinks(self_=Link(href=f"/v1/duty/overrides/{override.id}")),
    )


class RosterSpan(NamedTuple):
    """The time for which shifts are listed: `start` ≤ t < `end`."""

    start: Instant
    end: Instant


def roster_calendar(
    city: City, plan: DutyPlan, shifts: Sequence[tuple[DutyTeam, DutyShift]], span: RosterSpan, now: Instant
) -> str:
    """Return the shifts of a span as iCalendar (RFC 5545), one event each; gaps are left out.

    A shift that is longer than the span has its real start and end here. So its UID is the same whenever the
    calendar is fetched, and a calendar program keeps one event for it.
    """
    calendar = icalendar.Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", "-//LiveTwin//duty//EN")
    calendar.add("X-WR-CALNAME", f"{city.name}: duty")
    names = {contact.id: contact.name for contact in plan.contacts}
    for team, shift in shifts:
        if shift.contact is None:
            continue
        start = _shift_start(plan, team, shift) if shift.start == span.start else shift.start
        end = _shift_end(plan, team, shift) if shift.end == span.end else shift.end
        event = icalendar.Event()
        # A shift without a known start is the first one of its team.
        event.add("UID", f"{team.id}-{'first' if start is None else start}@{city.id}.livetwin")
        event.add("DTSTAMP", to_datetime(now))
        event.add("DTSTART", to_datetime(shift.start if start is None else start))
        event.add("DTEND", to_datetime(end))
        event.add("SUMMARY", f"{team.name}: {names[shift.contact]}")
        event.add("CATEGORIES", [team.name])
        calendar.add_component(event)
    return bytes(calendar.to_ical()).decode()


def _shift_start(plan: DutyPlan, team: DutyTeam, shift: DutyShift) -> Instant | None:
    """Return when a shift began; None when it is longer than `ROSTER_MAX`, or has no start."""
    earliest = max(0, shift.start - ROSTER_MAX)
    start = duty_shifts(plan, team.id, earliest, shift.start + 1)[-1].start
    return start if start > earliest else None


def _shift_end(plan: DutyPlan, team: DutyTeam, shift: DutyShift) -> Instant:
    """Return when a shift ends; its present end when that is more than `ROSTER_MAX` later, or never."""
    latest = min(shift.end + ROSTER_MAX, INSTANT_MAX - ROSTER_MAX)
    if latest <= shift.end:
        return shift.end
    end = duty_shifts(plan, team.id, shift.end - 1, latest)[0].end
    return end if end < latest else shift.end
