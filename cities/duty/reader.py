"""The duty plan of a city folder: routes.yaml and the rosters that it names."""

from __future__ import annotations

from pathlib import Path

from cities.duty.channel_url import channel_faults
from cities.duty.schema import (
    ChannelItem,
    ContactItem,
    PolicyItem,
    QuietHoursItem,
    QuietTimesItem,
    RouteItem,
    StepItem,
    TeamItem,
    WatchdogItem,
)
from cities.duty_references import DutySections, check_references
from cities.duty_rosters import read_rosters
from cities.files.faults import CityFault, describe_value
from cities.files.items import Items, read_section, suggestion, validate_item
from cities.files.yaml_document import YamlDocument
from twin.alarms.rules.schedule import MINUTES_OF_DAY, WeeklyInterval
from twin.alarms.severity import severity_of
from twin.model.duty import (
    Contact,
    DutyPlan,
    DutyTeam,
    EscalationPolicy,
    EscalationStep,
    IncidentRoute,
    NotificationChannel,
    QuietHours,
)

KEYS = ("channels", "contacts", "teams", "policies", "quietHours", "routes", "watchdog")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def read_duty(
    document: YamlDocument, folder: Path, areas: frozenset[str] | None
) -> tuple[DutyPlan, list[CityFault]]:
    """Return the plan of routes.yaml, and all that is wrong with it and its rosters: then it is partial.

    `areas` are the ids of the city's entities; None when they are not known.
    """
    sections = _sections(document)
    for item, location in sections.channels.placed:
        for message in channel_faults(item.url):
            sections.channels.add_fault((*location, "url"), message)
    check_references(sections, areas)
    faults: list[CityFault] = []
    contacts = tuple(_contact(one.item) for one in sections.contacts.placed)
    # Contacts with a fault are known, too: who names them in a roster makes no second fault.
    named = contacts + tuple(
        Contact(id=one, name=one) for one in sections.contacts.ids - {each.id for each in contacts}
    )
    rosters = read_rosters(folder, sections.teams, named, faults)
    watchdog = sections.watchdog
    plan = DutyPlan(
        channels=tuple(
            NotificationChannel(id=one.item.id, url=one.item.url) for one in sections.channels.placed
        ),
        contacts=contacts,
        teams=tuple(_team(one.item, rosters.get(one.item.roster or "", "")) for one in sections.teams.placed),
        policies=tuple(_policy(one.item) for one in sections.policies.placed),
        quiet_hours=tuple(_quiet_hours(one.item) for one in sections.quiet_hours.placed),
        routes=tuple(_route(one.item) for one in sections.routes.placed),
        watchdog=None if watchdog is None else (watchdog.channel, watchdog.address),
    )
    return plan, [*faults, *(fault for part in sections.all() for fault in part.faults)]


def _sections(document: YamlDocument) -> DutySections:
    rest: Items[WatchdogItem] = Items(document)
    watchdog = None
    data = document.data
    if not isinstance(data, dict):
        rest.add_fault(
            (), f"found {describe_value(data)}, expected a mapping with the keys {', '.join(KEYS)}"
        )
    else:
        for key in data:
            if key not in KEYS:
                rest.add_fault((key,), f"unknown key{suggestion(key, KEYS)}: expected {', '.join(KEYS)}")
        if data.get("watchdog") is not None:
            watchdog = validate_item(rest, ("watchdog",), data["watchdog"], WatchdogItem)
    return DutySections(
        channels=read_section(document, "channels", ChannelItem),
        contacts=read_section(document, "contacts", ContactItem),
        teams=read_section(document, "teams", TeamItem),
        policies=read_section(document, "policies", PolicyItem),
        quiet_hours=read_section(document, "quietHours", QuietHoursItem),
        routes=read_section(document, "routes", RouteItem),
        watchdog=watchdog,
        other=rest,
    )


def _contact(item: ContactItem) -> Contact:
    return Contact(id=item.id, name=item.name, language=item.language, addresses=item.addresses)


def _team(item: TeamItem, calendar: str) -> DutyTeam:
    return DutyTeam(id=item.id, name=item.name, members=tuple(item.members), calendar=calendar)


def _step(item: StepItem) -> EscalationStep:
    return EscalationStep(
        notify=item.notify, channels=tuple(item.channels), wait=item.wait, contact=item.contact or ""
    )


def _policy(item: PolicyItem) -> EscalationPolicy:
    return EscalationPolicy(
        id=item.id,
        steps=tuple(map(_step, item.steps)),
        group_wait=item.group_wait,
        group_interval=item.group_interval,
        repeat=item.repeat,
        remind=item.remind,
    )


def _quiet_hours(item: QuietHoursItem) -> QuietHours:
    intervals = tuple(one for times in item.times for one in _intervals(times))
    return QuietHours(up_to=severity_of(item.up_to), intervals=intervals)


def _intervals(item: QuietTimesItem) -> tuple[WeeklyInterval, ...]:
    """Return times as intervals within days: a night is two."""
    days = tuple(sorted({DAYS.index(one) for one in item.days or DAYS}))
    if item.start < item.until:
        return (WeeklyInterval(days, item.start, item.until),)
    following = tuple(sorted((day + 1) % len(DAYS) for day in days))
    night = (WeeklyInterval(days, item.start, MINUTES_OF_DAY), WeeklyInterval(following, 0, item.until))
    return tuple(one for one in night if one.start < one.end)


def _route(item: RouteItem) -> IncidentRoute:
    return IncidentRoute(
        severities=tuple(map(severity_of, item.severities or ())),
        themes=tuple(item.themes or ()),
        within=tuple(item.within or ()),
        causes=tuple(item.causes or ()),
        team=item.team,
        policy=item.policy,
    )
