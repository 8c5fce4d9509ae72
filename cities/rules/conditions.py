"""The conditions of rules as documents: what stands under `when`. Each kind reads, checks and writes itself.

`KINDS` has the kinds by the key that is in no other kind.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, get_args

from pydantic import Field

from cities.files.faults import describe_value
from cities.files.items import suggestion, validate_item, validate_value
from cities.files.schema import Item
from cities.files.values import (
    DurationText,
    Interval,
    Positive,
    PropertyName,
    SeverityWord,
    Unit,
    described_as,
)
from cities.files.yaml_document import Location
from cities.model.sensors import conversion_or_identity
from cities.rules.context import RuleContext
from cities.rules.faults import RuleFaults
from cities.rules.operand_conditions import (
    QUALITIES,
    QUALITIES_BY_SEVERITY,
    SELECTED_MAX,
    SEVERITY_MISSING,
    WHEN,
    WINDOW,
    WINDOWS_BY_NAME,
    Attribute,
    ConditionItem,
    Delay,
    KnownOperand,
    OperandItem,
    OperandName,
    QualityWord,
    ThresholdItem,
    known_operand,
    refuse_severity,
    write_window,
)
from twin.alarms.rules.expression import (
    LENGTH_MAX,
    CompiledExpression,
    ExpressionError,
    expression_name,
    identifiers_of,
)
from twin.alarms.rules.operand import Operand, WindowName
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
)
from twin.alarms.severity import Severity, severity_of
from twin.errors import UnitError
from twin.instant import HOUR, MINUTE
from twin.model.units import IDENTITY, UnitConversion


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
    worse_than: Annotated[Any, described_as(QualityWord | dict[SeverityWord, QualityWord])]

    def read(self, context: RuleContext, faults: RuleFaults) -> Condition | None:
        """Return the condition; None, and faults, if it is wrong in its city."""
        known = self.operand(self.quality_of, context, faults)
        location = (*WHEN, "worseThan")
        words = self._words(location, faults)
        ranks = {severity: float(QUALITIES.index(word)) for severity, word in words.items()}
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
            refuse_severity(self.worse_than, self.severity, location, faults)
            words = validate_value(faults, location, self.worse_than, QUALITIES_BY_SEVERITY) or {}
            return dict(sorted((severity_of(word), quality) for word, quality in words.items()))
        expected = QUALITIES[:-1]
        if self.worse_than not in expected:
            faults.add_fault(
                location,
                f"found {describe_value(self.worse_than)}, expected {', '.join(expected)}"
                f"{suggestion(str(self.worse_than), expected)}, or those by severity",
            )
        elif self.severity is None:
            faults.add_fault(location, SEVERITY_MISSING)
        else:
            return {severity_of(self.severity): str(self.worse_than)}
        return {}

    @classmethod
    def write(cls, condition: ThresholdCondition, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""
        return cls.of(
            quality_of=expression_name(condition.operand),
            worse_than={level.severity.word: QUALITIES[int(level.clear)] for level in condition.levels},
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
    over: Annotated[Any, described_as(DurationText | dict[str, DurationText] | None)] = None

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
            window = validate_value(faults, location, self.over, WINDOW)
            return dict.fromkeys(names, window or "instant")
        windows = validate_value(faults, location, self.over, WINDOWS_BY_NAME) or {}
        for name in self.over.keys() - set(names):
            faults.add_fault(
                (*location, name), f"the expression does not name {name}{suggestion(name, names)}"
            )
        return {name: window for name, window in windows.items() if name in names}

    @classmethod
    def write(cls, condition: ExpressionCondition, context: RuleContext) -> Self:
        """Return the document of a condition of this kind."""
        over = {
            expression_name(operand): write_window(operand.over)
            for operand in condition.operands
            if operand.over != "instant"
        }
        return cls.of(expression=condition.source, severity=condition.severity.word, over=over or None)


AnyCondition: TypeAlias = (
    ValueItem | RateItem | DeviationItem | QualityRankItem | SilenceItem | OutageItem | ExpressionItem
)

KINDS: Mapping[str, type[ConditionItem]] = MappingProxyType(
    {item.kind: item for item in get_args(AnyCondition)}
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
