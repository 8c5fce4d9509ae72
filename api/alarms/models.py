"""Models of alarms, their events and episodes, of incidents, and of the statistics of the alarm system."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

from msgspec import UNSET, Meta, UnsetType

from api.entities.models import EntityId, PropertyName, SensorId, Unit
from api.http.models import Count, DurationText, Link, Model, Revision, Time
from twin.alarms.rules.operand import Statistic
from twin.alarms.severity import SeverityWord
from twin.alarms.state_machine import AlarmState
from twin.model.bilingual_text import BilingualText
from twin.model.observed_property import Theme
from twin.quality.quality_flags import QualityWord

AlarmIdText: TypeAlias = Annotated[
    str,
    Meta(
        description="`rule~entity`, or `rule~entity~sensor`.",
        examples=["high-water~alkmaar.singelgracht"],
    ),
]
IncidentIdText: TypeAlias = Annotated[
    str, Meta(description="`cause~area~number`.", examples=["high-water~alkmaar~4"])
]
CommandId: TypeAlias = Annotated[str, Meta(examples=["bcbc434d82ed0c255ae0f97cece70323"])]
RuleId: TypeAlias = Annotated[str, Meta(examples=["high-water"])]
ThemeText: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": list(get_args(Theme))})]
EventKind: TypeAlias = Annotated[
    str,
    Meta(
        extra_json_schema={
            "enum": [
                *("raised", "worsened", "eased", "returned", "retracted", "reassessed", "withdrawn"),
                *("acknowledged", "reset", "shelved", "unshelved", "suppressed", "unsuppressed"),
                *("removed", "restored", "assigned", "commented"),
            ]
        }
    ),
]
AlarmRateRating: TypeAlias = Literal["acceptable", "manageable", "over-demanding", "unacceptable"]
ReplyOutcome: TypeAlias = Literal[
    "acknowledged",
    "changed",
    "over",
    "used",
    "unanswered",
    "expired",
    "unknown-code",
    "no-code",
    "unknown-sender",
]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class ProvenanceLinks(Model, frozen=True, kw_only=True):
    """The link from a value back to the raw messages."""

    provenance: Link


class OperandObservation(Model, frozen=True, kw_only=True):
    """A reading behind the value of an operand."""

    datastream_id: int
    sensor_id: SensorId
    property: PropertyName
    phenomenon_time: Time
    links: ProvenanceLinks


class OperandWindow(Model, frozen=True, kw_only=True):
    """The window that an operand is the statistic of; `end` is exclusive."""

    start: Time
    end: Time
    statistic: Statistic


class OperandModel(Model, frozen=True, kw_only=True):
    """An operand of a rule as it was at the last change by the process."""

    name: PropertyName
    entity_id: EntityId
    value: Annotated[float, Meta(description="Null where it is personal data.")] | None
    unit: Unit
    quality: QualityWord
    time: Annotated[Time, Meta(description="Of a window its end.")]
    window: OperandWindow | None
    threshold: Annotated[float, Meta(description="What the value is compared with.")] | None
    observations: Annotated[
        list[OperandObservation], Meta(description="Newest first; those that the role may see.")
    ]
    links: ProvenanceLinks


class AlarmExplanation(Model, frozen=True, kw_only=True):
    """What the rule found."""

    rule: RuleId
    rule_version: Count
    operands: list[OperandModel]


class AlarmCondition(Model, frozen=True, kw_only=True):
    """The condition of an alarm after a change."""

    rule: RuleId
    rule_version: Count
    entity_id: EntityId
    sensor_id: Annotated[SensorId, Meta(description="Null unless it is of one sensor.")] | None
    theme: ThemeText
    state: AlarmState
    active: Annotated[bool, Meta(description="Whether the condition holds.")]
    acknowledged: bool
    severity: SeverityWord
    occurrence: Annotated[Count, Meta(description="Counts from 1.")]
    raised_time: Annotated[Time, Meta(description="Null when the occurrence was retracted.")] | None
    returned_time: Time | None
    acknowledged_time: Time | None
    acknowledged_by: Annotated[str, Meta(description="Null for anonymous clients.")] | None
    shelved_until: Time | None
    suppressed_by: Annotated[str, Meta(description="Id of an alarm, or `maintenance`.")] | None
    assignee: Annotated[str, Meta(description="Null for anonymous clients.")] | None
    cause: Annotated[str, Meta(description="Of the incident.", examples=["high-water"])]
    area: Annotated[str, Meta(description="Of the incident.", examples=["alkmaar"])]
    sentence: BilingualText
    explanation: AlarmExplanation


class AlarmLinks(Model, frozen=True, kw_only=True):
    """Links of an alarm."""

    self_: Link
    events: Link
    entity: Link
    incident: Link | UnsetType = UNSET


class AlarmModel(AlarmCondition, frozen=True, kw_only=True):
    """An alarm as it is now."""

    id: AlarmIdText
    revision: Revision
    time: Annotated[Time, Meta(description="Of the last change.")]
    title: Annotated[BilingualText, Meta(description="Null when the rule was deleted.")] | None
    guidance: (
        Annotated[BilingualText, Meta(description="What staff is to do; null for anonymous clients.")] | None
    )
    entity_name: str | None
    incident_id: IncidentIdText | None
    links: AlarmLinks


class AlarmEventModel(AlarmCondition, frozen=True, kw_only=True):
    """A change of an alarm, with its condition afterwards."""

    alarm_id: AlarmIdText
    revision: Revision
    amendment: Annotated[Count, Meta(description="Above 0 for an event that was added to the past.")]
    kind: EventKind
    time: Time
    told_time: Annotated[Time, Meta(description="When it was published.")]
    late: Annotated[bool, Meta(description="Whether late data caused it, so it concerns the past.")]
    actor: Annotated[str, Meta(description="Null for the process, and for anonymous clients.")] | None
    text: Annotated[str, Meta(description="Comment or reason.")] | None


class AlarmEpisode(Model, frozen=True, kw_only=True):
    """A time in which an alarm was active."""

    alarm_id: AlarmIdText
    entity_id: EntityId
    sensor_id: SensorId | None
    raised_time: Time
    returned_time: Annotated[Time, Meta(description="Null while it is active.")] | None
    duration: Annotated[DurationText, Meta(description="Until `end` while it is active.")]
    severity: SeverityWord


class AlarmEpisodes(Model, frozen=True, kw_only=True):
    """The episodes of an alarm from `start` to `end` (exclusive)."""

    start: Time
    end: Time
    items: list[AlarmEpisode]


class IncidentLinks(Model, frozen=True, kw_only=True):
    """Links of an incident."""

    self_: Link
    area: Link
    notifications: Link


class IncidentModel(Model, frozen=True, kw_only=True):
    """Alarms of one cause and one area together."""

    id: IncidentIdText
    revision: Revision
    time: Annotated[Time, Meta(description="Of the last change.")]
    cause: Annotated[str, Meta(examples=["high-water"])]
    area: Annotated[str, Meta(examples=["alkmaar"])]
    area_name: str | None
    theme: ThemeText
    open: Annotated[bool, Meta(description="Whether any of its alarms is active.")]
    severity: Annotated[
        SeverityWord, Meta(description="The worst of its active alarms; once closed, of all its alarms.")
    ]
    opened_time: Time
    closed_time: Time | None
    links: IncidentLinks


class IncidentWithAlarms(IncidentModel, frozen=True, kw_only=True):
    """An incident with its present alarms that the role may see."""

    alarms: list[AlarmModel]


class AlarmCountModel(Model, frozen=True, kw_only=True):
    """An alarm, and how often it was raised."""

    alarm_id: AlarmIdText
    rule: RuleId
    count: Count


class BadActor(AlarmCountModel, frozen=True, kw_only=True):
    """An alarm that takes a large part of the attention of operators."""

    share: Annotated[Share, Meta(description="Of all alarms.")]


class StaleAlarm(Model, frozen=True, kw_only=True):
    """An alarm whose condition has held for more than 24 hours."""

    alarm_id: AlarmIdText
    rule: RuleId
    raised_time: Time


class FloodModel(Model, frozen=True, kw_only=True):
    """A time with more alarms than one operator can handle."""

    start: Time
    end: Time
    count: Annotated[Count, Meta(description="Alarms of all operators.")]
    peak: Annotated[float, Meta(description="The most for one operator in ten minutes.")]


class AlarmRate(Model, frozen=True, kw_only=True):
    """Alarms that one operator got in ten minutes."""

    average: float
    peak: float
    peak_time: Time | None
    rating: Annotated[AlarmRateRating, Meta(description="Of the average, by EEMUA 191.")]


class SeverityCounts(Model, frozen=True, kw_only=True):
    """The number of alarms of each severity."""

    warning: Count
    minor: Count
    major: Count
    critical: Count


class DelayPercentiles(Model, frozen=True, kw_only=True):
    """How long acknowledgements took; null without any."""

    p50: DurationText | None
    p95: DurationText | None


class AlarmStatisticsModel(Model, frozen=True, kw_only=True):
    """The statistics of the alarm system from `start` to `end` (exclusive), after EEMUA 191 and ISA-18.2."""

    start: Time
    end: Time
    operators: Annotated[Count, Meta(description="Operators who share the alarms evenly.")]
    annunciated: Annotated[Count, Meta(description="Alarms raised, or raised again because they worsened.")]
    per_operator_ten_minutes: AlarmRate
    floods: list[FloodModel]
    flooded_share: Annotated[Share, Meta(description="Share of the time in floods.")]
    chattering: Annotated[
        list[AlarmCountModel], Meta(description="Raised three times or more within a minute.")
    ]
    fleeting: Annotated[list[AlarmCountModel], Meta(description="Held for less than a minute.")]
    bad_actors: Annotated[list[BadActor], Meta(description="The most frequent ones.")]
    by_severity: SeverityCounts
    acknowledged: Count
    acknowledge_delay: DelayPercentiles
    standing: Annotated[Count, Meta(description="Alarms that are not normal now.")]
    stale: list[StaleAlarm]
    truncated: Annotated[bool, Meta(description="Whether there were more changes than are counted.")]


class AlarmCommandLinks(Model, frozen=True, kw_only=True):
    """Where the outcome of a command will be."""

    alarm: Link
    events: Link


class AcceptedAlarmCommand(Model, frozen=True, kw_only=True):
    """A command to an alarm that is on the log, without an outcome yet."""

    command_id: CommandId
    detail: str
    links: AlarmCommandLinks


class RefusedAcknowledgement(Model, frozen=True, kw_only=True):
    """An alarm that a command did not acknowledge."""

    alarm_id: AlarmIdText
    reason: str


class AcknowledgedIncident(IncidentWithAlarms, frozen=True, kw_only=True):
    """An incident after an acknowledgement, with the outcome for each alarm that waited for it."""

    acknowledged: list[AlarmIdText]
    refused: list[RefusedAcknowledgement]
    unanswered: Annotated[list[AlarmIdText], Meta(description="Without an outcome yet.")]


class DutyCommandLinks(Model, frozen=True, kw_only=True):
    """Where the outcome of a command to the duty loop will be."""

    incident: Link


class AcceptedDutyCommand(Model, frozen=True, kw_only=True):
    """A command that the duty loop will execute."""

    command_id: CommandId
    links: DutyCommandLinks


class ReplyLinks(Model, frozen=True, kw_only=True):
    """Links of a reply."""

    incident: Link | UnsetType = UNSET


class ReplyAnswer(Model, frozen=True, kw_only=True):
    """What became of a reply, and a text for its sender."""

    outcome: ReplyOutcome
    answer: Annotated[str, Meta(description="Empty for a stranger: nobody pays for that message.")]
    contact_id: Annotated[str, Meta(examples=["water"])] | None
    notification_id: Annotated[str, Meta(examples=["high-water~alkmaar~4~1~0~0~water~sms"])] | None
    incident_id: IncidentIdText | None
    links: ReplyLinks
