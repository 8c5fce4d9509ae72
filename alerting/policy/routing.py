"""Who is to be told of a case, over which channels, and when nobody is disturbed. Pure."""

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
from twin.model.duty import Contact, DutyPlan, EscalationPolicy, EscalationStep, IncidentRoute

QUIET_DAYS_MAX = 8
"""Quiet hours are looked ahead so far; what is always quiet waits so long."""


class MatchedRoute(NamedTuple):
    """The route of a case: whose it is, and how it is told."""

    team: str
    policy: EscalationPolicy


def match_route(case: IncidentState, model: CityModel) -> MatchedRoute | None:
    """Return the way of a case: that of the first route that fits; None when none does."""
    plan = model.duty
    policies = {one.id: one for one in plan.policies}
    teams = {one.id for one in plan.teams}
    for route in plan.routes:
        policy = policies.get(route.policy)
        if policy is not None and policy.steps and route.team in teams and _fits(route, case, model):
            return MatchedRoute(route.team, policy)
    return None


def _fits(route: IncidentRoute, case: IncidentState, model: CityModel) -> bool:
    incident = case.incident
    # By the worst that was told, so that it stays with those who know of it while it gets better.
    severity = max(case.severity, incident.severity)
    return (
        (not route.severities or severity in route.severities)
        and (not route.themes or incident.theme in route.themes)
        and (not route.causes or incident.cause in route.causes)
        and (not route.within or _lies_within(route.within, case, model))
    )


def _lies_within(areas: Iterable[str], case: IncidentState, model: CityModel) -> bool:
    places = {case.incident.area, *(entity_of_alarm(one.alarm) for one in case.open_members)}
    return any(place in places for area in areas for place in model.within(area))


def recipients(
    case: IncidentState, way: MatchedRoute, number: int, plan: DutyPlan, at: Instant
) -> list[Recipient]:
    """Return whom a step of the way tells over what: each once, only those whose address is known."""
    step = way.policy.steps[number]
    found = (
        Recipient(contact.id, channel)
        for contact in _contacts(case, way, number, plan, at)
        for channel in _usable_channels(contact, step, plan)
    )
    return list(dict.fromkeys(found))


def contact_recipients(contact: str, way: MatchedRoute, plan: DutyPlan) -> list[Recipient]:
    """Return how the first step of a way would tell a contact."""
    step = way.policy.steps[0]
    return [
        Recipient(one.id, channel)
        for one in plan.contacts
        if one.id == contact
        for channel in _usable_channels(one, step, plan)
    ]


def _contacts(
    case: IncidentState, way: MatchedRoute, number: int, plan: DutyPlan, at: Instant
) -> Iterator[Contact]:
    known = {one.id: one for one in plan.contacts}
    step = way.policy.steps[number]
    named: tuple[str | None, ...]
    match step.notify:
        case "on-call":
            named = (case.assignee or _on_call(plan, way.team, at),)
        case "next":
            behind = sum(one.notify == "next" for one in way.policy.steps[: number + 1])
            named = (next_on_call(plan, way.team, _on_call(plan, way.team, at), behind),)
        case "team":
            named = next(one.members for one in plan.teams if one.id == way.team)
        case "contact":
            named = (step.contact,)
    for one in named:
        if one is not None and one in known:
            yield known[one]


def _on_call(plan: DutyPlan, team: str, at: Instant) -> str | None:
    """Return who is on call; while nobody is, the first member."""
    members = next(one.members for one in plan.teams if one.id == team)
    return on_call(plan, team, at) or next(iter(members), None)


def _usable_channels(contact: Contact, step: EscalationStep, plan: DutyPlan) -> Iterator[str]:
    """Yield the channels of a step that lead to a contact; one without `{address}` needs none."""
    urls = {one.id: one.url for one in plan.channels}
    for channel in step.channels:
        if channel in urls and (contact.addresses.get(channel) or "{address}" not in urls[channel]):
            yield channel


def end_of_quiet_hours(severity: Severity, at: Instant, model: CityModel) -> Instant:
    """Return from when on people may be disturbed by something so bad: `at` itself outside quiet hours."""
    intervals: list[WeeklyInterval] = []
    for one in model.duty.quiet_hours:
        if severity <= one.up_to:
            intervals += one.intervals
    schedule = WeeklySchedule(tuple(intervals))
    end = at + QUIET_DAYS_MAX * DAY
    while intervals and at < end and schedule.contains(at, model.city.timezone):
        at = (at // MINUTE + 1) * MINUTE
    return at
