"""The operands of a rule, as people write them: `pm2_5`, `area.rainfall`, `drainsTo.water_level`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cities.duration import format_duration, parse_duration
from cities.files.faults import describe_value
from cities.files.yaml_document import Location
from cities.rules.context import RuleContext, unknown_whose
from cities.rules.faults import RuleFaults
from twin.alarms.rules.expression import Identifier, to_operand
from twin.alarms.rules.operand import WINDOW_SIZES, Operand, Statistic, WindowName
from twin.model.names import ValueName

OVER_WORDS: Mapping[str, WindowName] = {
    format_duration(size): over for over, size in WINDOW_SIZES.items() if over != "instant"
}
"""What a rule may say of windows: the lengths that are aggregated anyway."""

_STATISTICS: Mapping[str, Statistic] = {"min": "minimum", "max": "maximum"}
_MESSAGE = f"expected the length of a window: {', '.join(OVER_WORDS)}"


class KnownOperand(NamedTuple):
    """An operand, and what its name stands for."""

    operand: Operand
    named: ValueName


def read_over(value: Any, location: Location, faults: RuleFaults) -> WindowName | None:
    """Return the windows that are meant; None, and a fault, for what is none of ours."""
    if value is None:
        return "instant"
    try:
        over = OVER_WORDS.get(format_duration(parse_duration(value))) if isinstance(value, str) else None
    except ValueError:
        over = None
    if over is None:
        faults.add_fault(
            location, f"found {describe_value(value)}, {_MESSAGE}; leave it out for each value as it comes"
        )
    return over


def known_operand(
    name: Identifier, over: WindowName, location: Location, context: RuleContext, faults: RuleFaults
) -> KnownOperand | None:
    """Return the operand that a name means; None, and faults, when it means nothing here."""
    if (message := unknown_whose(name.whose)) is not None:
        faults.add_fault(location, message)
        return None
    operand = to_operand(name, over)
    named = context.named(operand.name)
    if named is None:
        base = context.named(name.name)
        if name.whose == "area" and base is not None:
            message = f"{name.name} is not rolled up over areas; its property says how, with rollUp"
        else:
            message = context.unknown_name(name.name)
        faults.add_fault(location, message)
        return None
    if over != "instant" and not named.observed:
        faults.add_fault(
            location, f"{operand.name} is derived, not observed, so it has no windows: leave `over` out"
        )
        return None
    return KnownOperand(operand, named)


def read_operand(
    text: str,
    keys: tuple[str, Any, str | None],
    location: tuple[str | int, ...],
    context: RuleContext,
    faults: RuleFaults,
) -> KnownOperand | None:
    """Return the one operand of a rule; `keys` are the key of its name, its `over` and its `statistic`."""
    key, windows, statistic = keys
    over = read_over(windows, (*location, "over"), faults)
    *whose, name = text.split(".")
    if len(whose) > 1:
        faults.add_fault((*location, key), f"found {text!r}, expected a name with at most one dot")
        return None
    known = known_operand(
        Identifier(whose[0] if whose else "", name), over or "instant", (*location, key), context, faults
    )
    if known is None or statistic is None:
        return known
    if over == "instant":
        faults.add_fault((*location, "statistic"), "a single value has no statistic: say over which windows")
    elif statistic in _STATISTICS:
        return known._replace(operand=_with(known.operand, _STATISTICS[statistic]))
    elif statistic != known.named.aggregation:
        aggregation = known.named.aggregation
        faults.add_fault(
            (*location, "statistic"),
            f"found {statistic!r}, expected min, max or {aggregation}: {name} aggregates by {aggregation}",
        )
    return known


def _with(operand: Operand, statistic: Statistic) -> Operand:
    return Operand(operand.name, operand.over, statistic, operand.whose)


def write_statistic(statistic: Statistic) -> str | None:
    """Return the word of a statistic; None where nothing need be written."""
    return next((word for word, one in _STATISTICS.items() if one == statistic), None)


def write_over(over: WindowName) -> str | None:
    """Return the length of windows; None where nothing need be written."""
    return None if over == "instant" else format_duration(WINDOW_SIZES[over])
