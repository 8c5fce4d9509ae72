"""One rule in a file of its own: the rule itself, or a rules.yaml that holds it."""

from __future__ import annotations

from pathlib import Path

from cities.files.faults import CityError
from cities.files.yaml_document import Location, load_yaml
from cities.rules.reader import read_rule
from twin.alarms.rules.rule import Rule
from twin.model.city_model import CityModel


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
