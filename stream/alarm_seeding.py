"""Seeding the stage of alarms: what it knows at the beginning of a log, made of what was stored. Pure."""

from __future__ import annotations

from collections.abc import Callable

from stream.alarm_courses import begin_condition
from stream.alarms.alarm_content import PARTITION, AlarmContent
from stream.engine.stage import StageSeed
from twin.alarms.alarm import Alarm
from twin.alarms.evaluation.shared_dependency import dependency_of_alarm
from twin.alarms.incident import Incident
from twin.alarms.messages import DependencyOutage
from twin.alarms.rules.rule import OutageCondition
from twin.alarms.rules.rule_index import RuleIndex
from twin.model.city_model import CityModel


def seeded_alarm_contents(
    knowledge: StageSeed, bindings: RuleIndex, is_mine: Callable[[str], bool]
) -> dict[str, AlarmContent]:
    """Return the entities of a partition of which something is known, as they begin."""
    contents: dict[str, AlarmContent] = {}
    for event in knowledge.alarms:
        if is_mine(event.entity):
            content = contents.setdefault(event.entity, AlarmContent())
            content.alarms[event.alarm] = Alarm.from_event(event)
    for incident in knowledge.incidents:
        if is_mine(incident.area):
            content = contents.setdefault(incident.area, AlarmContent())
            content.incidents[incident.cause] = Incident.from_event(incident)
    contents[PARTITION] = AlarmContent(outages=_known_outages(knowledge, bindings.model))
    if knowledge.usual:
        _seed_baselines(contents, knowledge, bindings, is_mine)
    return contents


def _known_outages(knowledge: StageSeed, model: CityModel) -> dict[str, DependencyOutage]:
    """Return the supplies that are out, by their alarms: every partition knows them."""
    found: dict[str, DependencyOutage] = {}
    for event in knowledge.alarms:
        rule = model.rules.get(event.rule)
        if event.active and rule is not None and isinstance(rule.condition, OutageCondition):
            supply = dependency_of_alarm(rule.condition, event.entity, event.sensor)
            since = event.raised_time if event.raised_time is not None else event.time
            found[supply] = DependencyOutage(supply, since, event.alarm, event.revision, since)
    return found


def _seed_baselines(
    contents: dict[str, AlarmContent],
    knowledge: StageSeed,
    bindings: RuleIndex,
    is_mine: Callable[[str], bool],
) -> None:
    """Let the courses of rules that learn begin with what was usual."""
    for entity in filter(is_mine, bindings.model.entities):
        for bound in bindings.rules_of(entity).rules.values():
            known = knowledge.usual.get(bound.series[0]) if bound.uses_baseline else None
            if known is not None:
                content = contents.setdefault(entity, AlarmContent())
                content.model = bindings.model.version
                begin_condition(bound, content).baseline = known.copy()
