"""routes.yaml cross-checked: who and what is referred to, who cannot be reached, and what never counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cities.duration import format_duration
from cities.duty.channel_url import needs_address
from cities.duty.schema import (
    POLICY_MAX,
    ChannelItem,
    ContactItem,
    PolicyItem,
    QuietHoursItem,
    RouteItem,
    TeamItem,
    WatchdogItem,
)
from cities.files.items import Items
from cities.files.yaml_document import Location
from cities.model.entities import ReferenceCheck


@dataclass(frozen=True, slots=True)
class DutySections:
    """The parts of routes.yaml."""

    channels: Items[ChannelItem]
    contacts: Items[ContactItem]
    teams: Items[TeamItem]
    policies: Items[PolicyItem]
    quiet_hours: Items[QuietHoursItem]
    routes: Items[RouteItem]
    watchdog: WatchdogItem | None
    other: Items[WatchdogItem]  #: what is wrong with the watchdog and with the file itself

    def all(self) -> tuple[Items[Any], ...]:
        """Return every part, for its faults."""
        return (
            self.channels, self.contacts, self.teams, self.policies, self.quiet_hours, self.routes, self.other
        )  # fmt: skip


def check_references(sections: DutySections, areas: frozenset[str] | None) -> None:
    """Add to the parts' faults what only shows between them; `areas` are the city's entities, if known."""
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
    for entry, location in sections.policies.entries:
        steps = entry.get("steps")
        for number, step in enumerate(steps if isinstance(steps, list) else ()):
            if isinstance(step, dict):
                place = (*location, "steps", number)
                _refer_all(sections.policies, (*place, "channels"), step.get("channels"), channels)
                _refer(sections.policies, (*place, "contact"), step.get("contact"), contacts)
    for entry, location in sections.routes.entries:
        _refer(sections.routes, (*location, "team"), entry.get("team"), teams)
        _refer(sections.routes, (*location, "policy"), entry.get("policy"), policies)
        if within is not None:
            _refer_all(sections.routes, (*location, "within"), entry.get("within"), within)
    if sections.watchdog is not None:
        _refer(sections.other, ("watchdog", "channel"), sections.watchdog.channel, channels)
        urls = {one.item.id: one.item.url for one in sections.channels.placed}
        if needs_address(urls.get(sections.watchdog.channel, "")) and not sections.watchdog.address:
            sections.other.add_fault(("watchdog", "address"), "key is missing: this channel needs an address")
    _check_policies(sections.policies)
    _check_reach(sections)
    _check_covered(sections.routes)


def _refer(items: Items[Any], location: Location, name: Any, known: ReferenceCheck) -> None:
    if isinstance(name, str) and (message := known.fault(name)):
        items.add_fault(location, message)


def _refer_all(items: Items[Any], location: Location, names: Any, known: ReferenceCheck) -> None:
    for index, name in enumerate(names if isinstance(names, list) else ()):
        _refer(items, (*location, index), name, known)


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
    """Tell each step that tells somebody over a channel on which this contact has no address."""
    needing = {one.item.id for one in sections.channels.placed if needs_address(one.item.url)}
    contacts = {one.item.id: one.item for one in sections.contacts.placed}
    for item, location in sections.policies.placed:
        members = _members(item.id, sections)
        for number, step in enumerate(item.steps):
            told = {step.contact} if step.notify == "contact" else members
            for place, channel in enumerate(step.channels):
                without = sorted(
                    one for one in told if one in contacts and channel not in contacts[one].addresses
                )
                if channel in needing and without:
                    sections.policies.add_fault(
                        (*location, "steps", number, "channels", place),
                        f"tells {', '.join(map(repr, without))} over {channel!r}, expected an address there",
                    )


def _members(policy: str, sections: DutySections) -> set[str | None]:
    teams = {one.item.team for one in sections.routes.placed if one.item.policy == policy}
    return {name for one in sections.teams.placed if one.item.id in teams for name in one.item.members}


def _check_covered(routes: Items[RouteItem]) -> None:
    """Tell each route that never counts, because everything that fits it fits an earlier one."""
    for index, one in enumerate(routes.placed):
        earlier = next((each for each in routes.placed[:index] if _covers(each.item, one.item)), None)
        if earlier is not None and routes.document is not None:
            line = routes.document.line(earlier.location)
            routes.add_fault(
                one.location, f"never counts: everything that fits it fits the route in line {line}"
            )


def _covers(first: RouteItem, second: RouteItem) -> bool:
    pairs: Iterator[tuple[Iterable[str] | None, Iterable[str] | None]] = iter(
        (
            (first.severities, second.severities),
            (first.themes, second.themes),
            (first.within, second.within),
            (first.causes, second.causes),
        )
    )
    return all(wide is None or (narrow is not None and set(narrow) <= set(wide)) for wide, narrow in pairs)
