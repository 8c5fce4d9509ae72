"""Models of rules, of their versions, and of back-tests."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from api.alarms.models import AlarmIdText, RuleId, SeverityCounts
from api.entities.models import EntityId, PropertyName, Unit
from api.http.models import Count, DurationText, Link, Model, Time
from cities.files.weekly_times import DayWord
from storage.model.content_version import Origin
from twin.alarms.severity import SeverityWord
from twin.model.bilingual_text import BilingualText
from twin.model.observed_property import Theme

Version: TypeAlias = Annotated[int, Meta(ge=0, description="It rises with each change.", examples=[3])]
OperandText: TypeAlias = Annotated[
    str, Meta(description="A property, an indicator or a roll-up.", examples=["water_level"])
]
Levels: TypeAlias = Annotated[dict[SeverityWord, float], Meta(examples=[{"minor": 0.15, "major": 0.2}])]
WindowText: TypeAlias = Annotated[DurationText, Meta(examples=["PT10M"])]
TimeOfDayText: TypeAlias = Annotated[
    str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", examples=["07:30"])
]


class RuleRelation(Model, frozen=True, kw_only=True):
    """A relation that the entities of a rule have."""

    type: Annotated[str, Meta(examples=["drainsTo"])]
    target: EntityId


class RuleSelection(Model, frozen=True, kw_only=True):
    """The entities that a rule is for: those that meet every member."""

    types: Annotated[list[str], Meta(examples=[["Waterway", "Polder"]])] | UnsetType = UNSET
    within: list[EntityId] | UnsetType = UNSET
    entities: list[EntityId] | UnsetType = UNSET
    relation: RuleRelation | UnsetType = UNSET


class SilentSensor(Model, frozen=True, kw_only=True):
    """When a sensor is silent: after some of its intervals, and after some time."""

    intervals: float
    after: DurationText | UnsetType = UNSET
    properties: list[PropertyName] | UnsetType = UNSET


class RuleCondition(Model, frozen=True, kw_only=True):
    """The condition of a rule.

    It has one of `value`, `rateOf`, `deviationOf`, `qualityOf`, `silent`, `outage` and `expression`, and the
    members that go with it.
    """

    value: OperandText | UnsetType = UNSET
    rate_of: OperandText | UnsetType = UNSET
    deviation_of: OperandText | UnsetType = UNSET
    quality_of: OperandText | UnsetType = UNSET
    silent: SilentSensor | UnsetType = UNSET
    outage: Literal["gateway", "power", "feed"] | UnsetType = UNSET
    expression: Annotated[str, Meta(description="CEL.")] | UnsetType = UNSET
    severity: SeverityWord | UnsetType = UNSET
    in_: Annotated[str, Meta(description="A unit, percent or spread.")] | UnsetType = UNSET
    per: DurationText | UnsetType = UNSET
    span: DurationText | UnsetType = UNSET
    unit: Unit | UnsetType = UNSET
    relative_to: Annotated[str, Meta(description="An attribute of the entity.")] | UnsetType = UNSET
    share_of: Annotated[str, Meta(description="An attribute of the entity.")] | UnsetType = UNSET
    over: (
        Annotated[WindowText | dict[str, WindowText], Meta(description="A window, or those by operand.")]
        | UnsetType
    ) = UNSET
    statistic: Literal["mean", "sum", "last", "min", "max"] | UnsetType = UNSET
    above: Levels | UnsetType = UNSET
    below: Levels | UnsetType = UNSET
    clear: Levels | UnsetType = UNSET
    worse_than: dict[SeverityWord, Literal["good", "estimated", "late"]] | UnsetType = UNSET
    times: Annotated[str, Meta(examples=["3 of 5"])] | UnsetType = UNSET
    reports_missed: float | UnsetType = UNSET
    sensors_min: Count | UnsetType = UNSET


class RuleTimes(Model, frozen=True, kw_only=True):
    """Local times of day, on some days of the week or on all of them."""

    days: list[DayWord] | UnsetType = UNSET
    from_: TimeOfDayText | UnsetType = UNSET
    until: TimeOfDayText | UnsetType = UNSET


class RuleContent(Model, frozen=True, kw_only=True):
    """A rule as rules.yaml has it, in canonical units; a missing member has its default."""

    id: RuleId
    title: BilingualText
    theme: Theme
    select: RuleSelection
    when: RuleCondition
    cause: str | UnsetType = UNSET
    incident_area: Annotated[str, Meta(examples=["Municipality"])] | UnsetType = UNSET
    on_delay: DurationText | UnsetType = UNSET
    off_delay: DurationText | UnsetType = UNSET
    quality: Literal["good", "any"] | UnsetType = UNSET
    latching: bool | UnsetType = UNSET
    start: Time | UnsetType = UNSET
    end: Time | UnsetType = UNSET
    schedule: list[RuleTimes] | UnsetType = UNSET
    guidance: (
        Annotated[BilingualText, Meta(description="What staff is to do; missing for anonymous clients.")]
        | UnsetType
    ) = UNSET
    enabled: bool | UnsetType = UNSET


class RuleLinks(Model, frozen=True, kw_only=True):
    """Links of a rule."""

    self_: Link
    versions: Link
    alarms: Link


class RuleModel(RuleContent, frozen=True, kw_only=True):
    """A rule in force; origin, time and editor of its last change are null while the database is away."""

    version: Version
    origin: Origin | None
    changed_time: Time | None
    changed_by: str | None  #: null for anonymous clients
    links: RuleLinks


RESPONSE_MEMBERS = frozenset(RuleModel.__struct_encode_fields__) - {*RuleContent.__struct_encode_fields__}
"""What an answer adds to a rule; a client may send it back unchanged."""


class RuleVersionModel(Model, frozen=True, kw_only=True):
    """A version of a rule; that of a deletion has the last content."""

    version: Version
    deleted: bool
    origin: Origin
    changed_time: Time
    changed_by: str | None  #: null for anonymous clients
    rule: RuleContent


class RuleReference(Model, frozen=True, kw_only=True):
    """A rule of a back-test."""

    id: RuleId
    version: Version | None  #: null when it is not in force


class FiringModel(Model, frozen=True, kw_only=True):
    """One occurrence of an alarm."""

    alarm_id: AlarmIdText
    entity_id: EntityId
    sensor_id: str | None
    raised_time: Time
    returned_time: Time | None  #: null while it lasts
    duration: DurationText
    severity: Annotated[SeverityWord, Meta(description="The worst.")]
    peak: Annotated[float, Meta(description="The value furthest beyond the threshold.")] | None
    sentence: BilingualText


class EntityFirings(Model, frozen=True, kw_only=True):
    """The firings of one entity."""

    entity_id: EntityId
    firings: Count
    active: DurationText
    longest: DurationText


class BacktestNotifications(Model, frozen=True, kw_only=True):
    """The notifications that a rule would have caused."""

    total: Count
    most_in_ten_minutes: float
    most_time: Time | None
    by_severity: SeverityCounts


class Night(Model, frozen=True, kw_only=True):
    """A night, by the date of its evening."""

    evening: Annotated[str, Meta(extra_json_schema={"format": "date"})]
    count: Count


class NightNotifications(Model, frozen=True, kw_only=True):
    """The notifications in the nights, of a severity and worse ones."""

    severity: SeverityWord
    nights: Count
    total: Count
    mean: float
    most: Count
    by_night: list[Night]


class AlarmRepetitions(Model, frozen=True, kw_only=True):
    """How often an alarm was raised."""

    alarm_id: AlarmIdText
    count: Count


class EntityFault(Model, frozen=True, kw_only=True):
    """Why the rule could not be evaluated on an entity."""

    entity_id: EntityId
    detail: str


class ChangedFiringModel(Model, frozen=True, kw_only=True):
    """A firing that both rules have, with different times or severities."""

    before: FiringModel
    after: FiringModel


class BacktestDifference(Model, frozen=True, kw_only=True):
    """The difference to another rule; the counts include what the lists leave out."""

    compared_with: RuleReference
    firing_count: Count
    notifications: Count
    added_count: Count
    removed_count: Count
    changed_count: Count
    unchanged_count: Count
    added: list[FiringModel]
    removed: list[FiringModel]
    changed: list[ChangedFiringModel]


class BacktestResultModel(Model, frozen=True, kw_only=True):
    """The alarms that a rule would have raised; the counts include what the lists leave out."""

    rule: RuleReference
    start: Time
    end: Time
    entities: Count
    firing_count: Count
    firings: list[FiringModel]
    per_entity: list[EntityFirings]
    notifications: BacktestNotifications
    notifications_per_night: NightNotifications
    chattering: list[AlarmRepetitions]
    fleeting: list[AlarmRepetitions]
    faults: list[EntityFault]
    difference: BacktestDifference | None  #: null when no rule of that id is in force
