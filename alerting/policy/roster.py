"""Who is on call: overrides before the calendar; the first member where a team has no calendar.

Pure: the result depends on the plan and the requested time only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from cities.duty.roster_calendar import RosterShift, contact_names, roster_shifts
from twin.instant import Instant
from twin.model.duty import DutyOverride, DutyPlan, DutyTeam

ShiftSource: TypeAlias = Literal["override", "calendar", "default"]
"""Why somebody is on call; `default` is the first member of a team without a calendar."""


class DutyShift(NamedTuple):
    """A time span in which the same contact is on call for the same reason: `start` ≤ t < `end`."""

    contact: str | None  #: None: the calendar names nobody
    start: Instant
    end: Instant
    source: ShiftSource


def on_call(plan: DutyPlan, team: str, at: Instant) -> str | None:
    """Return the contact who is on call for a team; None where its calendar has a gap.

    Raises KeyError for a team that the plan does not have.
    """
    return _Roster(plan, team, at, at + 1).at(at)[0]


def duty_shifts(plan: DutyPlan, team: str, start: Instant, end: Instant) -> tuple[DutyShift, ...]:
    """Return who is on call from `start` until `end`, without gaps: a gap is a shift without a contact.

    Neighbours differ in contact or source. Raises KeyError for a team that the plan does not have.
    """
    roster = _Roster(plan, team, start, end)
    shifts: list[DutyShift] = []
    for first, last in pairwise(roster.edges()):
        contact, source = roster.at(first)
        if shifts and (shifts[-1].contact, shifts[-1].source) == (contact, source):
            shifts[-1] = shifts[-1]._replace(end=last)
        else:
            shifts.append(DutyShift(contact, first, last, source))
    return tuple(shifts)


def next_on_call(plan: DutyPlan, team: str, contact: str | None, at: Instant, n: int = 1) -> str | None:
    """Return the `n`th member (from 1) after a contact, in the order of the team.

    The first member follows the last, and also a contact who is no member, or None. A member whose duty an
    override has taken over is passed over, unless there is nobody else. Return None when the team has nobody
    else. Raises KeyError for a team that the plan does not have.
    """
    members = _team(plan, team).members
    position = members.index(contact) + 1 if contact in members else 0
    others = [member for member in (*members[position:], *members[:position]) if member != contact]
    replaced = _Roster(plan, team, at, at + 1).replaced(at)
    others = [member for member in others if member != replaced] or others
    return others[(n - 1) % len(others)] if others else None


class _Roster:
    """The overrides and calendar shifts of one team between two times."""

    def __init__(self, plan: DutyPlan, team: str, start: Instant, end: Instant) -> None:
        self._team = _team(plan, team)
        self._calendar = plan.calendar_of(self._team)
        self._start, self._end = start, end
        self._ids_by_name: Mapping[str, str] = contact_names(plan.contacts)
        contacts = {contact.id for contact in plan.contacts}
        self._overrides: Sequence[DutyOverride] = [
            override
            for override in plan.overrides
            if override.team == team
            and override.contact in contacts
            and override.start < end
            and override.end > start
        ]
        self._shifts: Sequence[RosterShift] = (
            roster_shifts(self._calendar, start, end) if self._calendar and end > start else ()
        )

    def at(self, at: Instant) -> tuple[str | None, ShiftSource]:
        """Return contact and source at a time."""
        for override in reversed(self._overrides):
            if override.start <= at < override.end:
                return override.contact, "override"
        return self._planned(at)

    def replaced(self, at: Instant) -> str | None:
        """Return the contact whose duty an override has taken over at a time; None if none has."""
        return self._planned(at)[0] if self.at(at)[1] == "override" else None

    def _planned(self, at: Instant) -> tuple[str | None, ShiftSource]:
        """Return contact and source without the overrides."""
        if not self._calendar:
            return (self._team.members[0] if self._team.members else None), "default"
        current = [shift for shift in self._shifts if shift.start <= at < shift.end]
        # The shift that began last comes first: an exception lies within the shift that it replaces.
        for shift in sorted(current, key=lambda one: (-one.start, one.end, one.named)):
            for name in shift.named:
                if name.casefold() in self._ids_by_name:
                    return self._ids_by_name[name.casefold()], "calendar"
        return None, "calendar"

    def edges(self) -> list[Instant]:
        """Return the times between which nothing changes, including start and end."""
        edges = {edge for override in self._overrides for edge in (override.start, override.end)}
        edges |= {edge for shift in self._shifts for edge in (shift.start, shift.end)}
        inside = sorted(edge for edge in edges if self._start < edge < self._end)
        return [self._start, *inside, self._end] if self._end > self._start else []


def _team(plan: DutyPlan, id: str) -> DutyTeam:
    for team in plan.teams:
        if team.id == id:
            return team
    raise KeyError(id)
