"""Rules of a city: read from rules.yaml or a request, with every fault of each of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cities.files.faults import CityError
from cities.files.items import Items, validate_item
from cities.files.yaml_document import Location, load_yaml
from cities.rules.city_checks import check_rules_in_city
from cities.rules.conditions import read_condition
from cities.rules.context import RuleContext
from cities.rules.faults import RuleFault, RuleFaults
from cities.rules.schema import RuleItem, SelectItem
from cities.rules.selection import read_schedule, read_selection
from twin.alarms.rules.rule import Rule
from twin.instant import INSTANT_MAX, INSTANT_MIN
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES

__all__ = ["RuleFault", "check_rules", "read_rule"]

RULES_MAX = 1_000
"""Rules of a city; each of them is looked for on every entity."""


def read_rule(document: Any, model: CityModel) -> Rule | tuple[RuleFault, ...]:
    """Return the rule that a document (a mapping, as JSON has it) is in a city, or everything wrong with it.

    The rule has version 0. Whether another rule of the city has its id is for the caller to know.
    """
    faults = RuleFaults()
    item = validate_item(faults, (), document, RuleItem)
    found = _beyond_layout(document, item, RuleContext.of(model), faults)
    if found is None:
        return faults.all
    return tuple(check_rules_in_city([found], model).get(found.id, [])) or found


def check_rules(items: Items[RuleItem], context: RuleContext) -> tuple[Rule, ...]:
    """Return the rules of a file, and add to the items' faults what their layout does not show."""
    by_place = {location: item for item, location in items.placed}
    rules: dict[str, Rule] = {}
    places: dict[str, tuple[str, int]] = {}
    for entry, location in items.entries:
        faults = RuleFaults()
        rule = _beyond_layout(entry, by_place.get(location), context, faults)
        for fault in faults.all:
            items.add_fault((*location, *fault.location), fault.message)
        if rule is not None:
            places.setdefault(rule.id, location)
            rules.setdefault(rule.id, rule)
    if len(items.entries) > RULES_MAX:
        items.add_fault(("rules",), f"found {len(items.entries)} rules, expected at most {RULES_MAX}")
    elif context.whole:
        for id, found in check_rules_in_city(rules.values(), context.model).items():
            for fault in found:
                items.add_fault((*places[id], *fault.location), fault.message)
    return tuple(rules.values())


def _beyond_layout(
    document: Any, item: RuleItem | None, context: RuleContext, faults: RuleFaults
) -> Rule | None:
    """Return the rule of a document; None, with faults, when it is none.

    `item` is None when its layout is wrong: that must not hide what else is.
    """
    entry = document if isinstance(document, dict) else {}
    select = _selection_item(entry) if item is None else item.select
    selection = read_selection(select, context, faults) if select is not None else None
    condition = read_condition(entry["when"], context, faults) if "when" in entry else None
    if item is None:
        return None
    schedule = read_schedule(item.schedule, faults)
    start = INSTANT_MIN if item.start is None else item.start
    end = INSTANT_MAX if item.end is None else item.end
    if end <= start:
        faults.add_fault(("end",), "expected a time after start")
    if item.incident_area not in AREA_TYPES:
        message = context.unknown_type(item.incident_area)
        if message is not None:
            faults.add_fault(("incidentArea",), message)
    if faults or condition is None or selection is None:
        return None
    return Rule(
        id=item.id,
        title=BilingualText(item.title.en, item.title.nl),
        theme=item.theme,
        condition=condition,
        select=selection,
        cause=item.cause or "",
        incident_area=item.incident_area,
        on_delay=item.on_delay,
        off_delay=item.off_delay,
        quality=item.quality,
        latching=item.latching,
        start=start,
        end=end,
        schedule=schedule,
        guidance=BilingualText(item.guidance.en, item.guidance.nl) if item.guidance is not None else None,
        enabled=item.enabled,
    )


def _selection_item(entry: Mapping[str, Any]) -> SelectItem | None:
    """Return the selection of a rule whose layout is wrong somewhere; None where it is wrong itself."""
    try:
        return SelectItem.model_validate(entry.get("select"))
    except ValidationError:
        return None


# One rule in a file of its own: the rule itself, or a rules.yaml that holds it.


def read_rule_file(path: Path, model: CityModel, id: str = "") -> Rule:
    """Return the rule of a file; of several that of an id. Raises CityError with every fault."""
    document, faults = load_yaml(path)
    if document is None or faults:
        raise CityError(faults)
    place: Location = ()
    item = document.data
    if isinstance(item, dict) and isinstance(item.get("rules"), list):
        known = [one.get("id") if isinstance(one, dict) else None for one in item["rules"]]
        wanted = [number for number, one in enumerate(known) if not id or one == id]
        if len(wanted) != 1:
            expected = f"one with the id {id}" if id else "one, or an id that says which"
            raise CityError(
                [document.fault_at(("rules",), f"found {len(wanted)} rules, expected {expected}")]
            )
        place, item = ("rules", wanted[0]), item["rules"][wanted[0]]
    rule = read_rule(item, model)
    if not isinstance(rule, Rule):
        raise CityError(document.fault_at((*place, *one.location), one.message) for one in rule)
    return rule
