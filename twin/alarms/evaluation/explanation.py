"""Explanation: what an alarm follows from, in numbers and in a sentence of each language."""

from __future__ import annotations

from typing import NamedTuple

from twin.alarms.alarm import Explanation
from twin.alarms.evaluation.level_state import SeverityChange
from twin.alarms.messages import SOURCES_MAX, OperandValue
from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries, Point
from twin.alarms.rules.rule import Deviation, QualityRank, Rate, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule
from twin.instant import Instant
from twin.model.bilingual_text import BilingualText, Language
from twin.model.city_model import CityModel
from twin.model.localization import (
    display_name,
    format_duration,
    format_local_time,
    format_quantity,
)
from twin.model.names import resolve_name
from twin.quality.quality_flags import quality_word


def explain(shift: SeverityChange, bound: BoundRule, model: CityModel) -> Explanation:
    """Return why a rule says what it says from a shift on."""
    judged = shift.condition
    crossing = _crossing(shift, bound)
    operands = tuple(
        _operand(series, point, crossing if len(bound.series) == 1 else None, model)
        for series, point in zip(bound.series, judged.points, strict=False)
    )
    entity = model.entities.get(bound.entity)
    name = entity.name if entity is not None else bound.entity
    said = _Said(shift, bound, operands, name, crossing)
    return Explanation(operands, _sentence("en", said), _sentence("nl", said))


class _Said(NamedTuple):
    """What a sentence is made of."""

    shift: SeverityChange
    bound: BoundRule
    operands: tuple[OperandValue, ...]
    name: str  #: of the entity
    crossing: float | None


def _operand(series: OperandSeries, point: Point, threshold: float | None, model: CityModel) -> OperandValue:
    what = resolve_name(series.name, model)
    return OperandValue(
        series.name,
        series.over,
        series.statistic,
        series.entity,
        point.value,
        what.unit if what is not None else "1",
        point.flags,
        point.time,
        WINDOW_SIZES[series.over],
        point.sources[:SOURCES_MAX],
        threshold,
    )


def _crossing(shift: SeverityChange, bound: BoundRule) -> float | None:
    """Return the threshold that was passed, or, of a return, the one that it is clear of."""
    if not isinstance(bound.rule.condition, ThresholdCondition):
        return None
    if shift.severity:
        return next((one.raised for one in bound.level_config.levels if one.severity == shift.severity), None)
    return bound.level_config.levels[0].clear


_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "above": "at or above",
        "below": "at or below",
        "again_above": "below",
        "again_below": "above",
        "is": "is",
        "for": "for",
        "normal": "normal again",
        "since": "at",
        "true": "holds",
        "false": "does not hold any more",
        "rate": "changes by",
        "deviation": "differs from what is usual by",
        "quality": "has quality",
        "off": "not judged at this time",
        "per": "a",
        "minimum": "least",
        "maximum": "greatest",
    },
    "nl": {
        "above": "op of boven",
        "below": "op of onder",
        "again_above": "onder",
        "again_below": "boven",
        "is": "is",
        "for": "gedurende",
        "normal": "weer normaal",
        "since": "op",
        "true": "geldt",
        "false": "geldt niet meer",
        "rate": "verandert met",
        "deviation": "wijkt van het gebruikelijke af met",
        "quality": "heeft kwaliteit",
        "off": "op dit moment niet beoordeeld",
        "per": "per",
        "minimum": "laagste",
        "maximum": "hoogste",
    },
}


def _sentence(language: Language, said: _Said) -> str:
    words, rule, shift = _WORDS[language], said.bound.rule, said.shift
    ending = f" ({words['normal']})" if not shift.severity else ""
    what = _compared(language, said)
    delay = rule.on_delay if shift.severity else rule.off_delay
    lasting = f" {words['for']} {format_duration(delay)}" if delay else ""
    when = f"{words['since']} {format_local_time(shift.time, said.bound.timezone, language)}"
    return f"{rule.title.in_language(language)}, {said.name}{ending}: {what}{lasting}, {when}."


def _compared(language: Language, said: _Said) -> str:
    words = _WORDS[language]
    condition, shift, operands = said.bound.rule.condition, said.shift, said.operands
    if shift.condition.value is None:
        return words["off"]
    if not isinstance(condition, ThresholdCondition):
        values = ", ".join(
            f"{_what(one, language)} {format_quantity(one.value, one.unit, language)}" for one in operands
        )
        return f"{getattr(condition, 'source', '')} {words['true' if shift.severity else 'false']} ({values})"
    one = operands[0]
    verb, value, unit, per = words["is"], shift.condition.value, one.unit, ""
    match condition.transform:
        case Rate(per=length):
            verb, per = words["rate"], f" {words['per']} {format_duration(length).removeprefix('1 ')}"
        case Deviation(measure=measure):
            verb = words["deviation"]
            unit = {"absolute": one.unit, "percent": "%", "spread": "MAD"}[measure]
        case QualityRank():
            return f"{_what(one, language)} {words['quality']} {quality_word(one.flags)}"
        case None:
            pass
    place = words[condition.direction if shift.severity else f"again_{condition.direction}"]
    limit = (
        f", {place} {format_quantity(said.crossing, unit, language)}{per}"
        if said.crossing is not None
        else ""
    )
    return f"{_what(one, language)} {verb} {format_quantity(value, unit, language)}{per}{limit}"


def _what(operand: OperandValue, language: Language) -> str:
    """Return what is judged: the value, or what a closed window says of it."""
    name = display_name(operand.name, language)
    if operand.over == "instant":
        return name
    statistic = f"{_WORDS[language][operand.statistic]} " if operand.statistic != "value" else ""
    return f"{statistic}{name} ({format_duration(operand.window)})"


# Sentences about what does not come.


def silence_sentence(
    title: BilingualText, name: str, sensor: str, since: tuple[Instant, str], *, returned: bool
) -> tuple[str, str]:
    """Return in English and Dutch that a sensor is silent, or speaks again; `since` has the time zone.

    >>> when = 0, "Europe/Amsterdam"
    >>> silence_sentence(BilingualText("Silent", "Stil"), "Overdie", "aq-1", when, returned=False)[1]
    'Stil, Overdie: niets nieuws van aq-1 sinds 1 januari 1970 om 01:00.'
    """
    en, nl = format_local_time(*since, "en"), format_local_time(*since, "nl")
    if returned:
        return (
            f"{title.en}, {name} (normal again): {sensor} was heard at {en}.",
            f"{title.nl}, {name} (weer normaal): {sensor} is gehoord op {nl}.",
        )
    return (
        f"{title.en}, {name}: nothing new from {sensor} since {en}.",
        f"{title.nl}, {name}: niets nieuws van {sensor} sinds {nl}.",
    )


def outage_sentence(
    title: BilingualText, name: str, supply: tuple[str, int], since: tuple[Instant, str], *, returned: bool
) -> tuple[str, str]:
    """Return in English and Dutch that nothing comes through a supply (name, count of sensors), or again.

    >>> when = 0, "Europe/Amsterdam"
    >>> outage_sentence(BilingualText("Out", "Uit"), "Mast", ("gateway:mast", 9), when, returned=False)[0]
    'Out, Mast: nothing from any of its 9 sensors since 01:00 on 1 January 1970.'
    >>> outage_sentence(BilingualText("Out", "Uit"), "Town", ("feed:ttn", 9), when, returned=False)[1]
    'Uit, Town: niets van de 9 sensoren van feed ttn sinds 1 januari 1970 om 01:00.'
    """
    kind, _, id = supply[0].partition(":")
    count = supply[1]
    en, nl = format_local_time(*since, "en"), format_local_time(*since, "nl")
    is_feed = kind == "feed"
    if returned:
        feed_en, feed_nl = (f" of feed {id}", f" van feed {id}") if is_feed else ("", "")
        return (
            f"{title.en}, {name} (normal again): something came from its sensors{feed_en} at {en}.",
            f"{title.nl}, {name} (weer normaal): er kwam iets van zijn sensoren{feed_nl} op {nl}.",
        )
    of_en, of_nl = (
        (f"the {count} sensors of feed {id}", f"de {count} sensoren van feed {id}")
        if is_feed
        else (f"its {count} sensors", f"zijn {count} sensoren")
    )
    return (
        f"{title.en}, {name}: nothing from any of {of_en} since {en}.",
        f"{title.nl}, {name}: niets van {of_nl} sinds {nl}.",
    )
