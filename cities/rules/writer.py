"""A rule as people write it: in rules.yaml and in the API. `cities.rules.reader` reads it back as it was."""

from __future__ import annotations

from typing import Any, TypeAlias

from cities.duration import format_duration
from cities.rules.conditions import WORTHS
from cities.rules.context import RuleContext
from cities.rules.operands import write_over, write_statistic
from cities.rules.selection import DAYS, write_clock
from twin.alarms.rules.expression import expression_name
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    Condition,
    Deviation,
    EntitySelection,
    ExpressionCondition,
    OutageCondition,
    QualityRank,
    Rate,
    Rule,
    SilenceCondition,
    ThresholdCondition,
)
from twin.alarms.rules.schedule import MINUTES_OF_DAY, WeeklyInterval
from twin.alarms.severity import Severity
from twin.instant import INSTANT_MAX, INSTANT_MIN, format_instant
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel

Document: TypeAlias = dict[str, Any]


def rule_document(rule: Rule, model: CityModel) -> Document:
    """Return a rule as a mapping of what JSON can say; what is usual is left out.

    Thresholds are in canonical units, each with its unit where the city still knows it.
    """
    document: Document = {"id": rule.id, "title": _text(rule.title), "theme": rule.theme}
    document["select"] = _selection(rule.select)
    document["when"] = _condition(rule.condition, model)
    if rule.cause:
        document["cause"] = rule.cause
    if rule.incident_area != "District":
        document["incidentArea"] = rule.incident_area
    if rule.on_delay:
        document["onDelay"] = format_duration(rule.on_delay)
    if rule.off_delay:
        document["offDelay"] = format_duration(rule.off_delay)
    if rule.quality != "good":
        document["quality"] = rule.quality
    if rule.latching:
        document["latching"] = True
    if rule.start != INSTANT_MIN:
        document["start"] = format_instant(rule.start)
    if rule.end != INSTANT_MAX:
        document["end"] = format_instant(rule.end)
    if rule.schedule is not None:
        document["schedule"] = [_interval(one) for one in rule.schedule.intervals]
    if rule.guidance is not None:
        document["guidance"] = _text(rule.guidance)
    if not rule.enabled:
        document["enabled"] = False
    return document


def _text(text: BilingualText) -> Document:
    return {"en": text.en, "nl": text.nl}


def _selection(select: EntitySelection) -> Document:
    document: Document = {
        key: list(values)
        for key, values in (
            ("types", select.types),
            ("within", select.within),
            ("entities", select.entities),
        )
        if values
    }
    if select.relation is not None:
        document["relation"] = {"type": select.relation[0], "target": select.relation[1]}
    return document


def _interval(interval: WeeklyInterval) -> Document:
    document: Document = {}
    if len(interval.days) < len(DAYS):
        document["days"] = [DAYS[day] for day in interval.days]
    if interval.start:
        document["from"] = write_clock(interval.start)
    if interval.end != MINUTES_OF_DAY:
        document["until"] = write_clock(interval.end)
    return document


def _condition(condition: Condition, model: CityModel) -> Document:
    match condition:
        case ThresholdCondition():
            return _threshold(condition, model)
        case ExpressionCondition(source=source, severity=severity):
            over = {expression_name(one): write_over(one.over) for one in condition.operands}
            said = {name: length for name, length in over.items() if length is not None}
            return {
                "expression": source,
                "severity": severity.word,
                **({"over": said} if said else {}),
            }
        case SilenceCondition():
            silent: Document = {"intervals": condition.intervals}
            if condition.after:
                silent["after"] = format_duration(condition.after)
            if condition.properties:
                silent["properties"] = list(condition.properties)
            return {"silent": silent, "severity": condition.severity.word}
        case OutageCondition():
            return {
                "outage": condition.supply,
                "severity": condition.severity.word,
                "reportsMissed": condition.reports_missed,
                "sensorsMin": condition.sensors_min,
            }


def _threshold(threshold: ThresholdCondition, model: CityModel) -> Document:
    operand, transform = threshold.operand, threshold.transform
    named = RuleContext.of(model).named(operand.name)
    unit: Document = {"unit": named.unit} if named is not None else {}
    name = expression_name(operand)
    match transform:
        case None:
            document: Document = {"value": name, **_relative(threshold, unit)}
        case Rate(per=per, span=span):
            document = {
                "rateOf": name,
                "per": format_duration(per),
                "span": format_duration(span),
                **unit,
            }
        case Deviation(measure="absolute"):
            document = {"deviationOf": name, "in": named.unit if named is not None else "1"}
        case Deviation(measure=measure):
            document = {"deviationOf": name, "in": measure}
        case QualityRank():
            return {"qualityOf": name, **_windows(operand), **_worth(threshold), **_times(threshold)}
    document.update(_windows(operand))
    document[threshold.direction] = _by_severity({one.severity: one.raised for one in threshold.levels})
    if any(one.clear != one.raised for one in threshold.levels):
        document["clear"] = _by_severity({one.severity: one.clear for one in threshold.levels})
    return {**document, **_times(threshold)}


def _relative(threshold: ThresholdCondition, unit: Document) -> Document:
    document = dict(unit)
    if threshold.relative_to:
        document["relativeTo"] = threshold.relative_to
    if threshold.share_of:
        document["shareOf"] = threshold.share_of
        document["unit"] = "1"
    return document


def _windows(operand: Operand) -> Document:
    document: Document = {}
    if (over := write_over(operand.over)) is not None:
        document["over"] = over
    if (statistic := write_statistic(operand.statistic)) is not None:
        document["statistic"] = statistic
    return document


def _worth(threshold: ThresholdCondition) -> Document:
    return {"worseThan": {one.severity.word: WORTHS[int(one.clear)] for one in threshold.levels}}


def _by_severity(values: dict[Severity, float]) -> dict[str, float]:
    return {severity.word: value for severity, value in values.items()}


def _times(threshold: ThresholdCondition) -> Document:
    times = threshold.times
    return {} if times is None else {"times": f"{times.n} of {times.of}"}
