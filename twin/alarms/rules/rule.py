"""Rules: what raises an alarm, as data.

A rule is stored as the JSON that `encode_rule` makes of it; what people write (YAML, the API) is read by
`cities.rules.reader`. All durations are microseconds; thresholds are in the operand's canonical unit.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from twin.alarms.rules.operand import Operand
from twin.alarms.rules.schedule import WeeklySchedule
from twin.alarms.severity import Severity
from twin.errors import MessageError
from twin.instant import INSTANT_MAX, INSTANT_MIN, Duration, Instant
from twin.model.bilingual_text import BilingualText
from twin.model.observed_property import Theme
from twin.wire.codec import DECODE_ERRORS


class Level(msgspec.Struct, frozen=True):
    """A threshold: from `raised` on it is this bad, until the value is back at `clear`."""

    severity: Severity
    raised: float
    clear: float  #: not beyond `raised`: at most it above, at least it below


class Rate(msgspec.Struct, frozen=True, tag="rate"):
    """Judge how fast the operand changes: canonical unit per `per`, over the last `span`."""

    per: Duration
    span: Duration


class Deviation(msgspec.Struct, frozen=True, tag="deviation"):
    """Judge how far the operand is from its usual value at this hour of the week
    (`twin.alarms.evaluation.baseline`).
    """

    #: `absolute`: canonical unit; `percent` of the usual value; `spread`: scaled median absolute deviations
    measure: Literal["absolute", "percent", "spread"]


class QualityRank(msgspec.Struct, frozen=True, tag="quality"):
    """Judge how good the operand is: 0 good, 1 estimated, 2 late, 3 suspect. Maintenance does not count."""


Transform: TypeAlias = Rate | Deviation | QualityRank
"""What is judged of an operand instead of its value."""


class NOfM(msgspec.Struct, frozen=True):
    """Only `n` of the last `of` points beyond a threshold count."""

    n: int
    of: int


class ThresholdCondition(msgspec.Struct, frozen=True, kw_only=True, tag="threshold"):
    """A value beyond levels, each with a value of its own at which it is over."""

    operand: Operand
    direction: Literal["above", "below"]
    levels: tuple[Level, ...]  #: mildest first; at least one
    relative_to: str = ""  #: attribute of the entity that is added to every level; empty: none
    #: attribute of the entity by which every level is multiplied; empty: none
    share_of: str = ""
    transform: Transform | None = None
    times: NOfM | None = None


class ExpressionCondition(msgspec.Struct, frozen=True, kw_only=True, tag="expression"):
    """A CEL expression over several operands that is true when something is wrong (cel.dev)."""

    source: str
    operands: tuple[Operand, ...]  #: those that the expression names, in the order of their names
    severity: Severity


class SilenceCondition(msgspec.Struct, frozen=True, kw_only=True, tag="silence"):
    """A sensor of the entity tells nothing new for so many of its intervals, or so long.

    Judged by reception, by the clock of the log: a gap that is filled in later was a silence all the same.
    """

    severity: Severity
    intervals: float = 10.0  #: expected intervals
    after: Duration = 0  #: where greater than the intervals come to
    properties: tuple[str, ...] = ()  #: only sensors that observe one of these; empty: all


class OutageCondition(msgspec.Struct, frozen=True, kw_only=True, tag="outage"):
    """Nothing comes from all sensors of a gateway, a power supply or a feed
    (`twin.alarms.evaluation.shared_dependency`).
    """

    supply: Literal["gateway", "power", "feed"]
    severity: Severity
    reports_missed: float = 6.0  #: so many reports must be due, of all its sensors together
    sensors_min: int = 3  #: with fewer, each speaks for itself


Condition: TypeAlias = ThresholdCondition | ExpressionCondition | SilenceCondition | OutageCondition


class EntitySelection(msgspec.Struct, frozen=True, kw_only=True):
    """Which entities a rule is for: those that all of what is given here fits."""

    types: tuple[str, ...] = ()
    within: tuple[str, ...] = ()  #: these areas and everything below
    entities: tuple[str, ...] = ()
    relation: tuple[str, str] | None = None  #: (type, target): those that have this relation


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule. `version` rises with every change of its content; the database counts."""

    id: str
    version: int = 0
    title: BilingualText
    theme: Theme
    condition: Condition
    select: EntitySelection = EntitySelection()
    cause: str = ""  #: alarms of one cause and one area are one incident; empty: the rule's id
    incident_area: str = (
        "District"  #: type of the area, or the nearest one above; the city where there is none
    )
    on_delay: Duration = 0  #: event time for which it must be wrong before the alarm is raised
    off_delay: Duration = 0  #: event time for which it must be right before it returns
    quality: Literal["good", "any"] = "good"  #: which values count; what does not neither raises nor clears
    latching: bool = False  #: whether it stays until somebody resets it
    start: Instant = INSTANT_MIN  #: in force for phenomenon times from here …
    end: Instant = INSTANT_MAX  #: … until here
    schedule: WeeklySchedule | None = None  #: local times at which it counts; None: always
    guidance: BilingualText | None = None  #: what it means and what to do
    enabled: bool = True  #: False: all its alarms are out of service

    @property
    def incident_cause(self) -> str:
        """What its alarms are grouped by."""
        return self.cause or self.id

    def content(self) -> Rule:
        """Return the rule without its version: two of equal content are the same rule."""
        return msgspec.structs.replace(self, version=0)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Rule).decode


def encode_rule(rule: Rule) -> bytes:
    """Return a rule as JSON."""
    return _encode(rule)


def decode_rule(data: bytes | str) -> Rule:
    """Return what `encode_rule` was given; raise MessageError when this version cannot read it."""
    try:
        return _decode(data)
    except DECODE_ERRORS as error:
        raise MessageError(f"a rule of {len(data)} bytes cannot be read: {error}") from error


def operands_of(rule: Rule) -> tuple[Operand, ...]:
    """Return the operands that a rule is evaluated over; none of silences and outages."""
    match rule.condition:
        case ThresholdCondition(operand=operand):
            return (operand,)
        case ExpressionCondition(operands=operands):
            return operands
        case _:
            return ()


# The alarm of a rule that fails: what cannot be evaluated must be seen, never pass for silence.

RULE_ERROR_ID = "rule-error"
"""The rule that every city has: one alarm for each rule that fails on an entity."""


def rule_error_rule(rule: Rule) -> Rule:
    """Return the rule by which the failure of another one is told; all are one incident of the city."""
    return Rule(
        id=RULE_ERROR_ID,
        version=rule.version,
        title=BilingualText("Rule fails", "Regel faalt"),
        theme=rule.theme,
        condition=SilenceCondition(severity=Severity.MAJOR),  # never evaluated: what fails says so itself
        cause=RULE_ERROR_ID,
        incident_area="Municipality",
    )
