"""`when` of a rule: which kind of condition it is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from cities.files.faults import describe_value
from cities.files.items import suggestion, validate_item
from cities.model.sensors import conversion_or_identity
from cities.rules.context import RuleContext
from cities.rules.faults import RuleFaults
from cities.rules.levels import by_severity, read_levels, read_times
from cities.rules.operands import KnownOperand, known_operand, read_operand, read_over
from cities.rules.schema import (
    DeviationItem,
    ExpressionItem,
    JudgedItem,
    LevelledItem,
    OutageItem,
    RateItem,
    SilenceItem,
    ValueItem,
    WorthItem,
)
from twin.alarms.rules.expression import CompiledExpression, ExpressionError, identifiers_of
from twin.alarms.rules.operand import WindowName
from twin.alarms.rules.rule import (
    Condition,
    Deviation,
    ExpressionCondition,
    Level,
    OutageCondition,
    QualityRank,
    Rate,
    SilenceCondition,
    ThresholdCondition,
    Transform,
)
from twin.alarms.severity import severity_of
from twin.errors import UnitError
from twin.model.units import IDENTITY, UnitConversion

WHEN = ("when",)
WORTHS = ("good", "estimated", "late", "suspect")
"""How good a value is, best first: its place is the number that `QualityRank` judges."""

_MEASURES = {"percent": Deviation("percent"), "spread": Deviation("spread")}

Reader = Callable[[Any, RuleContext, RuleFaults], Condition | None]


def read_condition(when: Any, context: RuleContext, faults: RuleFaults) -> Condition | None:
    """Return the condition of a rule; None, and faults, when it is none."""
    kinds = ", ".join(_READERS)
    if not isinstance(when, dict):
        faults.add_fault(WHEN, f"found {describe_value(when)}, expected a mapping with one of {kinds}")
        return None
    written = [key for key in _READERS if key in when]
    if len(written) == 1:
        return _READERS[written[0]](when, context, faults)
    if written:
        faults.add_fault(WHEN, f"found {' and '.join(written)}, expected one of {kinds}; make several rules")
    else:
        hints = [hint for key in when if (hint := suggestion(str(key), _READERS))]
        faults.add_fault(WHEN, f"found none of {kinds}{hints[0] if hints else ''}")
    return None


def _value(when: Any, context: RuleContext, faults: RuleFaults) -> Condition | None:
    item = validate_item(faults, WHEN, when, ValueItem)
    if item is None:
        return None
    known = _operand(item.value, "value", item, context, faults)
    for key, name in (("relativeTo", item.relative_to), ("shareOf", item.share_of)):
        if name is not None and (message := context.unknown_attribute(name)) is not None:
            faults.add_fault((*WHEN, key), message)
    # A share of an attribute has no unit of its own; what is relative to one is a difference.
    conversion = _conversion(item.unit, "1" if item.share_of else _unit(known), faults)
    if item.relative_to or item.share_of:
        conversion = _difference(conversion)
    condition = _threshold(item, known, None, conversion, faults)
    if condition is None:
        return None
    return replace(condition, relative_to=item.relative_to or "", share_of=item.share_of or "")


def _rate(when: Any, context: RuleContext, faults: RuleFaults) -> Condition | None:
    item = validate_item(faults, WHEN, when, RateItem)
    if item is None:
        return None
    known = _operand(item.rate_of, "rateOf", item, context, faults)
    conversion = _difference(_conversion(item.unit, _unit(known), faults))
    return _threshold(item, known, Rate(item.per, item.span), conversion, faults)


def _deviation(when: Any, context: RuleContext, faults: RuleFaults) -> Condition | None:
    item = validate_item(faults, WHEN, when, DeviationItem)
    if item is None:
        return None
    known = _operand(item.deviation_of, "deviationOf", item, context, faults)
    transform = _MEASURES.get(item.measure)
    if transform is not None:
        return _threshold(item, known, transform, IDENTITY, faults)
    conversion = _difference(_conversion(item.measure, _unit(known), faults, "in"))
    return _threshold(item, known, Deviation("absolute"), conversion, faults)


def _threshold(
    item: LevelledItem,
    known: KnownOperand | None,
    transform: Transform | None,
    conversion: UnitConversion,
    faults: RuleFaults,
) -> ThresholdCondition | None:
    levels = read_levels(item, conversion, WHEN, faults)
    times = read_times(item.times, (*WHEN, "times"), faults)
    if known is None or not levels:
        return None
    return ThresholdCondition(
        operand=known.operand,
        direction="above" if item.above is not None else "below",
        levels=levels,
        transform=transform,
        times=times,
    )


def _worth(when: Any, context: RuleContext, faults: RuleFaults) -> Condition | None:
    item = validate_item(faults, WHEN, when, WorthItem)
    if item is None:
        return None
    known = _operand(item.quality_of, "qualityOf", item, context, faults)
    place = (*WHEN, "worseThan")
    words = item.worse_than
    known_words = WORTHS[:-1]
    for word in words.values() if isinstance(words, dict) else [words]:
        if word not in known_words:
            faults.add_fault(
                place,
                f"found {describe_value(word)}, expected "
                f"{', '.join(known_words)}{suggestion(str(word), known_words)}, "
                "or those by severity",
            )
            return None
    ranks: Any = WORTHS.index(words) if isinstance(words, str) else None
    if isinstance(words, dict):
        ranks = {severity: WORTHS.index(word) for severity, word in words.items()}
    best = by_severity(ranks, item.severity, place, faults)
    if list(best.values()) != sorted(set(best.values())):
        faults.add_fault(place, "a worse severity needs a worse quality than the milder ones")
    times = read_times(item.times, (*WHEN, "times"), faults)
    levels = tuple(Level(severity, rank + 1.0, rank) for severity, rank in best.items())
    if known is None or not levels:
        return None
    return ThresholdCondition(
        operand=known.operand, direction="above", levels=levels, transform=QualityRank(), times=times
    )


def _silence(when: Any, context: RuleContext, faults: RuleFaults) -> Condition | None:
    item = validate_item(faults, WHEN, when, SilenceItem)
    if item is None:
        return None
    for index, name in enumerate(item.silent.properties or ()):
        if name not in context.model.properties:
            faults.add_fault((*WHEN, "silent", "properties", index), context.unknown_name(name))
    return SilenceCondition(
        severity=severity_of(item.severity),
        intervals=float(item.silent.intervals),
        after=item.silent.after,
        properties=tuple(item.silent.properties or ()),
    )


def _outage(when: Any, context: RuleContext, faults: RuleFaults) -> Condition | None:
    item = validate_item(faults, WHEN, when, OutageItem)
    if item is None:
        return None
    return OutageCondition(
        supply=item.outage,
        severity=severity_of(item.severity),
        reports_missed=float(item.reports_missed),
        sensors_min=item.sensors_min,
    )


def _expression(when: Any, context: RuleContext, faults: RuleFaults) -> Condition | None:
    item = validate_item(faults, WHEN, when, ExpressionItem)
    source = when["expression"] if item is None else item.expression
    if not isinstance(source, str):
        return None
    place = (*WHEN, "expression")
    try:
        names = identifiers_of(source)
    except ExpressionError as error:
        faults.add_fault(place, str(error))
        return None
    windows = _windows(when.get("over"), [str(one) for one in names], faults)
    for one in names:
        known_operand(one, windows.get(str(one), "instant"), place, context, faults)
    try:
        program = CompiledExpression(source, windows)
    except ExpressionError as error:
        faults.add_fault(place, str(error))
        return None
    if item is None:
        return None
    return ExpressionCondition(source=source, operands=program.operands, severity=severity_of(item.severity))


def _windows(over: Any, names: list[str], faults: RuleFaults) -> dict[str, WindowName]:
    """Return the windows of the names of an expression, said for each of them or for all alike."""
    if not isinstance(over, dict):
        return dict.fromkeys(names, read_over(over, (*WHEN, "over"), faults) or "instant")
    found: dict[str, WindowName] = {}
    for name, length in over.items():
        location = (*WHEN, "over", name)
        windows = read_over(length, location, faults)
        if name not in names:
            faults.add_fault(location, f"the expression does not name {name}{suggestion(name, names)}")
        else:
            found[name] = windows or "instant"
    return found


def _operand(
    text: str, key: str, item: JudgedItem, context: RuleContext, faults: RuleFaults
) -> KnownOperand | None:
    return read_operand(text, (key, item.over, item.statistic), WHEN, context, faults)


def _unit(known: KnownOperand | None) -> str | None:
    return known.named.unit if known is not None else None


def _conversion(
    unit: str | None, canonical: str | None, faults: RuleFaults, key: str = "unit"
) -> UnitConversion:
    if unit is None or canonical is None:
        return IDENTITY
    try:
        return conversion_or_identity(unit, canonical)
    except UnitError as error:
        faults.add_fault((*WHEN, key), f"{error}; the value is kept in {canonical}")
        return IDENTITY


def _difference(conversion: UnitConversion) -> UnitConversion:
    """Return how a difference converts: 5 degrees more are 5 kelvins more."""
    return UnitConversion(conversion.scale, 0.0)


_READERS: Mapping[str, Reader] = {
    "value": _value,
    "rateOf": _rate,
    "deviationOf": _deviation,
    "qualityOf": _worth,
    "silent": _silence,
    "outage": _outage,
    "expression": _expression,
}
