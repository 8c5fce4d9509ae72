"""Rules: the conditions that raise alarms, as data.

A rule is stored as the JSON that `encode_rule` makes of it; the documents that people write (YAML, API) are
read by `cities.rules`. All durations are in microseconds; thresholds are in the operand's canonical unit.
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
    """A threshold: the severity holds from `raised` on, until the value is back at `clear`."""

    severity: Severity
    raised: float
    clear: float  #: at most `raised` for `above`, at least `raised` for `below`


class Rate(msgspec.Struct, frozen=True, tag="rate"):
    """The condition compares the operand's rate of change: canonical unit per `per`, over the last `span`."""

    per: Duration
    span: Duration


class Deviation(msgspec.Struct, frozen=True, tag="deviation"):
    """The condition compares the distance of the operand from its baseline at this hour of the week."""

    #: `absolute`: canonical unit; `percent` of the baseline; `spread`: scaled median absolute deviations
    measure: Literal["absolute", "percent", "spread"]


class QualityRank(msgspec.Struct, frozen=True, tag="quality"):
    """The condition compares the operand's quality: 0 good, 1 estimated, 2 late, 3 suspect.

    Values under maintenance do not count.
    """


Transform: TypeAlias = Rate | Deviation | QualityRank
"""What a condition compares instead of the operand's value."""


class NOfM(msgspec.Struct, frozen=True):
    """The threshold is passed if `n` of the last `of` points are beyond it."""

    n: int
    of: int


class ThresholdCondition(msgspec.Struct, frozen=True, kw_only=True, tag="threshold"):
    """A value beyond levels, each with its own value for the return."""

    operand: Operand
    direction: Literal["above", "below"]
    levels: tuple[Level, ...]  #: at least one; by rising severity
    relative_to: str = ""  #: an attribute of the entity to add to every level; empty: none
    #: an attribute of the entity to multiply every level by; empty: none
    share_of: str = ""
    transform: Transform | None = None
    times: NOfM | None = None


class ExpressionCondition(msgspec.Struct, frozen=True, kw_only=True, tag="expression"):
    """A CEL expression (cel.dev) over operands that is true while the alarm condition holds."""

    source: str
    operands: tuple[Operand, ...]  #: the operands in the expression, in the order of their names
    severity: Severity


class SilenceCondition(msgspec.Struct, frozen=True, kw_only=True, tag="silence"):
    """A sensor of the entity sends nothing new for a number of its intervals, or for a duration.

    The time of reception counts, by the clock of the log: data that arrive after a gap do not undo the
    silence.
    """

    severity: Severity
    intervals: float = 10.0  #: expected intervals
    after: Duration = 0  #: the least duration, if longer than the intervals
    properties: tuple[str, ...] = ()  #: only sensors that observe one of these properties; empty: all


class OutageCondition(msgspec.Struct, frozen=True, kw_only=True, tag="outage"):
    """Nothing is received from all sensors of a gateway, a power supply or a feed.

    See `twin.alarms.evaluation.shared_dependency`.
    """

    supply: Literal["gateway", "power", "feed"]
    severity: Severity
    reports_missed: float = 6.0  #: reports that must be due, of all its sensors together
    sensors_min: int = 3  #: fewer sensors raise only their own silence alarms


Condition: TypeAlias = ThresholdCondition | ExpressionCondition | SilenceCondition | OutageCondition


class EntitySelection(msgspec.Struct, frozen=True, kw_only=True):
    """The entities that a rule is for: those that match every given part."""

    types: tuple[str, ...] = ()
    within: tuple[str, ...] = ()  #: these areas and all entities in them
    entities: tuple[str, ...] = ()
    relation: tuple[str, str] | None = None  #: (type, target): entities with this relation


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule. `version` increases with every change of its content; the database assigns it."""

    id: str
    version: int = 0
    title: BilingualText
    theme: Theme
    condition: Condition
    select: EntitySelection = EntitySelection()
    cause: str = ""  #: alarms of one cause and one area form one incident; empty: the rule's id
    incident_area: str = (
        "District"  #: type of the nearest area that contains the entity; if there is none, the city
    )
    on_delay: Duration = 0  #: event time for which the condition must hold before the alarm is raised
    off_delay: Duration = 0  #: event time for which the condition must be clear before the alarm returns
    quality: Literal["good", "any"] = "good"  #: the values that count; others neither raise nor clear
    latching: bool = False  #: whether the alarm stays until a person resets it
    start: Instant = INSTANT_MIN  #: first phenomenon time for which the rule counts
    end: Instant = INSTANT_MAX  #: phenomenon time from which on the rule no longer counts
    schedule: WeeklySchedule | None = None  #: local times at which the rule counts; None: always
    guidance: BilingualText | None = None  #: what the alarm means and what to do
    enabled: bool = True  #: False: all its alarms are out of service

    @property
    def incident_cause(self) -> str:
        """The cause by which its alarms are grouped into incidents."""
        return self.cause or self.id

    def content(self) -> Rule:
        """Return the rule without its version, to compare the content of two rules."""
        return msgspec.structs.replace(self, version=0)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Rule).decode


def encode_rule(rule: Rule) -> bytes:
    """Return a rule as JSON."""
    return _encode(rule)


def decode_rule(data: bytes | str) -> Rule:
    """Return the rule that `encode_rule` encoded. Raises MessageError if this version cannot read it."""
    try:
        return _decode(data)
    except DECODE_ERRORS as error:
        raise MessageError(f"a rule of {len(data)} bytes cannot be read: {error}") from error


def operands_of(rule: Rule) -> tuple[Operand, ...]:
    """Return the operands that a rule is evaluated over; none for silences and outages."""
    match rule.condition:
        case ThresholdCondition(operand=operand):
            return (operand,)
        case ExpressionCondition(operands=operands):
            return operands
        case _:
            return ()


RULE_ERROR_ID = "rule-error"
"""The id of the built-in rule with one alarm for each rule that fails on an entity.

A rule that cannot be evaluated must be visible; it must not look like a rule without alarms.
"""


def rule_error_rule(rule: Rule) -> Rule:
    """Return the built-in rule that reports the failure of a rule.

    All its alarms form one incident of the city.
    """
    return Rule(
        id=RULE_ERROR_ID,
        version=rule.version,
        title=BilingualText("Rule fails", "Regel faalt"),
        theme=rule.theme,
        condition=SilenceCondition(severity=Severity.MAJOR),  # never evaluated
        cause=RULE_ERROR_ID,
        incident_area="Municipality",
    )
