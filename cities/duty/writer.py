"""A duty plan as files of a city folder: routes.yaml, and a roster for each team that has one."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic.alias_generators import to_camel

from cities.duration import format_duration
from cities.files.weekly_times import WeeklyTimesItem
from twin.model.duty import (
    Contact,
    DutyPlan,
    DutyTeam,
    EscalationPolicy,
    EscalationStep,
    IncidentRoute,
    QuietHours,
)

_DURATIONS = ("group_wait", "group_interval", "remind")


def roster_file(team: str) -> str:
    """Return the name of the file in which the roster of a team is written."""
    return f"roster-{team}.ics"


def roster_files(plan: DutyPlan) -> dict[str, str]:
    """Return the rosters, each as the text that was read, by file name."""
    return {roster_file(one.id): one.calendar for one in plan.teams if one.calendar}


def routes_document(plan: DutyPlan) -> dict[str, Any]:
    """Return the content of routes.yaml; empty for no plan. Overrides are no part of a folder."""
    content: dict[str, Any] = {
        "channels": [{"id": one.id, "url": one.url} for one in plan.channels],
        "contacts": [_contact(one) for one in plan.contacts],
        "teams": [_team(one) for one in plan.teams],
        "policies": [_policy(one) for one in plan.policies],
        "quietHours": [_quiet_hours(one) for one in plan.quiet_hours],
        "routes": [_route(one) for one in plan.routes],
    }
    if plan.watchdog is not None:
        channel, address = plan.watchdog
        content["watchdog"] = {"channel": channel} | ({"address": address} if address else {})
    return {key: value for key, value in content.items() if value}


def _contact(one: Contact) -> dict[str, Any]:
    item: dict[str, Any] = {"id": one.id, "name": one.name, "language": one.language}
    return item | ({"addresses": dict(one.addresses)} if one.addresses else {})


def _team(one: DutyTeam) -> dict[str, Any]:
    item: dict[str, Any] = {"id": one.id, "name": one.name, "members": list(one.members)}
    return item | ({"roster": roster_file(one.id)} if one.calendar else {})


def _step(one: EscalationStep) -> dict[str, Any]:
    item: dict[str, Any] = {"notify": one.notify}
    if one.contact:
        item["contact"] = one.contact
    return item | {"channels": list(one.channels), "wait": format_duration(one.wait)}


def _policy(one: EscalationPolicy) -> dict[str, Any]:
    item: dict[str, Any] = {"id": one.id}
    item |= {to_camel(name): format_duration(getattr(one, name)) for name in _DURATIONS}
    return item | {"repeat": one.repeat, "steps": [_step(each) for each in one.steps]}


def _quiet_hours(one: QuietHours) -> dict[str, Any]:
    times = [WeeklyTimesItem.from_interval(interval, ("start", "until")) for interval in one.intervals]
    return {"upTo": one.up_to.word, "times": [each.document() for each in times]}


def _route(one: IncidentRoute) -> dict[str, Any]:
    item: dict[str, Any] = {name: list(value) for name, value in msgspec.structs.asdict(one).items() if value}
    if one.severities:
        item["severities"] = [each.word for each in one.severities]
    return item | {"team": one.team, "policy": one.policy}
