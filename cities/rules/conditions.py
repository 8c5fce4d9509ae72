"""The conditions of rules as documents: what stands under `when`. Each kind reads, checks and writes itself.

`KINDS` has the kinds by the key that is in no other kind. Thresholds may be written as `above: 5` beside a
`severity`, or as `above: {minor: 5, major: 8}`.
"""

from __future__ import annotations

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
from cities.files.items import suggestion, validate_item, validate_value
from cities.files.schema import Item
from cities.files.values import Interval, Positive, PropertyName, SeverityWord, Unit
from cities.files.yaml_document import Location
from cities.model.sensors import conversion_or_identity
from cities.rules.context import RuleContext, unknown_whose
from cities.rules.faults import RuleFaults
from twin.alarms.rules.expression import (
    LENGTH_MAX,
    CompiledExpression,
    ExpressionError,
    Identifier,
    expression_name,
    identifiers_of,
    to_operand,
)
from twin.alarms.rules.operand import WINDOW_SIZES, Operand, Statistic, WindowName
from twin.alarms.rules.rule import (
    Condition,
    Deviation,
    ExpressionCondition,
    Level,
    NOfM,
    OutageCondition,
    QualityRank,
    Rate,
    SilenceCondition,
    ThresholdCondition,
    Transform,
)
from twin.alarms.severity import SEVERITY_WORDS, Severity, severity_of
from twin.errors import UnitError
from twin.instant import DAY, HOUR, MINUTE, Duration
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
_QUALITIES = ("good", "estimated", "late", "suspect")  # best first; the index is the compared number
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


def _write_window(window: WindowName) -> str:
    return format_duration(WINDOW_SIZES[window])


def _read_n_of_m(value: object) -> NOfM:
    match = _N_OF_M.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected such as '3 of 5'")
    n, of = int(match[1]), int(match[2])
    if not 1 <= n <= of <= POINTS_MAX:
        raise ValueError(f"expected 1 ≤ n ≤ m ≤ {POINTS_MAX} of 'n of m'")
    return NOfM(n, of)


Delay = Annotated[Duration, PlainValidator(_read_delay), PlainSerializer(format_duration)]
Attribute = Annotated[str, Field(min_length=1, max_length=200)]
Window = Annotated[WindowName, PlainValidator(_read_window)]
OperandName = Annotated[str, Field(min_length=1, max_length=128)]
StatisticWord = Literal["mean", "sum", "last", "min", "max"]
QualityWord = Literal["good", "estimated", "late"]

_NUMBERS = TypeAdapter(dict[SeverityWord, Annotated[float, Field(strict=True, allow_inf_nan=False)]])
_WORDS = TypeAdapter(dict[SeverityWord, QualityWord])
_WINDOWS = TypeAdapter(dict[str, Window])
_WINDOW = TypeAdapter(Window)
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


def read_condition(when: Any, context: RuleContext, faults: RuleFaults) -> Condition | None:
    """Return the condition of a rule's document; None, and faults, if it has none."""
    kinds = ", ".join(KINDS)
    if not isinstance(when, dict):
        faults.add_fault(WHEN, f"found {describe_value(when)}, expected a mapping with one of {kinds}")
        return None
    written = [key for key in KINDS if key in when]
    if len(written) == 1:
        item = validate_item(faults, WHEN, when, KINDS[written[0]])
        if item is not None:
            return item.read(context, faults)
        if isinstance(when.get(ExpressionItem.kind), str):
            # A wrong severity must not hide the faults of the expression.
            ExpressionItem.of(expression=when["expression"], severity="minor", over=when.get("over")).read(
                context, faults
            )
        return None
    if written:
        faults.add_fault(WHEN, f"found {' and '.join(written)}, expected one of {kinds}; make several rules")
    else:
        hints = [hint for key in when if (hint := suggestion(str(key), KINDS))]
        faults.add_fault(WHEN, f"found none of {kinds}{hints[0] if hints else ''}")
    return None


def write_condition(condition: Condition, context: RuleContext) -> dict[str, Any]:
    """Return the document of a condition, in canonical units."""
    compared = condition.transform if isinstance(condition, ThresholdCondition) else condition
    document = _KIND_BY_TYPE[type(compared)].write(condition, context).document()
    return {key: document[key] for key in sorted(document, key=_KEY_ORDER.index)}


class KnownOperand(NamedTuple):
    """An operand, and what its name stands for."""

    operand: Operand
    named: ValueName


class OperandItem(ConditionItem):
    """A condition that compares values of one operand."""

    # What may be written in several ways is read in `read`, so that its faults do not hide others.
    over: Any = None
    statistic: StatisticWord | None = None
    severity: SeverityWord | None = None
    times: Any = None

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
        return "instant" if self.over is None else validate_value(faults, (*WHEN, "over"), self.over, _WINDOW)

    def votes(self, faults: RuleFaults) -> NOfM | None:
        """Return `times`; None if there is none, and, with faults, if it is wrong."""
        return None if self.times is None else validate_value(faults, (*WHEN, "times"), self.times, _VOTES)

    @staticmethod
    def operand_fields(condition: ThresholdCondition) -> dict[str, Any]:
        """Return the fields that all conditions on one operand have."""
        statistics = {statistic: word for word, statistic in _STATISTICS.items()}
        operand, times = condition.operand, condition.times
        return {
            "over": _write_window(operand.over) if operand.over != "instant" else None,
            "statistic": statistics.get(operand.statistic),
            "times": f"{times.n} of {times.of}" if times is not None else None,
        }


class ThresholdItem(OperandItem):
    """A condition that compares with thresholds, each of a severity."""

    above: Any = None
    below: Any = None
    clear: Any = None
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


class ValueItem(ThresholdItem):
    """`when: {value: …}`: the value itself."""

    kind: ClassVar[str] = "value"

    value: OperandName
    unit: Unit | None = None
    relative_to: Attribute | None = None
    share_of: Attribute | None = None

    def read(self, context: RuleContext, faults: RuleFaults) -> Condition | None:
        """Return the condition; None, and faults, if it is wrong in its city."""
        known = self.operand(self.value, context, faults)
        for key, name in (("relativeTo", self.relative_to), ("shareOf", self.share_of)):
            if name is not None and (message := context.unknown_attribute(name)) is not None:
                faults.add_fault((*WHEN, key), message)
        # A share of an attribute has no unit of its own; a value relative to an attribute is a difference.
        conversion = _conversion(self.unit, "1" if self.share_of else _unit(known), "unit", faults)
        if self.relative_to or self.share_of:
            conversion = _difference(conversion)
        condition = self.threshold(known, None, conversion, faults)
        if condition is None:
            return None
        return ThresholdCondition(
            operand=condition.operand,
            direction=condition.direction,
            levels=condition.levels,
            relative_to=self.relative_to or "",
            share_of=self.share_of or "",
            times=condition.times,
        )

    @classmethod
    def write(cls, condition: ThresholdCondition, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""
        return cls.of(
            value=expression_name(condition.operand),
            unit="1" if condition.share_of else _unit_of(condition.operand, context),
            relative_to=condition.relative_to or None,
            share_of=condition.share_of or None,
            **cls.threshold_fields(condition),
        )


class RateItem(ThresholdItem):
    """`when: {rateOf: …}`: the rate of change of the value."""

    kind: ClassVar[str] = "rateOf"

    rate_of: OperandName
    unit: Unit | None = None
    per: Interval = HOUR
    span: Interval = 30 * MINUTE

    def read(self, context: RuleContext, faults: RuleFaults) -> Condition | None:
        """Return the condition; None, and faults, if it is wrong in its city."""
        known = self.operand(self.rate_of, context, faults)
        conversion = _difference(_conversion(self.unit, _unit(known), "unit", faults))
        return self.threshold(known, Rate(self.per, self.span), conversion, faults)

    @classmethod
    def write(cls, condition: ThresholdCondition, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""
        assert isinstance(condition.transform, Rate)  # noqa: S101 - by `_KIND_BY_TYPE`
        return cls.of(
            ("per", "span"),
            rate_of=expression_name(condition.operand),
            unit=_unit_of(condition.operand, context),
            per=condition.transform.per,
            span=condition.transform.span,
            **cls.threshold_fields(condition),
        )


class DeviationItem(ThresholdItem):
    """`when: {deviationOf: …}`: the distance from the baseline at this hour of the week."""

    kind: ClassVar[str] = "deviationOf"

    deviation_of: OperandName
    measure: Annotated[Unit, Field(alias="in")] = "spread"

    def read(self, context: RuleContext, faults: RuleFaults) -> Condition | None:
        """Return the condition; None, and faults, if it is wrong in its city."""
        known = self.operand(self.deviation_of, context, faults)
        match self.measure:
            case "percent" | "spread":
                return self.threshold(known, Deviation(self.measure), IDENTITY, faults)
            case unit:
                conversion = _difference(_conversion(unit, _unit(known), "in", faults))
                return self.threshold(known, Deviation("absolute"), conversion, faults)

    @classmethod
    def write(cls, condition: ThresholdCondition, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""
        assert isinstance(condition.transform, Deviation)  # noqa: S101 - by `_KIND_BY_TYPE`
        measure: str = condition.transform.measure
        if measure == "absolute":
            measure = _unit_of(condition.operand, context) or "1"
        return cls.of(
            ("measure",),
            deviation_of=expression_name(condition.operand),
            measure=measure,
            **cls.threshold_fields(condition),
        )


class QualityRankItem(OperandItem):
    """`when: {qualityOf: …}`: the quality of the value."""

    kind: ClassVar[str] = "qualityOf"

    quality_of: OperandName
    worse_than: Any

    def read(self, context: RuleContext, faults: RuleFaults) -> Condition | None:
        """Return the condition; None, and faults, if it is wrong in its city."""
        known = self.operand(self.quality_of, context, faults)
        location = (*WHEN, "worseThan")
        words = self._words(location, faults)
        ranks = {severity: float(_QUALITIES.index(word)) for severity, word in words.items()}
        if list(ranks.values()) != sorted(set(ranks.values())):
            faults.add_fault(location, "a worse severity needs a worse quality than the milder ones")
        levels = tuple(Level(severity, rank + 1.0, rank) for severity, rank in ranks.items())
        times = self.votes(faults)
        if known is None or not levels:
            return None
        return ThresholdCondition(
            operand=known.operand,
            direction="above",
            levels=levels,
            transform=QualityRank(),
            times=times,
        )

    def _words(self, location: Location, faults: RuleFaults) -> dict[Severity, str]:
        """Return the quality words by severity, mildest first."""
        if isinstance(self.worse_than, dict):
            _refuse_severity(self.worse_than, self.severity, location, faults)
            words = validate_value(faults, location, self.worse_than, _WORDS) or {}
            return dict(sorted((severity_of(word), quality) for word, quality in words.items()))
        expected = _QUALITIES[:-1]
        if self.worse_than not in expected:
            faults.add_fault(
                location,
                f"found {describe_value(self.worse_than)}, expected {', '.join(expected)}"
                f"{suggestion(str(self.worse_than), expected)}, or those by severity",
            )
        elif self.severity is None:
            faults.add_fault(location, _SEVERITY_MISSING)
        else:
            return {severity_of(self.severity): str(self.worse_than)}
        return {}

    @classmethod
    def write(cls, condition: ThresholdCondition, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""
        return cls.of(
            quality_of=expression_name(condition.operand),
            worse_than={level.severity.word: _QUALITIES[int(level.clear)] for level in condition.levels},
            **cls.operand_fields(condition),
        )


class SilentItem(Item):
    """`silent` of a `when`."""

    intervals: Annotated[float, Field(allow_inf_nan=False, gt=0, le=10_000)] = 10.0
    after: Delay = 0
    properties: Annotated[list[PropertyName], Field(min_length=1, max_length=SELECTED_MAX)] | None = None


class SilenceItem(ConditionItem):
    """`when: {silent: …}`: a sensor sends nothing new."""

    kind: ClassVar[str] = "silent"

    silent: SilentItem
    severity: SeverityWord

    def read(self, context: RuleContext, faults: RuleFaults) -> Condition | None:
        """Return the condition; None, and faults, if it is wrong in its city."""
        for index, name in enumerate(self.silent.properties or ()):
            if name not in context.model.properties:
                faults.add_fault((*WHEN, "silent", "properties", index), context.unknown_name(name))
        return SilenceCondition(
            severity=severity_of(self.severity),
            intervals=float(self.silent.intervals),
            after=self.silent.after,
            properties=tuple(self.silent.properties or ()),
        )

    @classmethod
    def write(cls, condition: SilenceCondition, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""
        silent = SilentItem.of(
            ("intervals",),
            intervals=condition.intervals,
            after=condition.after,
            properties=list(condition.properties) or None,
        )
        return cls.of(silent=silent, severity=condition.severity.word)


class OutageItem(ConditionItem):
    """`when: {outage: …}`: nothing is received through a gateway, a power supply or a feed."""

    kind: ClassVar[str] = "outage"

    outage: Literal["gateway", "power", "feed"]
    severity: SeverityWord
    reports_missed: Positive = 6.0
    sensors_min: Annotated[int, Field(ge=1, le=10_000)] = 3

    def read(self, context: RuleContext, faults: RuleFaults) -> Condition | None:
        """Return the condition; None, and faults, if it is wrong in its city."""
        return OutageCondition(
            supply=self.outage,
            severity=severity_of(self.severity),
            reports_missed=float(self.reports_missed),
            sensors_min=self.sensors_min,
        )

    @classmethod
    def write(cls, condition: OutageCondition, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""
        return cls.of(
            ("reports_missed", "sensors_min"),
            outage=condition.supply,
            severity=condition.severity.word,
            reports_missed=condition.reports_missed,
            sensors_min=condition.sensors_min,
        )


class ExpressionItem(ConditionItem):
    """`when: {expression: …}`: the condition holds while the expression is true."""

    kind: ClassVar[str] = "expression"

    expression: Annotated[str, Field(min_length=1, max_length=LENGTH_MAX)]
    severity: SeverityWord
    over: Any = None

    def read(self, context: RuleContext, faults: RuleFaults) -> Condition | None:
        """Return the condition; None, and faults, if it is wrong in its city."""
        location = (*WHEN, "expression")
        try:
            names = identifiers_of(self.expression)
            windows = self._windows([str(name) for name in names], faults)
            for name in names:
                known_operand(name, windows.get(str(name), "instant"), location, context, faults)
            operands = CompiledExpression(self.expression, windows).operands
        except ExpressionError as error:
            faults.add_fault(location, str(error))
            return None
        return ExpressionCondition(
            source=self.expression, operands=operands, severity=severity_of(self.severity)
        )

    def _windows(self, names: list[str], faults: RuleFaults) -> dict[str, WindowName]:
        """Return the windows of the names, which are written for each of them, or once for all."""
        location = (*WHEN, "over")
        if self.over is None:
            return {}
        if not isinstance(self.over, dict):
            window = validate_value(faults, location, self.over, _WINDOW)
            return dict.fromkeys(names, window or "instant")
        windows = validate_value(faults, location, self.over, _WINDOWS) or {}
        for name in self.over.keys() - set(names):
            faults.add_fault(
                (*location, name), f"the expression does not name {name}{suggestion(name, names)}"
            )
        return {name: window for name, window in windows.items() if name in names}

    @classmethod
    def write(cls, condition: ExpressionCondition, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""
        over = {
            expression_name(operand): _write_window(operand.over)
            for operand in condition.operands
            if operand.over != "instant"
        }
        return cls.of(expression=condition.source, severity=condition.severity.word, over=over or None)


KINDS: Mapping[str, type[ConditionItem]] = MappingProxyType(
    {
        item.kind: item
        for item in (
            ValueItem,
            RateItem,
            DeviationItem,
            QualityRankItem,
            SilenceItem,
            OutageItem,
            ExpressionItem,
        )
    }
)
"""The kinds of conditions, by the key that only this kind has."""

_KIND_BY_TYPE: Mapping[type, type[ConditionItem]] = MappingProxyType(
    {
        type(None): ValueItem,
        Rate: RateItem,
        Deviation: DeviationItem,
        QualityRank: QualityRankItem,
        SilenceCondition: SilenceItem,
        OutageCondition: OutageItem,
        ExpressionCondition: ExpressionItem,
    }
)
"""The kinds by the type of the transform of a threshold, or by the type of the condition."""

_KEY_ORDER = (
    *KINDS,
    *("severity", "in", "per", "span", "unit", "relativeTo", "shareOf", "over", "statistic"),
    *("above", "below", "clear", "worseThan", "times", "reportsMissed", "sensorsMin"),
)


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


_SEVERITY_MISSING = f"severity is missing: expected one of {', '.join(SEVERITY_WORDS)} beside it"


def _by_severity(
    value: Any, severity: str | None, location: Location, faults: RuleFaults
) -> dict[Severity, float]:
    """Return numbers by severity, mildest first, from a mapping, or from one number and its severity."""
    if isinstance(value, dict):
        _refuse_severity(value, severity, location, faults)
        return _numbers(value, location, faults)
    if not _is_number(value):
        faults.add_fault(
            location, f"found {describe_value(value)}, expected a number, or numbers by severity"
        )
    elif severity is None:
        faults.add_fault(location, _SEVERITY_MISSING)
    else:
        return {severity_of(severity): float(value)}
    return {}


def _refuse_severity(
    levels: Mapping[str, Any], severity: str | None, location: Location, faults: RuleFaults
) -> None:
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


def _unit(known: KnownOperand | None) -> str | None:
    return known.named.unit if known is not None else None


def _unit_of(operand: Operand, context: RuleContext) -> str | None:
    named = context.named(operand.name)
    return named.unit if named is not None else None


def _conversion(unit: str | None, canonical: str | None, key: str, faults: RuleFaults) -> UnitConversion:
    if unit is None or canonical is None:
        return IDENTITY
    try:
        return conversion_or_identity(unit, canonical)
    except UnitError as error:
        faults.add_fault((*WHEN, key), f"{error}; the value is kept in {canonical}")
        return IDENTITY


def _difference(conversion: UnitConversion) -> UnitConversion:
    """Return the conversion of a difference: 5 degrees more are 5 kelvins more."""
    return UnitConversion(conversion.scale, 0.0)
