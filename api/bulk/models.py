"""Models of the lines of JSON that downloads have; they describe the lines, and encoders write them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.alarms.models import AlarmIdText, EventKind, RuleId, ThemeText
from api.entities.models import EntityId, PropertyName, SensorId, Unit
from api.http.models import Count, Model, Revision, Time
from twin.alarms.severity import SeverityWord
from twin.alarms.state_machine import AlarmState
from twin.quality.quality_flags import QualityWord

RowCursor = Annotated[str, Meta(description="In the last row of each part, if more rows may follow.")]


class ObservationRow(Model, frozen=True, kw_only=True):
    """A row of observations."""

    phenomenon_time: Time
    received_time: Time
    datastream_id: int
    entity_id: EntityId
    sensor_id: Annotated[SensorId, Meta(description="Null when the sensor has left the model.")] | None
    property: PropertyName
    value: float | None
    unit: Unit
    quality: QualityWord
    cursor: RowCursor | None


class AlarmEventRow(Model, frozen=True, kw_only=True):
    """A row of events of alarms."""

    told_time: Annotated[Time, Meta(description="When it was published: the order of the rows.")]
    time: Time
    alarm_id: AlarmIdText
    revision: Revision
    amendment: Annotated[Count, Meta(description="Above 0 for an event that was added to the past.")]
    kind: EventKind
    late: Annotated[bool, Meta(description="Whether late data caused it, so it concerns the past.")]
    rule: RuleId
    rule_version: Count
    entity_id: EntityId
    sensor_id: SensorId | None
    theme: ThemeText
    state: AlarmState
    active: bool
    acknowledged: bool
    severity: SeverityWord
    occurrence: Count
    raised_time: Time | None
    returned_time: Time | None
    acknowledged_time: Time | None
    acknowledged_by: Annotated[str, Meta(description="Null for anonymous clients.")] | None
    shelved_until: Time | None
    suppressed_by: str | None
    assignee: Annotated[str, Meta(description="Null for anonymous clients.")] | None
    cause: str
    area: str
    sentence_en: str
    sentence_nl: str
    operands: Annotated[str, Meta(description="JSON: the values that the rule found.")]
    actor: Annotated[str, Meta(description="Null for the process, and for anonymous clients.")] | None
    text: str | None
    cursor: RowCursor | None
