"""Hand-overs: when the duty of a team begins for another contact. Pure.

A turn is the time for which one contact is on call, be it by the calendar, an override or another plan. A gap
is a turn of nobody: whoever is on call after it is told, also if they were on call before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from alerting.incidents.incident_state import Recipient
from alerting.policy.roster import duty_shifts, on_call
from alerting.policy.routing import usable_channels
from twin.instant import DAY, MINUTE, Duration, Instant
from twin.model.duty import DutyPlan, DutyTeam

AHEAD: Duration = 28 * DAY
"""How far ahead the end of a turn is searched."""

CHECK_EVERY: Duration = DAY

CLOCK_STEP_MAX: Duration = 5 * MINUTE
"""A clock that is set back by at most this, or is behind by this on the other host, hands nothing back."""


class DutyTurn(msgspec.Struct, frozen=True, array_like=True):
    """The present turn of a team, as the duty loop knows it. Stored in the journal."""

    contact: str  #: empty: nobody is on call
    since: Instant  #: when the duty loop noticed it
    before: str = ""  #: who was on call before; empty: nobody, or unknown


class TurnChange(NamedTuple):
    """Another turn of a team; `is_first` when no turn of it was known, so that nobody hands over."""

    team: DutyTeam
    turn: DutyTurn
    is_first: bool


def changed_turns(plan: DutyPlan, known: Mapping[str, DutyTurn], now: Instant) -> list[TurnChange]:
    """Return the other turns of the teams that tell of hand-overs."""
    changes = []
    for team in plan.teams:
        if not team.hand_over:
            continue
        turn = known.get(team.id)
        if turn is not None and now < turn.since <= now + CLOCK_STEP_MAX:
            continue
        contact = on_call(plan, team.id, now) or ""
        if turn is None:
            changes.append(TurnChange(team, DutyTurn(contact, now), is_first=True))
        elif turn.contact != contact:
            # In a gap the one before it is still the one who knows what happened.
            before = turn.contact or turn.before
            changes.append(TurnChange(team, DutyTurn(contact, now, before), is_first=False))
    return changes


def next_turn_check(plan: DutyPlan, known: Mapping[str, DutyTurn], now: Instant) -> Instant | None:
    """Return when a turn may change next, later than now; None without teams that tell of hand-overs."""
    times = []
    for team in plan.teams:
        if team.hand_over:
            since = known[team.id].since if team.id in known else now
            held = since <= now + CLOCK_STEP_MAX and since > now
            times.append(since if held else duty_shifts(plan, team.id, now, now + CHECK_EVERY)[0].end)
    return min(times, default=None)


def turn_end(plan: DutyPlan, team: str, contact: str, now: Instant) -> Instant | None:
    """Return until when a contact is on call from now on; None if that is further than `AHEAD`."""
    for shift in duty_shifts(plan, team, now, now + AHEAD):
        if (shift.contact or "") != contact:
            return shift.start
    return None


def hand_over_recipients(plan: DutyPlan, team: DutyTeam, contact: str) -> list[Recipient]:
    """Return the (contact, channel) pairs by which a contact is told of the hand-over to them."""
    return [
        Recipient(one.id, channel)
        for one in plan.contacts
        if one.id == contact
        for channel in usable_channels(one, team.hand_over, plan)
    ]
