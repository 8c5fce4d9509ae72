"""Models of the events of the live stream; a webhook and MQTT have the same data."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from api.alarms.models import AlarmIdText, EventKind, RuleId, ThemeText
from api.entities.models import EntityId, LastGood, PropertyName, SensorId, Unit
from api.http.models import Count, Model, Revision, Time, any_of
from twin.alarms.severity import SeverityWord
from twin.alarms.state_machine import AlarmState
from twin.model.bilingual_text import BilingualText
from twin.quality.quality_flags import QualityWord
from twin.state.freshness import Freshness

CursorText: TypeAlias = Annotated[
    str, Meta(description="Opaque: the position after the event, from which a client resumes.")
]
AlarmStateWord: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": list(AlarmState)})]
Last: TypeAlias = Annotated[bool, Meta(description="True in the last event of a snapshot, else missing.")]


# Positional and without garbage collection: a snapshot makes one for each value.
class StateData(Model, frozen=True, gc=False):
    """A value of a property, an indicator or a roll-up."""

    entity_id: EntityId
    property: PropertyName
    value: float
    unit: Unit
    phenomenon_time: Time
    received_time: Time
    quality: QualityWord
    freshness: Freshness
    revision: Revision
    count: Count | UnsetType = UNSET
    last_good: LastGood | UnsetType = UNSET
    members: Count | UnsetType = UNSET
    members_expected: Count | UnsetType = UNSET
    preliminary: bool | UnsetType = UNSET


class SnapshotState(StateData, frozen=True, gc=False):
    """A value in a snapshot."""

    complete: Last | UnsetType = UNSET


class OperandData(Model, frozen=True, kw_only=True, gc=False):
    """An operand with its value at the last change that the process caused."""

    name: PropertyName
    entity_id: EntityId
    value: float | None  #: null where it is personal data
    unit: Unit
    quality: QualityWord
    time: Time
    threshold: float | None


class AlarmData(Model, frozen=True, kw_only=True, gc=False):
    """An alarm: the part that every role may see."""

    alarm_id: AlarmIdText
    revision: Revision
    kind: EventKind
    time: Time
    late: bool
    rule: RuleId
    rule_version: Count
    entity_id: EntityId
    sensor_id: SensorId | None
    theme: ThemeText
    state: AlarmStateWord
    active: bool
    severity: SeverityWord
    occurrence: Count
    raised_time: Time | None
    returned_time: Time | None
    acknowledged_time: Time | None
    shelved_until: Time | None
    suppressed_by: str | None
    cause: str
    area: str
    sentence: BilingualText
    operands: list[OperandData]


class SnapshotAlarm(AlarmData, frozen=True, kw_only=True, gc=False):
    """An alarm in a snapshot."""

    complete: Last | UnsetType = UNSET


class EmptySnapshot(Model, frozen=True, kw_only=True):
    """The only event of a snapshot in which nothing matches."""

    complete: Last = True


class GapReason(StrEnum):
    """Why a subscriber missed events and gets a snapshot instead."""

    LOG_CHANGED = "log-changed"  #: a new log replaced the one that the cursor names
    LOG_TRUNCATED = "log-truncated"  #: the log no longer reaches back to the cursor
    LOG_UNREADABLE = "log-unreadable"  #: the log could not be re-read at that moment
    CURSOR_AHEAD = "cursor-ahead"  #: the cursor points beyond the end of the log
    TOO_SLOW = "too-slow"  #: the subscriber did not read as fast as events came


class GapData(Model, frozen=True, kw_only=True):
    """Why events are missing: a snapshot follows."""

    reason: GapReason
    detail: str


class HeartbeatData(Model, frozen=True, kw_only=True):
    """How far the stream is: what tells a live stream from a connection that is merely open."""

    time: Annotated[Time, Meta(description="Now, by the clock of the server.")]
    caught_up_time: Annotated[
        Time | None,
        Meta(
            description="Everything that the log had at this time was sent before. It falls behind `time` "
            "while the log is not read, or too slowly; null until it was read to its end once."
        ),
    ]
    update_time: Annotated[
        Time | None,
        Meta(
            description="When the newest record of values was written to the log; where sensors report, it "
            "falls behind `time` while nothing makes values of what they report. Null before the first."
        ),
    ]


SNAPSHOT_DATA = (SnapshotState, SnapshotAlarm, EmptySnapshot)


class LiveSnapshotEvent(Model, tag_field="event", tag="snapshot", frozen=True, kw_only=True):
    """A value or an alarm as it is when a snapshot is made."""

    id: CursorText
    data: Annotated[Any, any_of(*SNAPSHOT_DATA)]


class LiveStateEvent(Model, tag_field="event", tag="state", frozen=True, kw_only=True):
    """A changed value, or one that became stale or silent."""

    id: CursorText
    data: StateData


class LiveAlarmEvent(Model, tag_field="event", tag="alarm", frozen=True, kw_only=True):
    """A changed alarm."""

    id: CursorText
    data: AlarmData


class LiveGapEvent(Model, tag_field="event", tag="gap", frozen=True, kw_only=True):
    """Events were missed; it has the reason."""

    id: CursorText
    data: GapData


class LiveHeartbeatEvent(Model, tag_field="event", tag="heartbeat", frozen=True, kw_only=True):
    """A sign of life, for who asks for it with `heartbeat`."""

    id: CursorText
    data: HeartbeatData


AnyLiveEvent: TypeAlias = (
    LiveSnapshotEvent | LiveStateEvent | LiveAlarmEvent | LiveGapEvent | LiveHeartbeatEvent
)
