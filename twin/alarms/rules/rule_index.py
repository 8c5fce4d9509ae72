"""The rule index: which rules apply to which entities, and which series each of them looks at.

It is built for each version of the model, entity by entity at the first look-up. The cost of an entity does
not grow with the number of rules for others: candidates are found by id, type, area and relation.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.alarms.evaluation.level_state import LevelConfig, ResolvedLevel
from twin.alarms.rules.expression import CompiledExpression, ExpressionError
from twin.alarms.rules.operand import WINDOW_SIZES, Operand, OperandSeries
from twin.alarms.rules.rule import (
    Deviation,
    EntitySelection,
    ExpressionCondition,
    OutageCondition,
    Rule,
    SilenceCondition,
    ThresholdCondition,
    operands_of,
)
from twin.alarms.rules.series_existence import NOT_OBSERVED, why_absent
from twin.instant import Duration
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES, Entity
from twin.model.names import AREA_PREFIX

_NO_LEVELS = LevelConfig((), above=True, on_delay=0, off_delay=0)


@dataclass(frozen=True, slots=True, eq=False)
class BoundRule:
    """A rule on one entity."""

    rule: Rule
    entity: str
    series: tuple[OperandSeries, ...]  #: the series of each operand; empty for silences and outages
    level_config: LevelConfig
    timezone: str
    expression: CompiledExpression | None = None
    fault: str = ""  #: why the rule cannot be evaluated on this entity; empty: it can

    @property
    def uses_baseline(self) -> bool:
        """Whether the rule compares with a baseline."""
        condition = self.rule.condition
        return isinstance(condition, ThresholdCondition) and isinstance(condition.transform, Deviation)

    @property
    def compares_values(self) -> bool:
        """Whether the rule compares the values of one series as they are, at any time of day."""
        condition = self.rule.condition
        return (
            isinstance(condition, ThresholdCondition)
            and condition.transform is None
            and self.rule.schedule is None
        )

    def evaluate(self, values: Sequence[float]) -> bool:
        """Return the result of the rule's expression for its operands. Raises ExpressionError if it fails."""
        if self.expression is None:
            raise ExpressionError(f"rule {self.rule.id} has no expression")
        return self.expression.evaluate(values)

    def evaluate_many(self, columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return for each row of the operands' columns 1 for true, 0 for false and NaN for an error."""
        if self.expression is None:
            raise ExpressionError(f"rule {self.rule.id} has no expression")
        return self.expression.evaluate_many(columns)


@dataclass(frozen=True, slots=True)
class EntityRules:
    """The rules of one entity."""

    rules: Mapping[str, BoundRule]
    #: the rules on a series, each with the number of its operand
    by_series: Mapping[OperandSeries, tuple[tuple[BoundRule, int], ...]]


@dataclass(slots=True, eq=False)
class RuleIndex:
    """The rules of one model, by entity."""

    model: CityModel
    _candidates: dict[tuple[str, str], list[Rule]] = field(init=False)
    _entity_rules: dict[str, EntityRules] = field(init=False, default_factory=dict)
    _expressions: dict[str, CompiledExpression | str] = field(init=False, default_factory=dict)
    _foreign: dict[str, dict[OperandSeries, set[str]]] = field(init=False)
    _windows: dict[str, dict[tuple[str, Duration], tuple[OperandSeries, ...]]] = field(
        init=False, default_factory=dict
    )
    _instants: dict[tuple[str, str], OperandSeries | None] = field(init=False, default_factory=dict)
    _has_silence_rules: bool = field(init=False)

    def __post_init__(self) -> None:
        self._candidates = defaultdict(list)
        for rule in self.model.rules.values():
            for key in _keys(rule.select):
                self._candidates[key].append(rule)
        self._foreign = self._foreign_series()
        self._has_silence_rules = any(
            isinstance(rule.condition, SilenceCondition | OutageCondition)
            for rule in self.model.rules.values()
        )

    def rules_of(self, entity: str) -> EntityRules:
        """Return the rules of an entity; none for an unknown entity."""
        rules = self._entity_rules.get(entity)
        if rules is None:
            rules = self._entity_rules[entity] = self._bind_all(self.model.entities.get(entity))
        return rules

    def watching_entities(self, series: OperandSeries) -> list[str]:
        """Return the entities that have a rule on a series, sorted."""
        found = set(self._foreign.get(series.entity, {}).get(series, ()))
        if series in self.rules_of(series.entity).by_series:
            found.add(series.entity)
        return sorted(found)

    def watched_instant(self, entity: str, name: str) -> OperandSeries | None:
        """Return the series of current values of a property or derived value; None if no rule looks at it."""
        key = entity, name
        try:
            return self._instants[key]
        except KeyError:
            series = OperandSeries(entity, name, "instant", "value")
            watched = series in self.rules_of(entity).by_series or series in self._foreign.get(entity, {})
            found = self._instants[key] = series if watched else None
            return found

    @property
    def has_silence_rules(self) -> bool:
        """Whether any rule is about silences or outages."""
        return self._has_silence_rules

    def watched_windows(self, entity: str, property: str, size: Duration) -> tuple[OperandSeries, ...]:
        """Return the series of closed windows of a property and size that rules look at."""
        by_size = self._windows.get(entity)
        if by_size is None:
            by_window: defaultdict[tuple[str, Duration], list[OperandSeries]] = defaultdict(list)
            for series in self.watched_series(entity):
                by_window[series.name, WINDOW_SIZES[series.over]].append(series)
            by_size = self._windows[entity] = {key: tuple(series) for key, series in by_window.items()}
        return by_size.get((property, size), ())

    def watched_series(self, entity: str) -> Iterator[OperandSeries]:
        """Yield every series of an entity that a rule looks at, the entity's own rules first."""
        own = self.rules_of(entity).by_series
        yield from (one for one in own if one.entity == entity)
        yield from (one for one in self._foreign.get(entity, {}) if one not in own)

    def _bind_all(self, entity: Entity | None) -> EntityRules:
        rules: dict[str, BoundRule] = {}
        by_series: defaultdict[OperandSeries, list[tuple[BoundRule, int]]] = defaultdict(list)
        if entity is not None:
            for rule in self._rules_for(entity):
                bound = self._bind(rule, entity)
                if bound is not None:
                    rules[rule.id] = bound
                    for number, series in enumerate(bound.series):
                        by_series[series].append((bound, number))
        return EntityRules(rules, {series: tuple(found) for series, found in by_series.items()})

    def _rules_for(self, entity: Entity) -> list[Rule]:
        keys = [("all", ""), ("entity", entity.id), ("type", entity.type)]
        keys += [("relation", f"{one.type} {one.target}") for one in entity.relations]
        keys += [("within", area) for area in self.ancestors(entity)]
        rules = {rule.id: rule for key in keys for rule in self._candidates.get(key, ())}
        return [rules[id] for id in sorted(rules) if self.selects(rules[id].select, entity)]

    def selects(self, select: EntitySelection, entity: Entity) -> bool:
        """Return whether a selection matches an entity."""
        return (
            (not select.types or entity.type in select.types)
            and (not select.entities or entity.id in select.entities)
            and (not select.within or any(area in select.within for area in self.ancestors(entity)))
            and (
                select.relation is None
                or any((one.type, one.target) == select.relation for one in entity.relations)
            )
        )

    def ancestors(self, entity: Entity) -> list[str]:
        """Return the entity's own id and those of the areas around it, from the nearest to the city."""
        return list(self.model.around(entity.id))

    def _bind(self, rule: Rule, entity: Entity) -> BoundRule | None:
        """Return a rule on an entity; None if the entity lacks a series that the rule looks at."""
        timezone = self.model.city.timezone
        if isinstance(rule.condition, SilenceCondition | OutageCondition):
            return BoundRule(rule, entity.id, (), _NO_LEVELS, timezone)
        series = [self._series(one, entity) for one in operands_of(rule)]
        if any(one is None or why_absent(one, self.model) for one in series):
            return None
        found = tuple(one for one in series if one is not None)
        if isinstance(rule.condition, ExpressionCondition):
            expression = self._expression(rule.id, rule.condition)
            fault = expression if isinstance(expression, str) else ""
            config = _level_config(rule, (ResolvedLevel(rule.condition.severity, 1.0, 0.0),), above=True)
            return BoundRule(
                rule,
                entity.id,
                found,
                config,
                timezone,
                expression if isinstance(expression, CompiledExpression) else None,
                fault,
            )
        levels, fault = _resolved_levels(rule.condition, entity)
        config = _level_config(rule, levels, above=rule.condition.direction == "above")
        return BoundRule(rule, entity.id, found, config, timezone, None, fault)

    def reasons_of_absence(self, rule: Rule, entity: Entity) -> list[str]:
        """Return, for each operand that never has a value on an entity, the operand and the reason."""
        found = []
        for operand in operands_of(rule):
            series = self._series(operand, entity)
            reason = why_absent(series, self.model) if series is not None else ""
            if reason and reason != NOT_OBSERVED:
                found.append(f"{operand} of {entity.id} never has a value: {reason}")
        return found

    def _expression(self, rule: str, condition: ExpressionCondition) -> CompiledExpression | str:
        expression = self._expressions.get(rule)
        if expression is None:
            try:
                expression = CompiledExpression.from_condition(condition)
            except ExpressionError as error:
                expression = str(error)
            self._expressions[rule] = expression
        return expression

    def _series(self, operand: Operand, entity: Entity) -> OperandSeries | None:
        owner: str | None = entity.id
        name = operand.name
        if operand.whose == "area":
            owner = entity.id if entity.type in AREA_TYPES else entity.parent
            name = AREA_PREFIX + name if not name.startswith(AREA_PREFIX) else name
        elif operand.whose:
            owner = next((one.target for one in entity.relations if one.type == operand.whose), None)
        return OperandSeries(owner, name, operand.over, operand.statistic) if owner is not None else None

    def _foreign_series(self) -> dict[str, dict[OperandSeries, set[str]]]:
        """Return, by entity, the series that rules of other entities look at, and those entities."""
        found: defaultdict[str, dict[OperandSeries, set[str]]] = defaultdict(dict)
        rules = [rule for rule in self.model.rules.values() if any(one.whose for one in operands_of(rule))]
        if not rules:
            return {}
        for entity in self.model.entities.values():
            for bound in self.rules_of(entity.id).rules.values():
                for series in bound.series:
                    if series.entity != entity.id:
                        found[series.entity].setdefault(series, set()).add(entity.id)
        return dict(found)


def _keys(select: EntitySelection) -> list[tuple[str, str]]:
    """Return the index keys of a selection: those of its most selective part."""
    if select.entities:
        return [("entity", one) for one in select.entities]
    if select.relation is not None:
        return [("relation", " ".join(select.relation))]
    if select.types:
        return [("type", one) for one in select.types]
    if select.within:
        return [("within", one) for one in select.within]
    return [("all", "")]


def _level_config(rule: Rule, levels: tuple[ResolvedLevel, ...], *, above: bool) -> LevelConfig:
    condition = rule.condition
    n_of_m = condition.times if isinstance(condition, ThresholdCondition) else None
    return LevelConfig(
        levels,
        above,
        rule.on_delay,
        rule.off_delay,
        n_of_m.n if n_of_m is not None else 1,
        n_of_m.of if n_of_m is not None else 1,
    )


def _resolved_levels(condition: ThresholdCondition, entity: Entity) -> tuple[tuple[ResolvedLevel, ...], str]:
    """Return the levels with their relative values resolved, and why that fails."""
    summand, factor, fault = 0.0, 1.0, ""
    for name in (condition.relative_to, condition.share_of):
        if not name:
            continue
        value = entity.attributes.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            fault = f"attribute {name} of {entity.id} is {value!r}, expected a number"
        elif name == condition.relative_to:
            summand = float(value)
        else:
            factor = float(value)
    return tuple(
        ResolvedLevel(int(level.severity), summand + factor * level.raised, summand + factor * level.clear)
        for level in condition.levels
    ), fault
