"""What the conditions of a rule's document share: operands, windows, thresholds by severity.

Thresholds may be written as `above: 5` beside a `severity`, or as `above: {minor: 5, major: 8}`.
"""

import math
import re
from abc import abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, PlainSerializer, PlainValidator, TypeAdapter

from cities.duration import format_duration, parse_duration
from cities.files.faults import describe_value
from cities.files.items import validate_value
from cities.files.schema import Item
from cities.files.values import DurationText, SeverityWord, described_as
from cities.files.yaml_document import Location
from cities.rules.context import RuleContext, unknown_whose
from cities.rules.faults import RuleFaults
from twin.alarms.rules.expression import (
    Identifier,
    to_operand,
)
from twin.alarms.rules.operand import WINDOW_SIZES, Operand, Statistic, WindowName
from twin.alarms.rules.rule import (
    Condition,
    Level,
    NOfM,
    ThresholdCondition,
    Transform,
)
from twin.alarms.severity import SEVERITY_WORDS, Severity, severity_of
from twin.instant import DAY, Duration
from twin.model.names import ValueName
from twin.model.units import IDENTITY, UnitConversion

WHEN = ("when",)

DELAY_MAX: Duration = 31 * DAY
"""Longest on-delay, off-delay and silence; a longer one would hide the alarm."""

SELECTED_MAX = 1_000
"""Types, areas, entities and properties that a rule may list."""

POINTS_MAX = 60
"""Points that `n of m` may count; their bits are one machine word."""

WINDOW_WORDS: Mapping[str, WindowName] = MappingProxyType(
    {format_duration(size): name for name, size in WINDOW_SIZES.items() if name != "instant"}
)
"""The window sizes that a rule may have: those that are aggregated anyway."""

_STATISTICS: Mapping[str, Statistic] = MappingProxyType({"min": "minimum", "max": "maximum"})
QUALITIES = ("good", "estimated", "late", "suspect")  # best first; the index is the compared number
_N_OF_M = re.compile(r"(\d{1,3}) of (\d{1,3})")
_DIGITS = 12


def _read_delay(value: object) -> Duration:
    if not isinstance(value, str):
        raise ValueError("expected an ISO 8601 duration such as PT10M")
    duration = parse_duration(value)
    if duration > DELAY_MAX:
        raise ValueError(f"expected at most {format_duration(DELAY_MAX)}")
    return duration


def _read_window(value: object) -> WindowName:
    try:
        window = WINDOW_WORDS.get(format_duration(parse_duration(value))) if isinstance(value, str) else None
    except ValueError:
        window = None
    if window is None:
        raise ValueError(
            f"expected the length of a window: {', '.join(WINDOW_WORDS)}; leave it out for each single value"
        )
    return window


def write_window(window: WindowName) -> str:
    """Return the length of a window as a document has it."""
    return format_duration(WINDOW_SIZES[window])


def _read_n_of_m(value: object) -> NOfM:
    match = _N_OF_M.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected such as '3 of 5'")
    n, of = int(match[1]), int(match[2])
    if not 1 <= n <= of <= POINTS_MAX:
        raise ValueError(f"expected 1 ≤ n ≤ m ≤ {POINTS_MAX} of 'n of m'")
    return NOfM(n, of)


Delay = Annotated[
    Duration,
    PlainValidator(_read_delay, json_schema_input_type=DurationText),
    PlainSerializer(format_duration),
]
Attribute = Annotated[str, Field(min_length=1, max_length=200)]
Window = Annotated[WindowName, PlainValidator(_read_window, json_schema_input_type=DurationText)]
OperandName = Annotated[str, Field(min_length=1, max_length=128)]
StatisticWord = Literal["mean", "sum", "last", "min", "max"]
QualityWord = Literal["good", "estimated", "late"]
Thresholds = Annotated[Any, described_as(float | dict[SeverityWord, float] | None)]

_NUMBERS = TypeAdapter(dict[SeverityWord, Annotated[float, Field(strict=True, allow_inf_nan=False)]])
QUALITIES_BY_SEVERITY = TypeAdapter(dict[SeverityWord, QualityWord])
WINDOWS_BY_NAME = TypeAdapter(dict[str, Window])
WINDOW = TypeAdapter(Window)
_VOTES = TypeAdapter(Annotated[NOfM, PlainValidator(_read_n_of_m)])


class ConditionItem(Item):
    """What stands under `when`."""

    kind: ClassVar[str]  #: the key that only this kind has

    @abstractmethod
    def read(self, context: RuleContext, faults: RuleFaults) -> Condition | None:
        """Return the condition; None, and faults, if it is wrong in its city."""

    @classmethod
    @abstractmethod
    def write(cls, condition: Any, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""


class KnownOperand(NamedTuple):
    """An operand, and what its name stands for."""

    operand: Operand
    named: ValueName


class OperandItem(ConditionItem):
    """A condition that compares values of one operand."""

    # What may be written in several ways is read in `read`, so that its faults do not hide others.
    over: Annotated[Any, described_as(DurationText | None)] = None
    statistic: StatisticWord | None = None
    severity: SeverityWord | None = None
    times: Annotated[Any, described_as(str | None), Field(examples=["3 of 5"])] = None

    def operand(self, name: str, context: RuleContext, faults: RuleFaults) -> KnownOperand | None:
        """Return the operand of a name; None, and faults, if the name or its statistic is wrong."""
        location = (*WHEN, self.kind)
        *whose, last = name.split(".")
        if len(whose) > 1:
            faults.add_fault(location, f"found {name!r}, expected a name with at most one dot")
            return None
        window = self._window(faults)
        known = known_operand(
            Identifier(whose[0] if whose else "", last), window or "instant", location, context, faults
        )
        if known is None or self.statistic is None:
            return known
        statistic_location = (*WHEN, "statistic")
        if window == "instant":
            faults.add_fault(statistic_location, "a single value has no statistic: say over which windows")
        elif self.statistic in _STATISTICS:
            operand = known.operand
            return known._replace(
                operand=Operand(operand.name, operand.over, _STATISTICS[self.statistic], operand.whose)
            )
        elif self.statistic != known.named.aggregation:
            aggregation = known.named.aggregation
            faults.add_fault(
                statistic_location,
                f"found {self.statistic!r}, expected min, max or {aggregation}: "
                f"{last} aggregates by {aggregation}",
            )
        return known

    def _window(self, faults: RuleFaults) -> WindowName | None:
        """Return the window; None, and faults, if it is wrong."""
        return "instant" if self.over is None else validate_value(faults, (*WHEN, "over"), self.over, WINDOW)

    def votes(self, faults: RuleFaults) -> NOfM | None:
        """Return `times`; None if there is none, and, with faults, if it is wrong."""
        return None if self.times is None else validate_value(faults, (*WHEN, "times"), self.times, _VOTES)

    @staticmethod
    def operand_fields(condition: ThresholdCondition) -> dict[str, Any]:
        """Return the fields that all conditions on one operand have."""
        statistics = {statistic: word for word, statistic in _STATISTICS.items()}
        operand, times = condition.operand, condition.times
        return {
            "over": write_window(operand.over) if operand.over != "instant" else None,
            "statistic": statistics.get(operand.statistic),
            "times": f"{times.n} of {times.of}" if times is not None else None,
        }


class ThresholdItem(OperandItem):
    """A condition that compares with thresholds, each of a severity."""

    above: Thresholds = None
    below: Thresholds = None
    clear: Thresholds = None
    deadband: Annotated[float, Field(allow_inf_nan=False, ge=0)] | None = None

    def threshold(
        self,
        known: KnownOperand | None,
        transform: Transform | None,
        conversion: UnitConversion,
        faults: RuleFaults,
    ) -> ThresholdCondition | None:
        """Return the condition; None, and faults, if its operand or levels are wrong."""
        levels = self._levels(conversion, faults)
        times = self.votes(faults)
        if known is None or not levels:
            return None
        return ThresholdCondition(
            operand=known.operand,
            direction="above" if self.above is not None else "below",
            levels=levels,
            transform=transform,
            times=times,
        )

    def _levels(self, conversion: UnitConversion, faults: RuleFaults) -> tuple[Level, ...]:
        """Return the levels in canonical units, mildest first; none, and faults, if they are wrong."""
        known = len(faults.found)
        written = [key for key in ("above", "below") if getattr(self, key) is not None]
        if len(written) != 1:
            found = " and ".join(written) or "neither"
            faults.add_fault(WHEN, f"found {found}, expected one of above and below")
            return ()
        key = written[0]
        raised = _by_severity(getattr(self, key), self.severity, (*WHEN, key), faults)
        if self.clear is not None and self.deadband is not None:
            faults.add_fault(
                (*WHEN, "deadband"), "clear and deadband both say when it is over: leave one out"
            )
        clear = self._clear(raised, faults)
        if len(faults.found) > known:
            return ()
        sign = 1.0 if key == "above" else -1.0
        levels = []
        for severity, value in raised.items():
            level = back = _canonical(value, conversion)
            if severity in clear:
                back = _canonical(clear[severity], conversion)
            elif self.deadband:
                back = _rounded(level - sign * abs(conversion.scale) * self.deadband)
            if sign * back > sign * level:
                faults.add_fault(
                    (*WHEN, "clear"),
                    f"{severity.word}: found {clear[severity]:g}, "
                    f"expected {'at most' if sign > 0 else 'at least'} {value:g}, where it is raised",
                )
            levels.append(Level(severity, level, back))
        for milder, worse in pairwise(levels):
            if sign * worse.raised <= sign * milder.raised:
                faults.add_fault(
                    (*WHEN, key, worse.severity.word),
                    f"found {raised[worse.severity]:g}, expected {'more' if sign > 0 else 'less'} than "
                    f"{milder.severity.word} has, {raised[milder.severity]:g}",
                )
        return tuple(levels)

    def _clear(self, raised: Mapping[Severity, float], faults: RuleFaults) -> Mapping[Severity, float]:
        location = (*WHEN, "clear")
        if self.clear is None:
            return {}
        if not isinstance(self.clear, dict):
            if not _is_number(self.clear):
                faults.add_fault(
                    location,
                    f"found {describe_value(self.clear)}, expected a number, or numbers by severity",
                )
            elif len(raised) > 1:
                faults.add_fault(
                    location, "found one number for several levels, expected one by severity, or deadband"
                )
            return dict.fromkeys(raised, float(self.clear)) if _is_number(self.clear) else {}
        clear = _numbers(self.clear, location, faults)
        for severity in clear.keys() ^ raised.keys():
            faults.add_fault(
                (*location, severity.word),
                f"{severity.word} is raised, but not cleared: expected a number here"
                if severity in raised
                else f"{severity.word} is cleared, but never raised: leave it out",
            )
        return clear

    @classmethod
    def threshold_fields(cls, condition: ThresholdCondition) -> dict[str, Any]:
        """Return the fields that all conditions with thresholds have."""
        levels = condition.levels
        fields = cls.operand_fields(condition)
        fields[condition.direction] = {level.severity.word: level.raised for level in levels}
        if any(level.clear != level.raised for level in levels):
            fields["clear"] = {level.severity.word: level.clear for level in levels}
        return fields


def known_operand(
    name: Identifier, over: WindowName, location: Location, context: RuleContext, faults: RuleFaults
) -> KnownOperand | None:
    """Return the operand of a name; None, and faults, if the name stands for nothing in the city."""
    if (message := unknown_whose(name.whose)) is not None:
        faults.add_fault(location, message)
        return None
    operand = to_operand(name, over)
    named = context.named(operand.name)
    if named is None:
        if name.whose == "area" and context.named(name.name) is not None:
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


SEVERITY_MISSING = f"severity is missing: expected one of {', '.join(SEVERITY_WORDS)} beside it"


def _by_severity(
    value: Any, severity: str | None, location: Location, faults: RuleFaults
) -> dict[Severity, float]:
    """Return numbers by severity, mildest first, from a mapping, or from one number and its severity."""
    if isinstance(value, dict):
        refuse_severity(value, severity, location, faults)
        return _numbers(value, location, faults)
    if not _is_number(value):
        faults.add_fault(
            location, f"found {describe_value(value)}, expected a number, or numbers by severity"
        )
    elif severity is None:
        faults.add_fault(location, SEVERITY_MISSING)
    else:
        return {severity_of(severity): float(value)}
    return {}


def refuse_severity(
    levels: Mapping[str, Any], severity: str | None, location: Location, faults: RuleFaults
) -> None:
    """Add faults if `severity` stands beside levels by severity, or if there is no level."""
    if severity is not None:
        faults.add_fault(location, "severity stands beside levels that name theirs: leave it out")
    if not levels:
        faults.add_fault(location, "found no level, expected at least one")


def _numbers(value: Mapping[str, Any], location: Location, faults: RuleFaults) -> dict[Severity, float]:
    numbers = validate_value(faults, location, value, _NUMBERS) or {}
    return dict(sorted((severity_of(word), float(number)) for word, number in numbers.items()))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _canonical(value: float, conversion: UnitConversion) -> float:
    return value if conversion == IDENTITY else _rounded(conversion(value))


def _rounded(value: float) -> float:
    """Drop the rounding errors of arithmetic: 10 cm are 0.1 m, and 2 cm below that is 0.08 m."""
    return float(f"{value:.{_DIGITS}g}")
