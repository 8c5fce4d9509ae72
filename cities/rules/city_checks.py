"""Checks of rules against the whole city: the entities they match, and what they can watch there.

A rule that watches nothing is refused, since its silence would go unnoticed.
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

# Neighbours are mutual; every other relation must not lead back.
DIRECTED = frozenset(RELATION_TYPES) - {"adjacentTo"}


def check_rules_in_city(rules: Iterable[Rule], model: CityModel) -> Mapping[str, list[RuleFault]]:
    """Return, by rule id, the faults of rules that are not in the model yet."""
    checked = {rule.id: rule for rule in rules}
    bindings = RuleIndex(replace(model, rules=checked))
    watching = _Watching(checked, bindings)
    found: defaultdict[str, list[RuleFault]] = defaultdict(list)
    for entity in model.entities.values():
        for bound in bindings.rules_of(entity.id).rules.values():
            watching.add(bound, entity)
    for id, rule in checked.items():
        found[id].extend(watching.faults(rule))
    return {id: faults for id, faults in found.items() if faults}


class _Watching:
    """What the rules watch in the city."""

    def __init__(self, rules: Mapping[str, Rule], bindings: RuleIndex) -> None:
        self._bindings = bindings
        self._model = bindings.model
        self._supplies = SharedDependencies(self._model)
        self._watches: set[str] = set()
        self._unusable: dict[str, dict[str, None]] = {id: {} for id in rules}
        self._cycles: dict[str, str] = {}

    def add(self, bound: BoundRule, entity: Entity) -> None:
        """Add a rule on an entity."""
        rule = bound.rule
        if bound.fault:
            self._unusable[rule.id][bound.fault] = None
        if rule.id not in self._watches and self._has_something(rule, entity):
            self._watches.add(rule.id)
        for operand in operands_of(rule):
            if operand.whose in DIRECTED and rule.id not in self._cycles:
                cycle = self._cycle(entity.id, operand.whose)
                if cycle is not None:
                    self._cycles[rule.id] = f"{operand.whose} leads back to where it began: {cycle}"

    def _has_something(self, rule: Rule, entity: Entity) -> bool:
        match rule.condition:
            case SilenceCondition() as silence:
                return any(True for _ in monitored_sensors(entity.id, silence, self._model))
            case OutageCondition() as outage:
                return bool(self._supplies.of_entity(entity.id, outage))
            case _:
                return True

    def _cycle(self, start: str, relation: str) -> str | None:
        """Return the cycle that a relation leads into from an entity, or None."""
        chain = [start]
        while (entity := self._model.entities.get(chain[-1])) is not None:
            target = next((one.target for one in entity.relations if one.type == relation), None)
            if target is None:
                return None
            if target in chain:
                return " > ".join([*chain[chain.index(target) :], target])
            chain.append(target)
        return None

    def faults(self, rule: Rule) -> Iterator[RuleFault]:
        """Yield the faults of a rule, after all entities were added."""
        unusable = list(self._unusable[rule.id])
        if unusable:
            more = len(unusable) - EXAMPLES_MAX
            rest = f"; and {more} more" if more > 0 else ""
            yield RuleFault(("when",), "; ".join(unusable[:EXAMPLES_MAX]) + rest)
        if rule.id in self._cycles:
            yield RuleFault(("when",), f"circular relation: {self._cycles[rule.id]}")
        if rule.enabled and rule.id not in self._watches:
            yield self._watches_nothing(rule)

    def _watches_nothing(self, rule: Rule) -> RuleFault:
        selected = [one for one in self._model.entities.values() if self._bindings.selects(rule.select, one)]
        if not selected:
            return RuleFault(("select",), "no entity of this city is all of this: the rule watches nothing")
        names = ", ".join(one.id for one in selected[:EXAMPLES_MAX])
        more = f" and {len(selected) - EXAMPLES_MAX} more" if len(selected) > EXAMPLES_MAX else ""
        match rule.condition:
            case SilenceCondition():
                lacking = "has a sensor that it could listen to"
            case OutageCondition(supply="feed"):
                lacking = "is the city, which has the alarms of feeds"
            case OutageCondition(supply=supply):
                lacking = f"is the {supply} of a sensor"
            case _:
                lacking = "has " + " and ".join(str(one) for one in operands_of(rule))
        reasons = [text for one in selected for text in self._bindings.reasons_of_absence(rule, one)]
        why = f"; {reasons[0]}" if reasons else ""
        return RuleFault(("select",), f"the rule watches nothing: none of {names}{more} {lacking}{why}")
