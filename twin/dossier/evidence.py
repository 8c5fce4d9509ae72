"""What an alarm rests on: the datastreams whose messages decide it, and what is taken as it was stored.

A dossier holds the raw messages of a bounded time. Values that follow from them alone are computed again; a
value over a whole area, over households or over a long time is an input, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from twin.alarms.evaluation.shared_dependency import SharedDependencies, dependency_of_alarm
from twin.alarms.messages import AlarmEvent
from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries
from twin.alarms.rules.rule import RULE_ERROR_ID, OutageCondition, Rule, SilenceCondition
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.backtest.condition_history import warm_up
from twin.indicators.registry import REGISTRY
from twin.instant import HOUR, Duration
from twin.model.city_model import CityModel
from twin.model.duty import NO_DUTY_PLAN
from twin.model.sensor import Datastream
from twin.state.derived_points import indicator_window, property_intervals

T = TypeVar("T")

INPUT_HISTORY_MAX: Duration = 6 * HOUR
"""An indicator that looks further back is an input: the messages of a day and more would be needed."""

SILENCE_LEAD: Duration = HOUR
"""Time before a silence whose messages show that the sensor reported."""


class StoredInput(NamedTuple):
    """A series that is not computed again, and why."""

    series: OperandSeries
    reason: str


@dataclass(slots=True)
class Evidence:
    """What one alarm rests on, by a model and the version of its rule that decided."""

    model: CityModel  #: with that version of the rule alone
    bound: BoundRule | None  #: None: the rule is not one for the entity
    datastreams: set[int] = field(default_factory=set)  #: whose raw messages are needed
    inputs: list[StoredInput] = field(default_factory=list)
    lead: Duration = HOUR  #: how long before the occurrence messages are needed
    withheld: list[str] = field(
        default_factory=list
    )  #: sensors of households: their messages are in no dossier


def rule_of(event: AlarmEvent) -> str:
    """Return the id of the rule that decided about an alarm; of a rule that failed that one."""
    return event.sensor if event.rule == RULE_ERROR_ID else event.rule


def evidence_of(event: AlarmEvent, rule: Rule, model: CityModel) -> Evidence:
    """Return what an alarm rests on; `event` is any of its events, `model` that of the time."""
    model = replace(model, rules={rule.id: rule}, withdrawn_rules={}, duty=NO_DUTY_PLAN)
    bound = RuleIndex(model).rules_of(event.entity).rules.get(rule.id)
    evidence = Evidence(model, bound)
    if bound is None:
        return evidence
    condition = rule.condition
    if isinstance(condition, SilenceCondition | OutageCondition):
        _add_sensors(evidence, event, condition)
        return evidence
    reach = 0
    for series in bound.series:
        reason, history = _add_series(evidence, series)
        reach = max(reach, history)
        if reason:
            evidence.inputs.append(StoredInput(series, reason))
    evidence.lead = warm_up(bound, model) + reach
    return evidence


def _add_sensors(
    evidence: Evidence, event: AlarmEvent, condition: SilenceCondition | OutageCondition
) -> None:
    model = evidence.model
    if isinstance(condition, SilenceCondition):
        ids = {event.sensor}
        reports = condition.intervals
    else:
        dependency = dependency_of_alarm(condition, event.entity, event.sensor)
        ids = set(SharedDependencies(model).dependent_sensors(dependency))
        reports = condition.reports_missed
    sensors = [model.sensors[id] for id in sorted(ids) if id in model.sensors]
    longest = max((sensor.interval for sensor in sensors), default=0)
    after = condition.after if isinstance(condition, SilenceCondition) else 0
    evidence.lead = SILENCE_LEAD + max(int((reports + 2) * longest), after + 2 * longest)
    for sensor in sensors:
        if sensor.personal:
            evidence.withheld.append(sensor.id)
    _add(evidence, (one for one in model.datastreams.values() if one.sensor in ids))


def _add_series(evidence: Evidence, series: OperandSeries) -> tuple[str, Duration]:
    """Add the datastreams of a series; return why messages do not give it, and how far it reaches back."""
    model = evidence.model
    if series.name in model.properties:
        datastreams = list(model.datastreams_of(series.entity, series.name))
        if any(model.policy_of(one).personal for one in datastreams):
            return "a sum over households: their messages are personal data", 0
        _add(evidence, datastreams)
        return "", WINDOW_SIZES[series.over]
    indicator = REGISTRY.get(series.name)
    if indicator is None:
        return "a value over an area: it follows from the messages of all its entities", 0
    intervals = property_intervals(series.entity, model)
    inputs = [one for one in indicator.inputs if one.property in intervals]
    history = max([indicator_window(indicator, intervals), *(one.history for one in inputs)])
    if history > INPUT_HISTORY_MAX:
        return (
            f"it reaches back {history // HOUR} hours, a dossier has messages of {INPUT_HISTORY_MAX // HOUR}",
            0,
        )
    datastreams = [one for input in inputs for one in model.datastreams_of(series.entity, input.property)]
    if any(model.policy_of(one).personal for one in datastreams):
        return "it is computed from sums over households: their messages are personal data", 0
    _add(evidence, datastreams)
    return "", history


def _add(evidence: Evidence, datastreams: Iterable[Datastream]) -> None:
    personal = {id for id, sensor in evidence.model.sensors.items() if sensor.personal}
    evidence.datastreams |= {one.id for one in datastreams if one.sensor not in personal}


def reduced_model(evidence: Evidence, entity: str) -> CityModel:
    """Return the part of a model that an alarm depends on."""
    model, bound = evidence.model, evidence.bound
    index = RuleIndex(model)
    sources = {model.datastreams[id].entity for id in evidence.datastreams}
    sources |= {series.entity for series in bound.series} if bound is not None else set()
    entities = set()
    for id in (entity, *sources):
        found = model.entities.get(id)
        entities |= set(index.ancestors(found)) if found is not None else set()
    sensors = {model.datastreams[id].sensor for id in evidence.datastreams}
    datastreams = {
        id: one for id, one in model.datastreams.items() if one.sensor in sensors and one.entity in entities
    }
    entities |= {model.sensors[id].entity for id in sensors if id in model.sensors}
    properties = {one.property for one in datastreams.values()}
    properties |= {series.name for series in bound.series} if bound is not None else set()
    return CityModel(
        version=model.version,
        city=model.city,
        entities=_part(model.entities, entities),
        sensors=_part(model.sensors, sensors),
        datastreams=dict(sorted(datastreams.items())),
        properties=_part(model.properties, properties),
        feeds=model.feeds,
        calibrations=tuple(one for one in model.calibrations if one.sensor in sensors),
        maintenance=tuple(one for one in model.maintenance if one.sensor in sensors),
        maintenance_windows={
            window.id: window for one in datastreams.values() for window in model.windows_of(one)
        },
        rules=model.rules,
        rule_authors=_part(model.rule_authors, set(model.rules)),
    )


def _part(items: Mapping[str, T], kept: Iterable[str]) -> dict[str, T]:
    return {id: items[id] for id in sorted(kept) if id in items}
