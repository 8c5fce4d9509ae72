"""The levels of a rule, as people write them, and in canonical units as it has them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from cities.files.faults import describe_value
from cities.files.items import suggestion
from cities.files.yaml_document import Location
from cities.rules.faults import RuleFaults
from cities.rules.schema import LevelledItem
from twin.alarms.rules.rule import Level, NOfM
from twin.alarms.severity import SEVERITY_WORDS, Severity, severity_of
from twin.model.units import IDENTITY, UnitConversion

TIMES_OF_MAX = 60
"""Points that `n of m` may look back on; their bits are one machine word."""

_TIMES = re.compile(r"(\d{1,3}) of (\d{1,3})")
_DIGITS = 12


def read_levels(
    item: LevelledItem, conversion: UnitConversion, location: tuple[str | int, ...], faults: RuleFaults
) -> tuple[Level, ...]:
    """Return the levels of a condition, mildest first; none, and faults, when they are wrong."""
    known = len(faults.found)
    key = direction_of(item, location, faults)
    if key is None:
        return ()
    raised = by_severity(getattr(item, key), item.severity, (*location, key), faults)
    if item.clear is not None and item.deadband is not None:
        faults.add_fault(
            (*location, "deadband"), "clear and deadband both say when it is over: leave one out"
        )
    clear = _clear(item, raised, location, faults)
    if len(faults.found) > known:
        return ()
    sign = 1.0 if key == "above" else -1.0
    levels = []
    for severity, value in raised.items():
        at = _canonical(value, conversion)
        back = at
        if severity in clear:
            back = _canonical(clear[severity], conversion)
        elif item.deadband:
            back = _cleaned(at - sign * abs(conversion.scale) * item.deadband)
        if sign * back > sign * at:
            side = "at most" if key == "above" else "at least"
            faults.add_fault(
                (*location, "clear"),
                f"{severity.word}: found {clear[severity]:g}, expected {side} {value:g}, where it is raised",
            )
        levels.append(Level(severity, at, back))
    for milder, worse in pairwise(levels):
        if sign * worse.raised <= sign * milder.raised:
            side = "more" if key == "above" else "less"
            faults.add_fault(
                (*location, key, worse.severity.word),
                f"found {raised[worse.severity]:g}, expected {side} than {milder.severity.word} has, "
                f"{raised[milder.severity]:g}",
            )
    return tuple(levels)


def direction_of(item: LevelledItem, location: Location, faults: RuleFaults) -> str | None:
    """Return `above` or `below`, whichever is written; None, and a fault, unless it is exactly one."""
    written = [key for key in ("above", "below") if getattr(item, key) is not None]
    if len(written) == 1:
        return written[0]
    faults.add_fault(location, f"found {' and '.join(written) or 'neither'}, expected one of above and below")
    return None


def by_severity(
    value: Any, severity: str | None, location: Location, faults: RuleFaults
) -> dict[Severity, float]:
    """Return numbers by severity, mildest first, from a mapping, or from one number and its severity."""
    if isinstance(value, dict):
        if severity is not None:
            faults.add_fault(location, "severity stands beside levels that name theirs: leave it out")
        if not value:
            faults.add_fault(location, "found no level, expected at least one")
        return _levels(value, location, faults)
    if not _is_number(value):
        faults.add_fault(
            location, f"found {describe_value(value)}, expected a number, or numbers by severity"
        )
    elif severity is None:
        faults.add_fault(
            location, f"severity is missing: expected one of {', '.join(SEVERITY_WORDS)} beside it"
        )
    else:
        return {severity_of(severity): float(value)}
    return {}


def _levels(value: Mapping[str, Any], location: Location, faults: RuleFaults) -> dict[Severity, float]:
    levels = {}
    for word, number in value.items():
        if word not in SEVERITY_WORDS:
            hint = suggestion(word, SEVERITY_WORDS)
            expected = f"unknown severity{hint}: expected {', '.join(SEVERITY_WORDS)}"
            faults.add_fault((*location, word), expected)
        elif not _is_number(number):
            faults.add_fault((*location, word), f"found {describe_value(number)}, expected a number")
        else:
            levels[severity_of(word)] = float(number)
    return dict(sorted(levels.items()))


def _clear(
    item: LevelledItem,
    raised: Mapping[Severity, float],
    location: tuple[str | int, ...],
    faults: RuleFaults,
) -> dict[Severity, float]:
    place = (*location, "clear")
    if item.clear is None:
        return {}
    if not isinstance(item.clear, dict):
        if not _is_number(item.clear):
            faults.add_fault(
                place, f"found {describe_value(item.clear)}, expected a number, or numbers by severity"
            )
        elif len(raised) > 1:
            faults.add_fault(
                place, "found one number for several levels, expected one by severity, or deadband"
            )
        else:
            return dict.fromkeys(raised, float(item.clear))
        return {}
    clear = _levels(item.clear, place, faults)
    for severity in clear.keys() ^ raised.keys():
        missing = severity in raised
        faults.add_fault(
            (*place, severity.word),
            f"{severity.word} is raised, but not cleared: expected a number here"
            if missing
            else f"{severity.word} is cleared, but never raised: leave it out",
        )
    return clear


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _canonical(value: float, conversion: UnitConversion) -> float:
    return value if conversion == IDENTITY else _cleaned(conversion(value))


def _cleaned(value: float) -> float:
    """Drop the noise of arithmetic: 10 cm are 0.1 m, and 2 cm below that is 0.08 m."""
    return float(f"{value:.{_DIGITS}g}")


def read_times(value: Any, location: Location, faults: RuleFaults) -> NOfM | None:
    """Return `3 of 5`; None where nothing is written, and, with a fault, where something else is."""
    if value is None:
        return None
    match = _TIMES.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        faults.add_fault(location, f"found {describe_value(value)}, expected such as '3 of 5'")
        return None
    n, of = int(match[1]), int(match[2])
    if not 1 <= n <= of <= TIMES_OF_MAX:
        faults.add_fault(location, f"found {value!r}, expected 1 ≤ n ≤ m ≤ {TIMES_OF_MAX} of 'n of m'")
        return None
    return NOfM(n, of)
