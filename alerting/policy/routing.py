"""Routes: who is notified of an incident and over which channels; and the quiet hours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from alerting.incidents.incident_state import IncidentState, Recipient
from alerting.policy.roster import next_on_call, on_call
from twin.alarms.messages import entity_of_alarm
from twin.alarms.rules.schedule import WeeklyInterval, WeeklySchedule
from twin.alarms.severity import Severity
from twin.instant import DAY, MINUTE, Instant
from twin.model.city_model import CityModel
from twin.model.duty import Contact, DutyPlan, EscalationPolicy, IncidentRoute

QUIET_DAYS_MAX = 8
"""How far ahead the end of quiet hours is searched; permanent quiet hours delay a message by this."""


class MatchedRoute(NamedTuple):
    """The route of an incident: the responsible team and the escalation policy."""

    team: str
    policy: EscalationPolicy


def match_route(state: IncidentState, model: CityModel) -> MatchedRoute | None:
    """Return the first route of the plan that matches an incident; None if none does."""
    plan = model.duty
    policies = {policy.id: policy for policy in plan.policies}
    teams = {team.id for team in plan.teams}
    for route in plan.routes:
        policy = policies.get(route.policy)
        is_usable = policy is not None and policy.steps and route.team in teams
        if policy is not None and is_usable and _matches(route, state, model):
            return MatchedRoute(route.team, policy)
    return None


def _matches(route: IncidentRoute, state: IncidentState, model: CityModel) -> bool:
    incident = state.incident
    # The worst notified severity counts, so that an incident that eases stays with the same people.
    severity = max(state.notified_severity, incident.severity)
    return (
        (not route.severities or severity in route.severities)
        and (not route.themes or incident.theme in route.themes)
        and (not route.causes or incident.cause in route.causes)
        and (not route.within or _lies_within(route.within, state, model))
    )


def _lies_within(areas: Iterable[str], state: IncidentState, model: CityModel) -> bool:
    entities = {state.incident.area, *(entity_of_alarm(member.alarm) for member in state.open_members)}
    return any(entity in entities for area in areas for entity in model.within(area))


def recipients(
    state: IncidentState, route: MatchedRoute, number: int, plan: DutyPlan, at: Instant
) -> list[Recipient]:
    """Return the (contact, channel) pairs that a step notifies: each once, only those with an address."""
    step = route.policy.steps[number]
    found = (
        Recipient(contact.id, channel)
        for contact in _contacts(state, route, number, plan, at)
        for channel in usable_channels(contact, step.channels, plan)
    )
    return list(dict.fromkeys(found))


def contact_recipients(contact: str, route: MatchedRoute, plan: DutyPlan) -> list[Recipient]:
    """Return the (contact, channel) pairs by which the first step of a route would notify a contact."""
    step = route.policy.steps[0]
    return [
        Recipient(known.id, channel)
        for known in plan.contacts
        if known.id == contact
        for channel in usable_channels(known, step.channels, plan)
    ]


def _contacts(
    state: IncidentState, route: MatchedRoute, number: int, plan: DutyPlan, at: Instant
) -> Iterator[Contact]:
    contacts = {contact.id: contact for contact in plan.contacts}
    step = route.policy.steps[number]
    ids: tuple[str | None, ...]
    match step.notify:
        case "on-call":
            ids = (state.assignee or _on_call(plan, route.team, at),)
        case "next":
            ids = (_next_contact(state, route, number, plan, at),)
        case "team":
            ids = next(team.members for team in plan.teams if team.id == route.team)
        case "contact":
            ids = (step.contact,)
    for id in ids:
        if id is not None and id in contacts:
            yield contacts[id]


def _next_contact(
    state: IncidentState, route: MatchedRoute, number: int, plan: DutyPlan, at: Instant
) -> str | None:
    """Return the first contact in line whom no step of the round has notified and whom this step can reach.

    In line are the members after the contact who is on call; before them that contact, who is another one
    than the `on-call` step has notified if there was a hand-over. If all were notified, the number of `next`
    steps counts.
    """
    steps = route.policy.steps[: number + 1]
    duty = _on_call(plan, route.team, at)
    size = len(next(team.members for team in plan.teams if team.id == route.team))
    line = [next_on_call(plan, route.team, duty, at, n) for n in range(1, size + 1)]
    if not state.assignee and any(one.notify == "on-call" for one in steps):
        line.insert(0, duty)
    reachable = {one.id for one in plan.contacts if any(usable_channels(one, steps[-1].channels, plan))}
    for contact in line if state.asked else ():
        if contact in reachable and contact not in state.asked:
            return contact
    return next_on_call(plan, route.team, duty, at, sum(one.notify == "next" for one in steps))


def _on_call(plan: DutyPlan, team: str, at: Instant) -> str | None:
    """Return who is on call; the first member while nobody is."""
    members = next(one.members for one in plan.teams if one.id == team)
    return on_call(plan, team, at) or next(iter(members), None)


def usable_channels(contact: Contact, channels: Iterable[str], plan: DutyPlan) -> Iterator[str]:
    """Yield the channels that reach a contact; a URL without `{address}` needs no address."""
    known = {channel.id: channel for channel in plan.channels}
    for channel in channels:
        if channel in known and (contact.addresses.get(channel) or not known[channel].needs_address):
            yield channel


def end_of_quiet_hours(severity: Severity, at: Instant, model: CityModel) -> Instant:
    """Return the first time from `at` on at which a severity may be notified; `at` outside quiet hours."""
    intervals: list[WeeklyInterval] = []
    for quiet in model.duty.quiet_hours:
        if severity <= quiet.up_to:
            intervals += quiet.intervals
    schedule = WeeklySchedule(tuple(intervals))
    end = at + QUIET_DAYS_MAX * DAY
    while intervals and at < end and schedule.contains(at, model.city.timezone):
        at = (at // MINUTE + 1) * MINUTE
    return at
