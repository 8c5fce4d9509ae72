"""The layout of a rule, as pydantic models: what stands in rules.yaml, and what the API takes and gives.

What may be written in several ways (`above: 5` or `above: {minor: 5}`) is `Any` here and read by
`cities.rules.levels`, which tells a fault in the words of what was meant.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator

from cities.duration import parse_duration
from cities.files.schema import Item, RelationItem
from cities.files.values import EntityType, Id, Interval, Positive, PropertyName, Text, Time, Unit
from twin.alarms.rules.expression import LENGTH_MAX
from twin.alarms.rules.rule import RULE_ERROR_ID
from twin.instant import DAY, HOUR, MINUTE, Duration
from twin.model.observed_property import Theme

DELAY_MAX: Duration = 31 * DAY
"""Of an on-delay, an off-delay or a silence; longer, nobody would miss the alarm."""

SELECTED_MAX = 1_000
"""Types, areas and entities that a rule may list."""

GUIDANCE_LENGTH_MAX = 2_000

SeverityWord = Literal["warning", "minor", "major", "critical"]
StatisticWord = Literal["mean", "sum", "last", "min", "max"]
QualityWord = Literal["good", "estimated", "late"]
DayWord = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _delay(value: object) -> Duration:
    if not isinstance(value, str):
        raise ValueError("expected an ISO 8601 duration such as PT10M")
    duration = parse_duration(value)
    if duration > DELAY_MAX:
        raise ValueError("expected at most P31D")
    return duration


def _own_id(id: str) -> str:
    if id == RULE_ERROR_ID:
        raise ValueError("expected another id: this is the rule that tells of rules that fail")
    return id


Delay = Annotated[Duration, PlainValidator(_delay)]
RuleId = Annotated[Id, AfterValidator(_own_id)]
Guidance = Annotated[str, Field(min_length=1, max_length=GUIDANCE_LENGTH_MAX)]
Attribute = Annotated[str, Field(min_length=1, max_length=200)]
OperandName = Annotated[str, Field(min_length=1, max_length=128)]


class TitleItem(Item):
    """`title` of a rule."""

    en: Text
    nl: Text


class GuidanceItem(Item):
    """`guidance` of a rule."""

    en: Guidance
    nl: Guidance


class SelectItem(Item):
    """`select` of a rule: which entities it is for."""

    types: Annotated[list[EntityType], Field(min_length=1, max_length=SELECTED_MAX)] | None = None
    within: Annotated[list[Id], Field(min_length=1, max_length=SELECTED_MAX)] | None = None
    entities: Annotated[list[Id], Field(min_length=1, max_length=SELECTED_MAX)] | None = None
    relation: RelationItem | None = None


class ScheduleItem(Item):
    """One of `schedule` of a rule: a time of day on some days of the week."""

    days: Annotated[list[DayWord], Field(min_length=1, max_length=7)] | None = None
    start: Annotated[str, Field(alias="from")] = "00:00"
    until: str = "24:00"


class RuleItem(Item):
    """One of `rules` in rules.yaml; `when` is read by `cities.rules.conditions`."""

    id: RuleId
    title: TitleItem
    theme: Theme
    select: SelectItem
    when: Any
    cause: Id | None = None
    incident_area: EntityType = "District"
    on_delay: Delay = 0
    off_delay: Delay = 0
    quality: Literal["good", "any"] = "good"
    latching: bool = False
    start: Time | None = None
    end: Time | None = None
    schedule: Annotated[list[ScheduleItem], Field(min_length=1, max_length=50)] | None = None
    guidance: GuidanceItem | None = None
    enabled: bool = True


class JudgedItem(Item):
    """What every `when` has that judges values of one operand."""

    over: Any = None
    statistic: StatisticWord | None = None
    severity: SeverityWord | None = None
    times: Any = None


class LevelledItem(JudgedItem):
    """What every `when` has that compares with thresholds."""

    above: Any = None
    below: Any = None
    clear: Any = None
    deadband: Annotated[float, Field(allow_inf_nan=False, ge=0)] | None = None


class ValueItem(LevelledItem):
    """`when: {value: …}`: the value itself."""

    value: OperandName
    unit: Unit | None = None
    relative_to: Attribute | None = None
    share_of: Attribute | None = None


class RateItem(LevelledItem):
    """`when: {rateOf: …}`: how fast the value changes."""

    rate_of: OperandName
    unit: Unit | None = None
    per: Interval = HOUR
    span: Interval = 30 * MINUTE


class DeviationItem(LevelledItem):
    """`when: {deviationOf: …}`: how far it is from what is usual at this hour of the week."""

    deviation_of: OperandName
    measure: Annotated[Unit, Field(alias="in")] = "spread"


class WorthItem(JudgedItem):
    """`when: {qualityOf: …}`: how good the value is."""

    quality_of: OperandName
    worse_than: Any


class SilentItem(Item):
    """`silent` of a `when`."""

    intervals: Annotated[float, Field(allow_inf_nan=False, gt=0, le=10_000)] = 10.0
    after: Delay = 0
    properties: Annotated[list[PropertyName], Field(min_length=1, max_length=SELECTED_MAX)] | None = None


class SilenceItem(Item):
    """`when: {silent: …}`: a sensor tells nothing new."""

    silent: SilentItem
    severity: SeverityWord


class OutageItem(Item):
    """`when: {outage: …}`: nothing comes through a gateway, a power supply or a feed."""

    outage: Literal["gateway", "power", "feed"]
    severity: SeverityWord
    reports_missed: Positive = 6.0
    sensors_min: Annotated[int, Field(ge=1, le=10_000)] = 3


class ExpressionItem(Item):
    """`when: {expression: …}`: something is wrong while it is true."""

    expression: Annotated[str, Field(min_length=1, max_length=LENGTH_MAX)]
    severity: SeverityWord
    over: Any = None
