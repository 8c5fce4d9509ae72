"""Explanations of alarms: the values behind a change, and a sentence in each language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from twin.alarms.alarm import Explanation
from twin.alarms.evaluation.level_state import LevelConfig, SeverityChange
from twin.alarms.messages import SOURCES_MAX, OperandValue
from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries, Point
from twin.alarms.rules.rule import Deviation, QualityRank, Rate, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule
from twin.instant import Instant
from twin.model.bilingual_text import BilingualText, Language
from twin.model.city_model import CityModel
from twin.model.localization import (
    DIGITS,
    display_name,
    format_duration,
    format_local_time,
    format_number,
    format_quantity,
)
from twin.model.names import resolve_name
from twin.quality.quality_flags import quality_word

DIGITS_MAX = 17
"""With as many significant digits every two different numbers differ in their text."""


def explain(change: SeverityChange, bound: BoundRule, model: CityModel) -> Explanation:
    """Return the values and sentences that explain a change of severity."""
    condition = change.condition
    threshold = _threshold(change, bound)
    operands = tuple(
        _operand(series, point, threshold if len(bound.series) == 1 else None, model)
        for series, point in zip(bound.series, condition.points, strict=False)
    )
    entity = model.entities.get(bound.entity)
    name = entity.name if entity is not None else bound.entity
    context = _SentenceContext(change, bound, operands, name, threshold)
    return Explanation(operands, _sentence("en", context), _sentence("nl", context))


class _SentenceContext(NamedTuple):
    """The contents of a sentence."""

    change: SeverityChange
    bound: BoundRule
    operands: tuple[OperandValue, ...]
    name: str  #: name of the entity
    threshold: float | None


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


def _threshold(change: SeverityChange, bound: BoundRule) -> float | None:
    """Return the threshold that was passed, or, for a return, the value at which it is clear."""
    if not isinstance(bound.rule.condition, ThresholdCondition):
        return None
    if change.severity:
        return next(
            (level.raised for level in bound.level_config.levels if level.severity == change.severity), None
        )
    return bound.level_config.levels[0].clear


_PHRASES: dict[Language, dict[str, str]] = {
    "en": {
        "above": "at or above",
        "below": "at or below",
        "is": "is",
        "for": "for",
        "normal": "normal again",
        "eased": "less severe",
        "still": "still {limit}",
        "not yet": "not yet {limit}",
        "of": "at least {n} of the last {of} values {limit}",
        "not judged": "not judged any more",
        "since": "at",
        "condition": "the condition",
        "true": "holds",
        "false": "does not hold any more",
        "rate": "changes by",
        "deviation": "differs from what is usual by",
        "quality": "has quality",
        "off": "the rule does not count at this time",
        "per": "a",
        "minimum": "least",
        "maximum": "greatest",
    },
    "nl": {
        "above": "op of boven",
        "below": "op of onder",
        "is": "is",
        "for": "gedurende",
        "normal": "weer normaal",
        "eased": "minder ernstig",
        "still": "nog steeds {limit}",
        "not yet": "nog niet {limit}",
        "of": "minstens {n} van de laatste {of} waarden {limit}",
        "not judged": "niet meer beoordeeld",
        "since": "op",
        "condition": "de voorwaarde",
        "true": "geldt",
        "false": "geldt niet meer",
        "rate": "verandert met",
        "deviation": "wijkt van het gebruikelijke af met",
        "quality": "heeft kwaliteit",
        "off": "de regel geldt op dit moment niet",
        "per": "per",
        "minimum": "laagste",
        "maximum": "hoogste",
    },
}


def _sentence(language: Language, context: _SentenceContext) -> str:
    terms, rule, change = _PHRASES[language], context.bound.rule, context.change
    when = f"{terms['since']} {format_local_time(change.time, context.bound.timezone, language)}"
    return (
        f"{rule.title.in_language(language)}, {context.name}{_ending(language, change)}: "
        f"{_comparison(language, context)}, {when}."
    )


def _ending(language: Language, change: SeverityChange) -> str:
    """Return what became of the alarm, in parentheses; nothing where it was raised or became more severe."""
    terms = _PHRASES[language]
    if not change.severity:
        return f" ({terms['normal' if change.condition.value is not None else 'not judged']})"
    return f" ({terms['eased']})" if change.severity < change.before else ""


def _comparison(language: Language, context: _SentenceContext) -> str:
    terms = _PHRASES[language]
    rule, change, operands = context.bound.rule, context.change, context.operands
    condition = rule.condition
    delay = rule.on_delay if change.severity > change.before else rule.off_delay
    lasting = f" {terms['for']} {format_duration(delay)}" if delay else ""
    if change.condition.value is None:
        return terms["off"]
    if not isinstance(condition, ThresholdCondition):
        values = ", ".join(
            f"{_operand_text(operand, language)} {format_quantity(operand.value, operand.unit, language)}"
            for operand in operands
        )
        verb = terms["true" if change.severity else "false"]
        return f"{terms['condition']} {verb} ({values}){lasting}"
    operand = operands[0]
    verb, unit, per = terms["is"], operand.unit, ""
    match condition.transform:
        case Rate(per=length):
            verb, per = terms["rate"], f" {terms['per']} {format_duration(length).removeprefix('1 ')}"
        case Deviation(measure=measure):
            verb = terms["deviation"]
            unit = {"absolute": operand.unit, "percent": "%", "spread": "MAD"}[measure]
        case QualityRank():
            word = quality_word(operand.flags)
            return f"{_operand_text(operand, language)} {terms['quality']} {word}{lasting}"
        case None:
            pass
    bounds = _bounds(change, context.bound.level_config)
    digits = _digits(change.condition.value, bounds)

    def text(value: float) -> str:
        return format_quantity(value, unit, language, digits) + per

    statements = [text(change.condition.value)]
    for bound in bounds:
        phrase = f"{terms[bound.side]} {text(bound.limit)}"
        if bound.kind == "of":
            config = context.bound.level_config
            phrase = terms["of"].format(n=config.n, of=config.of, limit=phrase)
        elif bound.kind != "passed":
            phrase = terms[bound.kind].format(limit=phrase)
        statements.append(phrase + (lasting if bound.is_lasting else ""))
    return f"{_operand_text(operand, language)} {verb} {', '.join(statements)}"


class _Bound(NamedTuple):
    """A statement about the value of a change: on which side of a limit it is."""

    kind: Literal["passed", "still", "not yet", "of"]
    side: Literal["above", "below"]  #: for `not yet`, the side on which the value is not
    limit: float
    is_lasting: bool  #: whether it held throughout the delay of the change


def _bounds(change: SeverityChange, config: LevelConfig) -> list[_Bound]:
    """Return the statements that are true of a change, whatever transition it is.

    A severity that eases says which value let it ease, and why the alarm is not over: within the distance
    between a level's two values, the value is neither beyond the level nor clear of it.
    """
    value = change.condition.value
    assert value is not None  # noqa: S101 - the caller has checked it
    onward: Literal["above", "below"] = "above" if config.above else "below"
    back: Literal["above", "below"] = "below" if config.above else "above"

    def is_beyond(limit: float) -> bool:
        return value >= limit if config.above else value <= limit

    def is_clear(limit: float) -> bool:
        return value <= limit if config.above else value >= limit

    present = next((one for one in config.levels if one.severity == change.severity), None)
    if change.severity > change.before:
        if present is None:
            return []
        if config.of > 1:
            return [_Bound("of", onward, present.raised, is_lasting=True)]
        passed = _Bound("passed", onward, present.raised, is_lasting=True)
        return [passed] if is_beyond(present.raised) else []
    left = (one for one in config.levels if change.severity < one.severity <= change.before)
    bounds = [_Bound("passed", back, one.clear, is_lasting=True) for one in left if is_clear(one.clear)][:1]
    if present is not None and is_beyond(present.raised):
        bounds.append(_Bound("still", onward, present.raised, is_lasting=False))
    elif present is not None and not is_clear(present.clear):
        bounds.append(_Bound("not yet", back, present.clear, is_lasting=False))
    return bounds


def _digits(value: float, bounds: Sequence[_Bound]) -> int:
    """Return the fewest significant digits, at least `DIGITS`, with which the statements can be read as true.

    Rounding keeps "at or above" true, but may show a value that is not yet at a limit as equal to it.
    """
    limits = [one.limit for one in bounds if one.kind == "not yet"]
    for digits in range(DIGITS, DIGITS_MAX):
        shown = format_number(value, digits=digits)
        if all(shown != format_number(limit, digits=digits) for limit in limits):
            return digits
    return DIGITS_MAX


def _operand_text(operand: OperandValue, language: Language) -> str:
    """Return the name of an operand, with the statistic and the size of its window."""
    name = display_name(operand.name, language)
    if operand.over == "instant":
        return name
    statistic = f"{_PHRASES[language][operand.statistic]} " if operand.statistic != "value" else ""
    return f"{statistic}{name} ({format_duration(operand.window)})"


def silence_sentence(
    title: BilingualText, name: str, sensor: str, since: tuple[Instant, str], *, returned: bool
) -> tuple[str, str]:
    """Return in English and Dutch that a sensor is silent, or reports again; `since` has the time zone.

    >>> when = 0, "Europe/Amsterdam"
    >>> silence_sentence(BilingualText("Silent", "Stil"), "Overdie", "aq-1", when, returned=False)[1]
    'Stil, Overdie: niets nieuws van aq-1 sinds 1 januari 1970 om 01:00.'
    """
    en, nl = format_local_time(*since, "en"), format_local_time(*since, "nl")
    if returned:
        return (
            f"{title.en}, {name} (normal again): {sensor} reported at {en}.",
            f"{title.nl}, {name} (weer normaal): {sensor} meldde zich op {nl}.",
        )
    return (
        f"{title.en}, {name}: nothing new from {sensor} since {en}.",
        f"{title.nl}, {name}: niets nieuws van {sensor} sinds {nl}.",
    )


def outage_sentence(
    title: BilingualText,
    name: str,
    dependency: tuple[str, int],
    since: tuple[Instant, str],
    *,
    returned: bool,
) -> tuple[str, str]:
    """Return in English and Dutch that all sensors of a dependency (id, count) are silent, or report again.

    >>> when = 0, "Europe/Amsterdam"
    >>> outage_sentence(BilingualText("Out", "Uit"), "Mast", ("gateway:mast", 9), when, returned=False)[0]
    'Out, Mast: nothing from any of its 9 sensors since 01:00 on 1 January 1970.'
    >>> outage_sentence(BilingualText("Out", "Uit"), "Town", ("feed:ttn", 9), when, returned=False)[1]
    'Uit, Town: niets van de 9 sensoren van feed ttn sinds 1 januari 1970 om 01:00.'
    """
    kind, _, id = dependency[0].partition(":")
    count = dependency[1]
    en, nl = format_local_time(*since, "en"), format_local_time(*since, "nl")
    is_feed = kind == "feed"
    if returned:
        feed_en, feed_nl = (f" of feed {id}", f" van feed {id}") if is_feed else ("", "")
        return (
            f"{title.en}, {name} (normal again): one of its sensors reported{feed_en} at {en}.",
            f"{title.nl}, {name} (weer normaal): een van zijn sensoren{feed_nl} meldde zich op {nl}.",
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
