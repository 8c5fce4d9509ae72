"""Who is on call: overrides before the calendar, and the first member where a team has no calendar.

Pure: everything follows from the plan and the instant that is asked about.
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
    """A time during which the same contact is on call for the same reason: `start` ≤ t < `end`."""

    contact: str | None  #: none: the calendar names nobody
    start: Instant
    end: Instant
    source: ShiftSource


def on_call(plan: DutyPlan, team: str, at: Instant) -> str | None:
    """Return the contact who is on call for a team; None where its calendar has a gap.

    Raises KeyError for a team that the plan does not have.
    """
    return _Roster(plan, team, at, at + 1).at(at)[0]


def duty_shifts(plan: DutyPlan, team: str, start: Instant, end: Instant) -> tuple[DutyShift, ...]:
    """Return who is on call from `start` until `end`, without holes: a gap is a shift of nobody.

    Neighbours differ in contact or source. Raises KeyError for a team that the plan does not have.
    """
    roster = _Roster(plan, team, start, end)
    found: list[DutyShift] = []
    edges = roster.edges()
    for first, last in pairwise(edges):
        contact, source = roster.at(first)
        if found and (found[-1].contact, found[-1].source) == (contact, source):
            found[-1] = found[-1]._replace(end=last)
        else:
            found.append(DutyShift(contact, first, last, source))
    return tuple(found)


def next_on_call(plan: DutyPlan, team: str, contact: str | None, n: int = 1) -> str | None:
    """Return who is asked as the `n`th (from 1) after a contact, in the order of the team's members.

    After the last member comes the first. After somebody who is no member, or nobody, the first is next.
    None when the team has nobody else. Raises KeyError for a team that the plan does not have.
    """
    members = _team(plan, team).members
    place = members.index(contact) + 1 if contact in members else 0
    others = [one for one in (*members[place:], *members[:place]) if one != contact]
    return others[(n - 1) % len(others)] if others else None


class _Roster:
    """What counts for one team between two instants."""

    def __init__(self, plan: DutyPlan, team: str, start: Instant, end: Instant) -> None:
        self._team = _team(plan, team)
        self._start, self._end = start, end
        self._names: Mapping[str, str] = contact_names(plan.contacts)
        known = {one.id for one in plan.contacts}
        self._overrides: Sequence[DutyOverride] = [
            one
            for one in plan.overrides
            if one.team == team and one.contact in known and one.start < end and one.end > start
        ]
        self._duties: Sequence[RosterShift] = (
            roster_shifts(self._team.calendar, start, end) if self._team.calendar and end > start else ()
        )

    def at(self, at: Instant) -> tuple[str | None, ShiftSource]:
        """Return contact and source at an instant."""
        for override in reversed(self._overrides):
            if override.start <= at < override.end:
                return override.contact, "override"
        if not self._team.calendar:
            return (self._team.members[0] if self._team.members else None), "default"
        current = [one for one in self._duties if one.start <= at < one.end]
        # The one that began last: an exception lies within the shift that it is an exception to.
        for duty in sorted(current, key=lambda one: (-one.start, one.end, one.named)):
            for name in duty.named:
                if name.casefold() in self._names:
                    return self._names[name.casefold()], "calendar"
        return None, "calendar"

    def edges(self) -> list[Instant]:
        """Return the instants between which nothing changes, the first and last included."""
        found = {edge for one in self._overrides for edge in (one.start, one.end)}
        found |= {edge for one in self._duties for edge in (one.start, one.end)}
        inside = sorted(edge for edge in found if self._start < edge < self._end)
        return [self._start, *inside, self._end] if self._end > self._start else []


def _team(plan: DutyPlan, team: str) -> DutyTeam:
    for one in plan.teams:
        if one.id == team:
            return one
    raise KeyError(team)
