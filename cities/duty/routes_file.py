"""routes.yaml and the rosters that it names: the duty plan of a city, read, cross-checked and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cities.duration import format_duration
from cities.duty.items import (
    POLICY_MAX,
    ChannelItem,
    ContactItem,
    PolicyItem,
    QuietHoursItem,
    RouteItem,
    StormItem,
    TeamItem,
    WatchdogItem,
    roster_file,
)
from cities.duty.roster_calendar import CALENDAR_BYTES_MAX, calendar_faults
from cities.duty.urls import channel_faults, roster_url_faults
from cities.duty.webhook_faults import webhook_faults
from cities.files.faults import CityFault, describe_value
from cities.files.items import Items, read_section, suggestion, validate_item
from cities.files.yaml_document import Location, YamlDocument
from cities.model.entities import ReferenceCheck
from twin.model.duty import PUSH_URL, Contact, DutyPlan, StormLimit

KEYS = ("channels", "contacts", "teams", "policies", "quietHours", "routes", "watchdog", "storm")


def read_duty(
    document: YamlDocument, folder: Path, areas: frozenset[str] | None
) -> tuple[DutyPlan, list[CityFault]]:
    """Return the plan of routes.yaml and the faults of it and its rosters; with faults it is partial.

    `areas` are the ids of the city's entities; None if they are unknown.
    """
    sections = _sections(document)
    for item, location in sections.channels.placed:
        if (item.url is None) == (item.webhook is None):
            sections.channels.add_fault(location, "expected one of the keys url and webhook")
        for message in () if item.url is None else channel_faults(item.url):
            sections.channels.add_fault((*location, "url"), message)
        for message in () if item.webhook is None else webhook_faults(item.webhook.read()):
            sections.channels.add_fault((*location, "webhook"), message)
    for team, location in sections.teams.placed:
        for message in roster_url_faults(team.roster_url) if team.roster_url else ():
            sections.teams.add_fault((*location, "rosterUrl"), message)
    check_references(sections, areas)
    faults: list[CityFault] = []
    contacts = tuple(contact.item.read() for contact in sections.contacts.placed)
    # Contacts with a fault are known, too: their name in a roster is no second fault.
    faulty = sections.contacts.ids - {contact.id for contact in contacts}
    named = contacts + tuple(Contact(id=id, name=id) for id in faulty)
    rosters = read_rosters(folder, sections.teams, named, faults)
    watchdog = sections.watchdog
    plan = DutyPlan(
        channels=tuple(channel.item.read() for channel in sections.channels.placed),
        contacts=contacts,
        teams=tuple(
            team.item.read(rosters.get(team.item.roster or "", "")) for team in sections.teams.placed
        ),
        policies=tuple(policy.item.read() for policy in sections.policies.placed),
        quiet_hours=tuple(quiet_hours.item.read() for quiet_hours in sections.quiet_hours.placed),
        routes=tuple(route.item.read() for route in sections.routes.placed),
        watchdog=None if watchdog is None else (watchdog.channel, watchdog.address),
        storm=StormLimit() if sections.storm is None else sections.storm.read(),
    )
    return plan, [*faults, *(fault for part in sections.all() for fault in part.faults)]


def routes_document(plan: DutyPlan) -> dict[str, Any]:
    """Return the content of routes.yaml; empty without a plan. Overrides of the roster are not part of it."""
    content: dict[str, Any] = {
        "channels": [ChannelItem.write(channel).document() for channel in plan.channels],
        "contacts": [ContactItem.write(contact).document() for contact in plan.contacts],
        "teams": [TeamItem.write(team).document() for team in plan.teams],
        "policies": [PolicyItem.write(policy).document() for policy in plan.policies],
        "quietHours": [QuietHoursItem.write(quiet_hours).document() for quiet_hours in plan.quiet_hours],
        "routes": [RouteItem.write(route).document() for route in plan.routes],
    }
    if plan.watchdog is not None:
        channel, address = plan.watchdog
        content["watchdog"] = WatchdogItem.of(channel=channel, address=address).document()
    content["storm"] = StormItem.write(plan.storm).document()
    return {key: value for key, value in content.items() if value}


def roster_files(plan: DutyPlan) -> dict[str, str]:
    """Return the rosters, each as the text that was read, by file name."""
    return {roster_file(team): team.calendar for team in plan.teams if team.calendar}


def _sections(document: YamlDocument) -> DutySections:
    rest: Items[Any] = Items(document)
    watchdog, storm = None, None
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
        if data.get("storm") is not None:
            storm = validate_item(rest, ("storm",), data["storm"], StormItem)
    return DutySections(
        channels=read_section(document, "channels", ChannelItem),
        contacts=read_section(document, "contacts", ContactItem),
        teams=read_section(document, "teams", TeamItem),
        policies=read_section(document, "policies", PolicyItem),
        quiet_hours=read_section(document, "quietHours", QuietHoursItem),
        routes=read_section(document, "routes", RouteItem),
        watchdog=watchdog,
        storm=storm,
        other=rest,
    )


@dataclass(frozen=True, slots=True)
class DutySections:
    """The sections of routes.yaml."""

    channels: Items[ChannelItem]
    contacts: Items[ContactItem]
    teams: Items[TeamItem]
    policies: Items[PolicyItem]
    quiet_hours: Items[QuietHoursItem]
    routes: Items[RouteItem]
    watchdog: WatchdogItem | None
    storm: StormItem | None
    other: Items[Any]  #: the faults of the watchdog, of the storm limit and of the file itself

    def all(self) -> tuple[Items[Any], ...]:
        """Return every section."""
        return (
            self.channels, self.contacts, self.teams, self.policies, self.quiet_hours, self.routes, self.other
        )  # fmt: skip


def check_references(sections: DutySections, areas: frozenset[str] | None) -> None:
    """Add the faults between the sections; `areas` are the city's entities, if known."""
    channels = ReferenceCheck("id of a channel", sections.channels.ids)
    contacts = ReferenceCheck("id of a contact", sections.contacts.ids)
    teams = ReferenceCheck("id of a team", sections.teams.ids)
    policies = ReferenceCheck("id of a policy", sections.policies.ids)
    within = ReferenceCheck("id of an entity", areas) if areas is not None else None
    for entry, location in sections.contacts.entries:
        addresses = entry.get("addresses")
        for name in addresses if isinstance(addresses, dict) else ():
            _refer(sections.contacts, (*location, "addresses", name), name, channels)
    for index, message in sections.contacts.duplicates("name", lambda one: one.name.casefold()):
        sections.contacts.add_fault(("contacts", index, "name"), message)
    for entry, location in sections.teams.entries:
        _refer_all(sections.teams, (*location, "members"), entry.get("members"), contacts)
        if isinstance(hand_over := entry.get("handOver"), dict):
            _refer_all(
                sections.teams, (*location, "handOver", "channels"), hand_over.get("channels"), channels
            )
    for entry, location in sections.policies.entries:
        steps = entry.get("steps")
        for number, step in enumerate(steps if isinstance(steps, list) else ()):
            if isinstance(step, dict):
                step_location = (*location, "steps", number)
                _refer_all(sections.policies, (*step_location, "channels"), step.get("channels"), channels)
                _refer(sections.policies, (*step_location, "contact"), step.get("contact"), contacts)
    for entry, location in sections.routes.entries:
        _refer(sections.routes, (*location, "team"), entry.get("team"), teams)
        _refer(sections.routes, (*location, "policy"), entry.get("policy"), policies)
        if within is not None:
            _refer_all(sections.routes, (*location, "within"), entry.get("within"), within)
    _check_watchdog(sections, channels)
    _check_policies(sections.policies)
    _check_reach(sections)
    _check_covered(sections.routes)


def _check_watchdog(sections: DutySections, channels: ReferenceCheck) -> None:
    if sections.watchdog is not None:
        _refer(sections.other, ("watchdog", "channel"), sections.watchdog.channel, channels)
        if sections.watchdog.channel in _with_address(sections) and not sections.watchdog.address:
            sections.other.add_fault(("watchdog", "address"), "key is missing: this channel needs an address")
        if sections.watchdog.channel in _to_browsers(sections):
            sections.other.add_fault(
                ("watchdog", "channel"),
                f"found a channel to {PUSH_URL}, which reaches contacts only; expected one with an address",
            )


def _refer(items: Items[Any], location: Location, name: Any, references: ReferenceCheck) -> None:
    if isinstance(name, str) and (message := references.fault(name)):
        items.add_fault(location, message)


def _refer_all(items: Items[Any], location: Location, names: Any, references: ReferenceCheck) -> None:
    for index, name in enumerate(names if isinstance(names, list) else ()):
        _refer(items, (*location, index), name, references)


def _check_policies(policies: Items[PolicyItem]) -> None:
    for item, location in policies.placed:
        for number, step in enumerate(item.steps):
            if (step.contact is None) == (step.notify == "contact"):
                expected = (
                    "key is missing" if step.contact is None else "expected it with notify: contact only"
                )
                policies.add_fault((*location, "steps", number, "contact"), expected)
        lasts = sum(step.wait for step in item.steps) * (item.repeat + 1)
        if lasts > POLICY_MAX:
            policies.add_fault(
                (*location, "repeat"),
                f"found {item.repeat}, with which the steps take {format_duration(lasts)}, "
                f"expected at most {format_duration(POLICY_MAX)}",
            )


def _check_reach(sections: DutySections) -> None:
    """Report each step and hand-over to contacts over a channel for which they have no address."""
    for policy, location in sections.policies.placed:
        members = _members(policy.id, sections)
        for number, step in enumerate(policy.steps):
            notified = {step.contact} if step.notify == "contact" else members
            for index, message in _without_address(sections, notified, step.channels):
                place = (*location, "steps", number, "channels", index)
                sections.policies.add_fault(place, message)
    for team, location in sections.teams.placed:
        channels = [] if team.hand_over is None else team.hand_over.channels
        for index, message in _without_address(sections, team.members, channels):
            sections.teams.add_fault((*location, "handOver", "channels", index), message)


def _to_browsers(sections: DutySections) -> set[str]:
    return {one.item.id for one in sections.channels.placed if one.item.url == PUSH_URL}


def _with_address(sections: DutySections) -> set[str]:
    """Return the channels on which a contact needs an address."""
    return {one.item.id for one in sections.channels.placed if one.item.read().needs_address}


def _without_address(
    sections: DutySections, notified: Iterable[str | None], channels: Iterable[str]
) -> Iterator[tuple[int, str]]:
    """Yield a fault for each channel for which some of the contacts have no address, with its index."""
    with_address = _with_address(sections)
    contacts = {one.item.id: one.item for one in sections.contacts.placed}
    for index, channel in enumerate(channels):
        without = sorted(
            contact
            for contact in set(notified)
            if contact in contacts and channel not in contacts[contact].addresses
        )
        if channel in with_address and without:
            yield (
                index,
                f"notifies {', '.join(map(repr, without))} over {channel!r}, expected an address there",
            )


def _members(policy: str, sections: DutySections) -> set[str | None]:
    teams = {one.item.team for one in sections.routes.placed if one.item.policy == policy}
    return {name for one in sections.teams.placed if one.item.id in teams for name in one.item.members}


def _check_covered(routes: Items[RouteItem]) -> None:
    """Report each route that never matches, because an earlier one matches everything that it does."""
    for index, route in enumerate(routes.placed):
        earlier = next((other for other in routes.placed[:index] if other.item.covers(route.item)), None)
        if earlier is not None and routes.document is not None:
            line = routes.document.line(earlier.location)
            routes.add_fault(
                route.location, f"never matches: the route in line {line} matches everything that it does"
            )


def read_rosters(
    folder: Path, teams: Items[TeamItem], contacts: Iterable[Contact], faults: list[CityFault]
) -> Mapping[str, str]:
    """Return the text of each file that a team names; add the faults of the files to `faults`."""
    by_id = {contact.id: contact for contact in contacts}
    members: dict[str, list[Contact]] = {}
    for item, _ in teams.placed:
        found = members.setdefault(item.roster or "", [])
        found += [by_id[id] for id in item.members if id in by_id]
    texts: dict[str, str] = {}
    for item, location in teams.placed:
        if item.roster is None or item.roster in texts:
            continue
        path = folder / item.roster
        if not path.is_file():
            teams.add_fault(
                (*location, "roster"), f"found no file {item.roster}, expected it beside routes.yaml"
            )
            continue
        text, wrong = _text(path)
        texts[item.roster] = text
        calendar = calendar_faults(text, members[item.roster])
        wrong += [CityFault(str(path), one.line, "", one.message) for one in calendar]
        # For an unreadable file only the first fault has the cause.
        faults.extend(wrong[:1] if not text else wrong)
    named = {one.get("roster") for one, _ in teams.entries}
    for path in sorted(folder.glob("roster*.ics")):
        if path.name not in named:
            faults.append(CityFault(str(path), 1, "", "no team of routes.yaml has this roster"))
    return texts


def _text(path: Path) -> tuple[str, list[CityFault]]:
    """Return the text with its own line ends, so that it is written back unchanged."""
    try:
        if path.stat().st_size > CALENDAR_BYTES_MAX:
            message = f"file is too large: expected at most {CALENDAR_BYTES_MAX} bytes"
            return "", [CityFault(str(path), 1, "", message)]
        return path.read_bytes().decode("utf-8-sig"), []
    except OSError as error:
        return "", [CityFault(str(path), 1, "", f"file cannot be read: {error.strerror}")]
    except UnicodeDecodeError:
        return "", [CityFault(str(path), 1, "", "text is not UTF-8")]
