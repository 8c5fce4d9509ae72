"""Explanation: what an alarm follows from, in numbers and in a sentence of each language."""

from __future__ import annotations

from typing import NamedTuple

from twin.alarms.alarm import Explanation
from twin.alarms.binding import BoundRule
from twin.alarms.messages import SOURCES_MAX, OperandValue
from twin.alarms.operand import SIZES, Point, Series
from twin.alarms.progress import Shift
from twin.alarms.rule import Deviation, Rate, Text, Threshold, Worth
from twin.instant import HOUR, MINUTE, SECOND, Duration, format_instant
from twin.model import CityModel
from twin.names import named
from twin.quality import quality_word


def explain(shift: Shift, bound: BoundRule, model: CityModel) -> Explanation:
    """Return why a rule says what it says from a shift on."""
    judged = shift.judged
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

    shift: Shift
    bound: BoundRule
    operands: tuple[OperandValue, ...]
    name: str  #: of the entity
    crossing: float | None


def _operand(series: Series, point: Point, threshold: float | None, model: CityModel) -> OperandValue:
    what = named(series.name, model)
    return OperandValue(
        series.name,
        series.over,
        series.statistic,
        series.entity,
        point.value,
        what.unit if what is not None else "1",
        point.flags,
        point.time,
        SIZES[series.over],
        point.sources[:SOURCES_MAX],
        threshold,
    )


def _crossing(shift: Shift, bound: BoundRule) -> float | None:
    """Return the threshold that was passed, or, of a return, the one that it is clear of."""
    if not isinstance(bound.rule.condition, Threshold):
        return None
    if shift.severity:
        return next((one.raised for one in bound.terms.crossings if one.severity == shift.severity), None)
    return bound.terms.crossings[0].clear


_WORDS = {
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
    },
    "nl": {
        "above": "op of boven",
        "below": "op of onder",
        "again_above": "onder",
        "again_below": "boven",
        "is": "is",
        "for": "gedurende",
        "normal": "weer normaal",
        "since": "om",
        "true": "geldt",
        "false": "geldt niet meer",
        "rate": "verandert met",
        "deviation": "wijkt van het gebruikelijke af met",
        "quality": "heeft kwaliteit",
        "off": "op dit moment niet beoordeeld",
    },
}


def _sentence(language: str, said: _Said) -> str:
    words, rule, shift = _WORDS[language], said.bound.rule, said.shift
    ending = f" ({words['normal']})" if not shift.severity else ""
    what = _compared(words, said)
    delay = rule.on_delay if shift.severity else rule.off_delay
    lasting = f" {words['for']} {duration_words(delay)}" if delay else ""
    # Whole seconds: nobody reads further, and the event has the time as it is.
    when = f"{words['since']} {format_instant(shift.time - shift.time % SECOND)}"
    return f"{_in(rule.title, language)}, {said.name}{ending}: {what}{lasting}, {when}."


def _compared(words: dict[str, str], said: _Said) -> str:
    condition, shift, operands = said.bound.rule.condition, said.shift, said.operands
    if shift.judged.value is None:
        return words["off"]
    if not isinstance(condition, Threshold):
        values = ", ".join(f"{one.name} {number(one.value)} {one.unit}" for one in operands)
        return f"{getattr(condition, 'source', '')} {words['true' if shift.severity else 'false']} ({values})"
    one = operands[0]
    verb, value, unit = words["is"], shift.judged.value, one.unit
    match condition.transform:
        case Rate(per=per):
            verb, unit = words["rate"], f"{one.unit}/{duration_words(per)}"
        case Deviation(measure=measure):
            verb = words["deviation"]
            unit = {"absolute": one.unit, "percent": "%", "spread": "MAD"}[measure]
        case Worth():
            return f"{one.name} {words['quality']} {quality_word(one.flags)}"
        case None:
            pass
    unit = "" if unit == "1" else f" {unit}"
    place = words[condition.direction if shift.severity else f"again_{condition.direction}"]
    limit = f", {place} {number(said.crossing)}{unit}" if said.crossing is not None else ""
    return f"{one.name} {verb} {number(value)}{unit}{limit}"


def _in(text: Text, language: str) -> str:
    return text.nl if language == "nl" else text.en


def number(value: float) -> str:
    """Return a number as people write it: four digits that count.

    >>> number(0.123456), number(1234.5), number(-0.0), number(7.0)
    ('0.1235', '1234', '0', '7')
    """
    text = f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return "0" if text == "-0" else text


def duration_words(duration: Duration) -> str:
    """Return a duration as people write it.

    >>> [duration_words(one) for one in (HOUR, 90 * MINUTE, 30 * SECOND)]
    ['1 h', '90 min', '30 s']
    """
    for size, word in ((HOUR, "h"), (MINUTE, "min")):
        if duration and duration % size == 0:
            return f"{duration // size} {word}"
    return f"{duration / SECOND:g} s"
