"""Rules against the whole city: what each of them is for, what it looks at there, and where that leads.

A rule that watches nothing is refused: nobody would notice that it never speaks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from cities.rules.faults import RuleFault
from twin.alarms.evaluation.shared_dependency import SharedDependencies
from twin.alarms.evaluation.silence import monitored_sensors
from twin.alarms.rules.rule import OutageCondition, Rule, SilenceCondition, operands_of
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.model.city_model import CityModel
from twin.model.entity import RELATION_TYPES, Entity

EXAMPLES_MAX = 3
"""Entities that a fault names; the others are counted."""

# Neighbours are each other's neighbours; of the others none may lead back.
DIRECTED = frozenset(RELATION_TYPES) - {"adjacentTo"}


def check_rules_in_city(rules: Iterable[Rule], model: CityModel) -> Mapping[str, list[RuleFault]]:
    """Return, by id of the rule, what is wrong with rules in their city; they are not yet in the model."""
    checked = {rule.id: rule for rule in rules}
    bindings = RuleIndex(replace(model, rules=checked))
    watching = _Watching(checked, bindings)
    found: defaultdict[str, list[RuleFault]] = defaultdict(list)
    for entity in model.entities.values():
        for bound in bindings.rules_of(entity.id).rules.values():
            watching.take(bound, entity)
    for id, rule in checked.items():
        found[id].extend(watching.faults(rule))
    return {id: faults for id, faults in found.items() if faults}


class _Watching:
    """What rules turned out to watch."""

    def __init__(self, rules: Mapping[str, Rule], bindings: RuleIndex) -> None:
        self._bindings = bindings
        self._model = bindings.model
        self._supplies = SharedDependencies(self._model)
        self._watches: set[str] = set()
        self._unusable: dict[str, dict[str, None]] = {id: {} for id in rules}
        self._circles: dict[str, str] = {}

    def take(self, bound: BoundRule, entity: Entity) -> None:
        """Take in a rule on an entity."""
        rule = bound.rule
        if bound.fault:
            self._unusable[rule.id][bound.fault] = None
        if rule.id not in self._watches and self._has_something(rule, entity):
            self._watches.add(rule.id)
        for one in operands_of(rule):
            if one.whose in DIRECTED and rule.id not in self._circles:
                circle = self._circle(entity.id, one.whose)
                if circle is not None:
                    self._circles[rule.id] = f"{one.whose} leads back to where it began: {circle}"

    def _has_something(self, rule: Rule, entity: Entity) -> bool:
        match rule.condition:
            case SilenceCondition() as silence:
                return any(True for _ in monitored_sensors(entity.id, silence, self._model))
            case OutageCondition() as outage:
                return bool(self._supplies.of_entity(entity.id, outage))
            case _:
                return True

    def _circle(self, start: str, relation: str) -> str | None:
        """Return the circle that a relation leads into from an entity, or None."""
        chain = [start]
        while (entity := self._model.entities.get(chain[-1])) is not None:
            following = next((one.target for one in entity.relations if one.type == relation), None)
            if following is None:
                return None
            if following in chain:
                return " > ".join([*chain[chain.index(following) :], following])
            chain.append(following)
        return None

    def faults(self, rule: Rule) -> Iterator[RuleFault]:
        """Yield what is wrong with a rule, once all entities were taken in."""
        unusable = list(self._unusable[rule.id])
        if unusable:
            more = len(unusable) - EXAMPLES_MAX
            rest = f"; and {more} more" if more > 0 else ""
            yield RuleFault(("when",), "; ".join(unusable[:EXAMPLES_MAX]) + rest)
        if rule.id in self._circles:
            yield RuleFault(("when",), f"circular relation: {self._circles[rule.id]}")
        if rule.enabled and rule.id not in self._watches:
            yield self._idle(rule)

    def _idle(self, rule: Rule) -> RuleFault:
        selected = [one for one in self._model.entities.values() if self._bindings.selects(rule.select, one)]
        if not selected:
            return RuleFault(("select",), "no entity of this city is all of this: the rule watches nothing")
        names = ", ".join(one.id for one in selected[:EXAMPLES_MAX])
        more = f" and {len(selected) - EXAMPLES_MAX} more" if len(selected) > EXAMPLES_MAX else ""
        match rule.condition:
            case SilenceCondition():
                lacking = "has a sensor that it could listen to"
            case OutageCondition(supply="feed"):
                lacking = "is the city, which feeds are told on"
            case OutageCondition(supply=supply):
                lacking = f"is the {supply} of a sensor"
            case _:
                lacking = "has " + " and ".join(str(one) for one in operands_of(rule))
        return RuleFault(("select",), f"the rule watches nothing: none of {names}{more} {lacking}")
