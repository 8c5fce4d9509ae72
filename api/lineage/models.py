"""Models of the lineage of a value: the value, its inputs or members, and the messages behind them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from api.entities.models import EntityId, LastGood, PropertyName, SensorId, Unit
from api.history.models import Coverage, SuspectCount
from api.http.models import Count, Link, Model, Revision, Time
from api.http.pages import PageLinks
from twin.indicators.indicator import Averaging, Need
from twin.model.observed_property import Combination, RollUp
from twin.quality.quality_flags import QualityWord
from twin.state.freshness import Freshness

Truncated: TypeAlias = Annotated[bool, Meta(description="Whether there are more than are listed.")]
Withheld: TypeAlias = Annotated[str, Meta(description="Why readings are not listed.")]


class LineageValue(Model, frozen=True, kw_only=True):
    """A value: the present one, one that observations of an earlier time combine to, or a published one."""

    value: float
    unit: Unit
    phenomenon_time: Time
    quality: QualityWord
    count: Annotated[Count, Meta(description="Sensors or, of households, connections behind it.")]
    received_time: Time | UnsetType = UNSET
    freshness: Annotated[Freshness, Meta(description="Of the present value.")] | UnsetType = UNSET
    revision: Revision | UnsetType = UNSET
    last_good: LastGood | UnsetType = UNSET
    combination: Combination | UnsetType = UNSET
    sensor_ids: list[str] | UnsetType = UNSET
    deviating_sensor_ids: list[str] | UnsetType = UNSET
    members: Count | UnsetType | None = UNSET
    members_expected: Count | UnsetType | None = UNSET
    preliminary: bool | UnsetType = UNSET
    deviating_entity_ids: list[str] | UnsetType = UNSET


class LogPosition(Model, frozen=True, kw_only=True):
    """The position of a record on the log."""

    id: Annotated[str, Meta(description="Of the log.", examples=["livetwin-1"])]
    topic: Annotated[str, Meta(examples=["observations"])]
    partition: Count
    offset: Annotated[Count, Meta(extra_json_schema={"format": "int64"})]


class LineageMessage(Model, frozen=True, kw_only=True):
    """A message as it was received; a stored one that cannot be read has `problem` alone.

    Topic, device, payload and hash are null for roles that may not see which device it is; the payload is
    null for anonymous clients.
    """

    topic: str | UnsetType | None = UNSET
    feed: Annotated[str, Meta(examples=["ttn"])] | UnsetType = UNSET
    device: str | UnsetType | None = UNSET
    received_time: Time | UnsetType = UNSET
    decoder: Annotated[str, Meta(examples=["ttn"])] | UnsetType = UNSET
    decoder_version: int | UnsetType = UNSET
    payload_bytes: Annotated[Count, Meta(description="Its length.")] | UnsetType = UNSET
    payload_sha256: Annotated[str, Meta(description="Hexadecimal.")] | UnsetType | None = UNSET
    payload: Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})] | UnsetType | None = UNSET
    session: Annotated[str, Meta(description="The run of ingest that received it.")] | UnsetType = UNSET
    sequence: Annotated[Count, Meta(description="In its session.")] | UnsetType | None = UNSET
    replayed: bool | UnsetType = UNSET
    log: LogPosition | UnsetType = UNSET
    problem: Annotated[str, Meta(description="Why it cannot be read.")] | UnsetType = UNSET


class CalibrationPeriod(Model, frozen=True, kw_only=True):
    """The calibration that was valid: value = gain × raw value + offset."""

    start: Time
    end: Annotated[Time, Meta(description="Exclusive; null: still valid.")] | None
    gain: float
    offset: float


class ObservationLineage(Model, frozen=True, kw_only=True):
    """One observation, and the message that it arrived in."""

    datastream_id: int
    sensor_id: SensorId
    phenomenon_time: Time
    received_time: Time
    raw_value: Annotated[float, Meta(description="Before the calibration.")]
    value: float
    quality: QualityWord
    flags: Annotated[list[str], Meta(description="Facts about its quality.", examples=[["late", "spike"]])]
    calibration: CalibrationPeriod | None
    message: Annotated[LineageMessage, Meta(description="Null: it is not stored any more.")] | None


class LineageAggregate(Model, frozen=True, kw_only=True):
    """The aggregate of the listed observations; null without usable ones."""

    count: Count
    suspect: SuspectCount
    mean: float | None
    min: float | None
    max: float | None


class InputBucket(Model, frozen=True, kw_only=True):
    """The aggregate of one window of an input."""

    start: Time
    end: Time
    value: float | None
    count: Count
    suspect: SuspectCount
    coverage: Coverage | None
    quality: QualityWord | None


class LineageLinks(Model, frozen=True, kw_only=True):
    """The link one level further down."""

    provenance: Link


class InputLineage(Model, frozen=True, kw_only=True):
    """A property that an indicator is computed from; one that has left the model has only the first three."""

    property: PropertyName
    averaging: Averaging
    need: Need
    unit: Unit | UnsetType = UNSET
    start: Annotated[Time, Meta(description="Of the values that the indicator uses.")] | UnsetType = UNSET
    end: Time | UnsetType = UNSET
    values: Annotated[list[LineageValue], Meta(description="Published values.")] | UnsetType = UNSET
    buckets: list[InputBucket] | UnsetType = UNSET
    observations: list[ObservationLineage] | UnsetType = UNSET
    truncated: Truncated | UnsetType = UNSET
    withheld: Withheld | UnsetType = UNSET
    links: LineageLinks | UnsetType = UNSET


class ContributionModel(LineageValue, frozen=True, kw_only=True):
    """The value that an entity or area contributes to that of an area."""

    entity_id: EntityId
    property: PropertyName
    links: LineageLinks


class ProvenanceMembers(Model, frozen=True, kw_only=True):
    """What every lineage has: `value` of one time, null where there is none, or `values` of a range."""

    entity_id: EntityId
    property: PropertyName
    unit: Unit
    value: LineageValue | UnsetType | None = UNSET
    values: Annotated[list[LineageValue], Meta(description="Published values.")] | UnsetType = UNSET
    links: PageLinks


class ObservedProvenance(ProvenanceMembers, tag_field="kind", tag="observed", frozen=True, kw_only=True):
    """The lineage of an observed property: its observations."""

    aggregate: (
        Annotated[LineageAggregate, Meta(description="Of a range; null where `truncated`.")]
        | UnsetType
        | None
    ) = UNSET
    observations: list[ObservationLineage]
    truncated: Truncated
    withheld: Withheld | UnsetType = UNSET


class IndicatorProvenance(ProvenanceMembers, tag_field="kind", tag="indicator", frozen=True, kw_only=True):
    """The lineage of an indicator: its formula and inputs."""

    formula: str
    source: Annotated[str, Meta(description="Of the formula.")]
    inputs: list[InputLineage]


class RollUpProvenance(ProvenanceMembers, tag_field="kind", tag="rollUp", frozen=True, kw_only=True):
    """The lineage of the value of an area: what its entities and areas contribute."""

    roll_up: RollUp
    contributions: list[ContributionModel]
    truncated: Truncated
    missing_entity_ids: Annotated[
        list[str], Meta(description="Directly in the area, and not behind its value, although they could be.")
    ]


Provenance: TypeAlias = ObservedProvenance | IndicatorProvenance | RollUpProvenance
