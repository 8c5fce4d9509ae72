"""Binding: which rules concern which entities, and what each of them looks at there.

Built for each version of the model, entity by entity when it is first asked for. What an entity costs does
not grow with the number of rules that do not concern it: candidates are found by id, type, area, relation.
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
from twin.instant import Duration
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES, Entity
from twin.model.names import AREA_PREFIX
from twin.state.derived_state import required_inputs

_NO_TERMS = LevelConfig((), above=True, on_delay=0, off_delay=0)


@dataclass(frozen=True, slots=True, eq=False)
class BoundRule:
    """A rule on one entity."""

    rule: Rule
    entity: str
    series: tuple[OperandSeries, ...]  #: of each operand; empty for silences and outages
    level_config: LevelConfig
    timezone: str
    program: CompiledExpression | None = None
    fault: str = ""  #: why it cannot be evaluated here; then it is not

    @property
    def uses_baseline(self) -> bool:
        """Whether what is usual matters to the rule."""
        condition = self.rule.condition
        return isinstance(condition, ThresholdCondition) and isinstance(condition.transform, Deviation)

    def evaluate(self, values: Sequence[float]) -> bool:
        """Return what the rule's expression says of its operands; raise ExpressionError when it fails."""
        if self.program is None:
            raise ExpressionError(f"rule {self.rule.id} has no expression")
        return self.program.evaluate(values)

    def evaluate_many(self, columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return for each row of the operands' columns 1 for true, 0 for false and NaN for an error."""
        if self.program is None:
            raise ExpressionError(f"rule {self.rule.id} has no expression")
        return self.program.evaluate_many(columns)


@dataclass(frozen=True, slots=True)
class EntityRules:
    """What the alarms of one entity are evaluated from."""

    rules: Mapping[str, BoundRule]
    by_series: Mapping[OperandSeries, tuple[tuple[BoundRule, int], ...]]  #: with the number of the operand


@dataclass(slots=True, eq=False)
class RuleIndex:
    """The rules of one model, by entity."""

    model: CityModel
    _candidates: dict[tuple[str, str], list[Rule]] = field(init=False)
    _subjects: dict[str, EntityRules] = field(init=False, default_factory=dict)
    _programs: dict[str, CompiledExpression | str] = field(init=False, default_factory=dict)
    _abroad: dict[str, dict[OperandSeries, set[str]]] = field(init=False)
    _windows: dict[str, dict[tuple[str, Duration], tuple[OperandSeries, ...]]] = field(
        init=False, default_factory=dict
    )
    _instants: dict[tuple[str, str], OperandSeries | None] = field(init=False, default_factory=dict)
    _listens: bool = field(init=False)

    def __post_init__(self) -> None:
        self._candidates = defaultdict(list)
        for rule in self.model.rules.values():
            for key in _keys(rule.select):
                self._candidates[key].append(rule)
        self._abroad = self._find_abroad()
        self._listens = any(
            isinstance(rule.condition, SilenceCondition | OutageCondition)
            for rule in self.model.rules.values()
        )

    def rules_of(self, entity: str) -> EntityRules:
        """Return the rules of an entity; of one that the model does not know, none."""
        found = self._subjects.get(entity)
        if found is None:
            found = self._subjects[entity] = self._bound(self.model.entities.get(entity))
        return found

    def watching_entities(self, series: OperandSeries) -> list[str]:
        """Return the entities that have a rule which looks at a series, in order."""
        found = set(self._abroad.get(series.entity, {}).get(series, ()))
        if series in self.rules_of(series.entity).by_series:
            found.add(series.entity)
        return sorted(found)

    def watched_instant(self, entity: str, name: str) -> OperandSeries | None:
        """Return the series of a property or derived value as it is now; None when no rule looks at it."""
        key = entity, name
        if key not in self._instants:
            series = OperandSeries(entity, name, "instant", "value")
            listened = series in self.rules_of(entity).by_series or series in self._abroad.get(entity, {})
            self._instants[key] = series if listened else None
        return self._instants[key]

    @property
    def has_silence_rules(self) -> bool:
        """Whether any rule listens for silence."""
        return self._listens

    def watched_windows(self, entity: str, property: str, size: Duration) -> tuple[OperandSeries, ...]:
        """Return the series of closed windows of a property and size that rules look at."""
        found = self._windows.get(entity)
        if found is None:
            by_window: defaultdict[tuple[str, Duration], list[OperandSeries]] = defaultdict(list)
            for one in self.watched_series(entity):
                by_window[one.name, WINDOW_SIZES[one.over]].append(one)
            found = self._windows[entity] = {key: tuple(series) for key, series in by_window.items()}
        return found.get((property, size), ())

    def watched_series(self, entity: str) -> Iterator[OperandSeries]:
        """Yield every series of an entity that some rule looks at, its own or another's."""
        mine = self.rules_of(entity).by_series
        yield from (one for one in mine if one.entity == entity)
        yield from (one for one in self._abroad.get(entity, {}) if one not in mine)

    def _bound(self, entity: Entity | None) -> EntityRules:
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
        found = {rule.id: rule for key in keys for rule in self._candidates.get(key, ())}
        return [found[id] for id in sorted(found) if self.selects(found[id].select, entity)]

    def selects(self, select: EntitySelection, entity: Entity) -> bool:
        """Return whether a rule with this selection is for an entity."""
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
        """Return the entity's own id and those of the areas that it is in, from the nearest to the city."""
        found = [entity.id]
        while (parent := self.model.entities[found[-1]].parent) is not None and parent not in found:
            if parent not in self.model.entities:
                break
            found.append(parent)
        return found

    def _bind(self, rule: Rule, entity: Entity) -> BoundRule | None:
        """Return a rule on an entity; None where the entity has nothing that the rule looks at."""
        timezone = self.model.city.timezone
        if isinstance(rule.condition, SilenceCondition | OutageCondition):
            return BoundRule(rule, entity.id, (), _NO_TERMS, timezone)
        series = [self._series(one, entity) for one in operands_of(rule)]
        if any(one is None or not self._has(one) for one in series):
            return None
        found = tuple(one for one in series if one is not None)
        if isinstance(rule.condition, ExpressionCondition):
            program = self._program(rule.id, rule.condition)
            fault = program if isinstance(program, str) else ""
            terms = _terms(rule, (ResolvedLevel(rule.condition.severity, 1.0, 0.0),), above=True)
            return BoundRule(
                rule,
                entity.id,
                found,
                terms,
                timezone,
                program if isinstance(program, CompiledExpression) else None,
                fault,
            )
        crossings, fault = _crossings(rule.condition, entity)
        terms = _terms(rule, crossings, above=rule.condition.direction == "above")
        return BoundRule(rule, entity.id, found, terms, timezone, None, fault)

    def _program(self, rule: str, condition: ExpressionCondition) -> CompiledExpression | str:
        found = self._programs.get(rule)
        if found is None:
            try:
                found = CompiledExpression.from_condition(condition)
            except ExpressionError as error:
                found = str(error)
            self._programs[rule] = found
        return found

    def _series(self, operand: Operand, entity: Entity) -> OperandSeries | None:
        whose: str | None = entity.id
        name = operand.name
        if operand.whose == "area":
            whose = entity.id if entity.type in AREA_TYPES else entity.parent
            name = AREA_PREFIX + name if not name.startswith(AREA_PREFIX) else name
        elif operand.whose:
            whose = next((one.target for one in entity.relations if one.type == operand.whose), None)
        return OperandSeries(whose, name, operand.over, operand.statistic) if whose is not None else None

    def _has(self, series: OperandSeries) -> bool:
        entity = self.model.entities.get(series.entity)
        if entity is None:
            return False
        if series.name.startswith(AREA_PREFIX):
            return entity.type in AREA_TYPES
        observed = {one.property for one in self.model.datastreams_of(entity.id)}
        if series.name in observed:
            return True
        return any(one.name == series.name for one in required_inputs(observed, entity.attributes).indicators)

    def _find_abroad(self) -> dict[str, dict[OperandSeries, set[str]]]:
        """Return, by entity, its series that rules of others look at, and which entities those are."""
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
    """Return under which keys a rule is found: those of its most selective part."""
    if select.entities:
        return [("entity", one) for one in select.entities]
    if select.relation is not None:
        return [("relation", " ".join(select.relation))]
    if select.types:
        return [("type", one) for one in select.types]
    if select.within:
        return [("within", one) for one in select.within]
    return [("all", "")]


def _terms(rule: Rule, crossings: tuple[ResolvedLevel, ...], *, above: bool) -> LevelConfig:
    condition = rule.condition
    times = condition.times if isinstance(condition, ThresholdCondition) else None
    return LevelConfig(
        crossings,
        above,
        rule.on_delay,
        rule.off_delay,
        times.n if times is not None else 1,
        times.of if times is not None else 1,
    )


def _crossings(condition: ThresholdCondition, entity: Entity) -> tuple[tuple[ResolvedLevel, ...], str]:
    """Return the levels with what they are relative to resolved, and why that fails."""
    added, factor, fault = 0.0, 1.0, ""
    for name in (condition.relative_to, condition.share_of):
        if not name:
            continue
        value = entity.attributes.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            fault = f"attribute {name} of {entity.id} is {value!r}, expected a number"
        elif name == condition.relative_to:
            added = float(value)
        else:
            factor = float(value)
    return tuple(
        ResolvedLevel(int(one.severity), added + factor * one.raised, added + factor * one.clear)
        for one in condition.levels
    ), fault
