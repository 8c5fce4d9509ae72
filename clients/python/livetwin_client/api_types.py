"""Types of the API, written from its OpenAPI document by `python -m tests.standards.python_client_types`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, final


@final
class LastGood(TypedDict):
    """The newest value that was good, beside one that is suspect."""

    value: float
    #: RFC 3339, UTC.
    phenomenonTime: str


@final
class SnapshotState(TypedDict):
    """A value in a snapshot."""

    entityId: str
    property: str
    value: float
    #: UCUM.
    unit: str
    #: RFC 3339, UTC.
    phenomenonTime: str
    #: RFC 3339, UTC.
    receivedTime: str
    quality: Literal["estimated", "good", "late", "maintenance", "suspect"]
    freshness: Literal["live", "silent", "stale"]
    #: Rises with each change, by leaps when the city model changes; 0 before the first.
    revision: int
    count: NotRequired[int]
    lastGood: NotRequired[LastGood]
    members: NotRequired[int]
    membersExpected: NotRequired[int]
    preliminary: NotRequired[bool]
    #: True in the last event of a snapshot, else missing.
    complete: NotRequired[bool]


@final
class BilingualText(TypedDict):
    """The same text in English and in Dutch. Stored as JSON within rules."""

    en: str
    nl: str


@final
class OperandData(TypedDict):
    """An operand with its value at the last change that the process caused."""

    name: str
    entityId: str
    value: float | None
    #: UCUM.
    unit: str
    quality: Literal["estimated", "good", "late", "maintenance", "suspect"]
    #: RFC 3339, UTC.
    time: str
    threshold: float | None


@final
class SnapshotAlarm(TypedDict):
    """An alarm in a snapshot."""

    #: `rule~entity`, or `rule~entity~sensor`.
    alarmId: str
    #: Rises with each change, by leaps when the city model changes; 0 before the first.
    revision: int
    kind: Literal[
        "raised",
        "worsened",
        "eased",
        "returned",
        "retracted",
        "reassessed",
        "withdrawn",
        "acknowledged",
        "reset",
        "shelved",
        "unshelved",
        "suppressed",
        "unsuppressed",
        "removed",
        "restored",
        "assigned",
        "commented",
    ]
    #: RFC 3339, UTC.
    time: str
    late: bool
    rule: str
    ruleVersion: int
    entityId: str
    sensorId: str | None
    theme: Literal["environment", "mobility", "energy", "water", "climate", "device"]
    state: Literal[
        "normal",
        "unacknowledged",
        "acknowledged",
        "returned-unacknowledged",
        "latched-unacknowledged",
        "latched-acknowledged",
        "shelved",
        "suppressed-by-design",
        "out-of-service",
    ]
    active: bool
    severity: Literal["cleared", "critical", "major", "minor", "warning"]
    occurrence: int
    raisedTime: str | None
    returnedTime: str | None
    acknowledgedTime: str | None
    shelvedUntil: str | None
    suppressedBy: str | None
    cause: str
    area: str
    sentence: BilingualText
    operands: list[OperandData]
    #: True in the last event of a snapshot, else missing.
    complete: NotRequired[bool]


@final
class EmptySnapshot(TypedDict):
    """The only event of a snapshot in which nothing matches."""

    #: True in the last event of a snapshot, else missing.
    complete: NotRequired[bool]


@final
class LiveSnapshotEvent(TypedDict):
    """A value or an alarm as it is when a snapshot is made."""

    event: Literal["snapshot"]
    #: Opaque: the position after the event, from which a client resumes.
    id: str
    data: SnapshotState | SnapshotAlarm | EmptySnapshot


@final
class StateData(TypedDict):
    """A value of a property, an indicator or a roll-up."""

    entityId: str
    property: str
    value: float
    #: UCUM.
    unit: str
    #: RFC 3339, UTC.
    phenomenonTime: str
    #: RFC 3339, UTC.
    receivedTime: str
    quality: Literal["estimated", "good", "late", "maintenance", "suspect"]
    freshness: Literal["live", "silent", "stale"]
    #: Rises with each change, by leaps when the city model changes; 0 before the first.
    revision: int
    count: NotRequired[int]
    lastGood: NotRequired[LastGood]
    members: NotRequired[int]
    membersExpected: NotRequired[int]
    preliminary: NotRequired[bool]


@final
class LiveStateEvent(TypedDict):
    """A changed value, or one that became stale or silent."""

    event: Literal["state"]
    #: Opaque: the position after the event, from which a client resumes.
    id: str
    data: StateData


@final
class AlarmData(TypedDict):
    """An alarm: the part that every role may see."""

    #: `rule~entity`, or `rule~entity~sensor`.
    alarmId: str
    #: Rises with each change, by leaps when the city model changes; 0 before the first.
    revision: int
    kind: Literal[
        "raised",
        "worsened",
        "eased",
        "returned",
        "retracted",
        "reassessed",
        "withdrawn",
        "acknowledged",
        "reset",
        "shelved",
        "unshelved",
        "suppressed",
        "unsuppressed",
        "removed",
        "restored",
        "assigned",
        "commented",
    ]
    #: RFC 3339, UTC.
    time: str
    late: bool
    rule: str
    ruleVersion: int
    entityId: str
    sensorId: str | None
    theme: Literal["environment", "mobility", "energy", "water", "climate", "device"]
    state: Literal[
        "normal",
        "unacknowledged",
        "acknowledged",
        "returned-unacknowledged",
        "latched-unacknowledged",
        "latched-acknowledged",
        "shelved",
        "suppressed-by-design",
        "out-of-service",
    ]
    active: bool
    severity: Literal["cleared", "critical", "major", "minor", "warning"]
    occurrence: int
    raisedTime: str | None
    returnedTime: str | None
    acknowledgedTime: str | None
    shelvedUntil: str | None
    suppressedBy: str | None
    cause: str
    area: str
    sentence: BilingualText
    operands: list[OperandData]


@final
class LiveAlarmEvent(TypedDict):
    """A changed alarm."""

    event: Literal["alarm"]
    #: Opaque: the position after the event, from which a client resumes.
    id: str
    data: AlarmData


GapReason: TypeAlias = Literal["cursor-ahead", "log-changed", "log-truncated", "log-unreadable", "too-slow"]
"""Why a subscriber missed events and gets a snapshot instead."""


@final
class GapData(TypedDict):
    """Why events are missing: a snapshot follows."""

    reason: GapReason
    detail: str


@final
class LiveGapEvent(TypedDict):
    """Events were missed; it has the reason."""

    event: Literal["gap"]
    #: Opaque: the position after the event, from which a client resumes.
    id: str
    data: GapData


@final
class HeartbeatData(TypedDict):
    """How far the stream is: what tells a live stream from a connection that is merely open."""

    #: Now, by the clock of the server.
    time: str
    #: Everything that the log had at this time was sent before. It falls behind `time` while the log is
    #: not read, or too slowly; null until it was read to its end once.
    caughtUpTime: str | None
    #: When the newest record of values was written to the log; where sensors report, it falls behind
    #: `time` while nothing makes values of what they report. Null before the first.
    updateTime: str | None


@final
class LiveHeartbeatEvent(TypedDict):
    """A sign of life, for who asks for it with `heartbeat`."""

    event: Literal["heartbeat"]
    #: Opaque: the position after the event, from which a client resumes.
    id: str
    data: HeartbeatData


RequestFault = TypedDict("RequestFault", {"in": str, "name": str, "code": str, "detail": str})
"""One fault of a request."""


@final
class Problem(TypedDict):
    """A problem (RFC 9457)."""

    type: NotRequired[str]
    title: str
    status: int
    detail: str
    #: The requested path.
    instance: str
    errors: NotRequired[list[RequestFault]]


@final
class Link(TypedDict):
    """A link (HAL)."""

    #: Path and query.
    href: str


@final
class EntityLinks(TypedDict):
    """Links of an entity."""

    self: Link
    state: Link
    relations: Link
    liveability: NotRequired[Link]


@final
class Entity(TypedDict):
    """A thing in the city: a street, a canal, a neighbourhood."""

    id: str
    type: str
    name: str
    parent: str | None
    attributes: dict[str, Any]
    themes: list[Literal["climate", "device", "energy", "environment", "mobility", "water"]]
    #: Observed.
    properties: list[str]
    interval: str | None
    freshness: Literal["live", "silent", "stale"] | None
    _links: EntityLinks
    geometry: dict[str, Any] | None


@final
class PageLinks(TypedDict):
    """Links of a page."""

    self: Link
    next: NotRequired[Link]


@final
class EntityPage(TypedDict):
    """A page of a collection."""

    items: list[Entity]
    _links: PageLinks


AlarmState: TypeAlias = Literal[
    "acknowledged",
    "latched-acknowledged",
    "latched-unacknowledged",
    "normal",
    "out-of-service",
    "returned-unacknowledged",
    "shelved",
    "suppressed-by-design",
    "unacknowledged",
]
"""The states. The letters are those of ISA-18.2's diagram."""


@final
class OperandWindow(TypedDict):
    """The window that an operand is the statistic of; `end` is exclusive."""

    #: RFC 3339, UTC.
    start: str
    #: RFC 3339, UTC.
    end: str
    statistic: Literal["maximum", "minimum", "value"]


@final
class ProvenanceLinks(TypedDict):
    """The link from a value back to the raw messages."""

    provenance: Link


@final
class OperandObservation(TypedDict):
    """A reading behind the value of an operand."""

    datastreamId: int
    sensorId: str
    property: str
    #: RFC 3339, UTC.
    phenomenonTime: str
    _links: ProvenanceLinks


@final
class Operand(TypedDict):
    """An operand of a rule as it was at the last change by the process."""

    name: str
    entityId: str
    value: float | None
    #: UCUM.
    unit: str
    quality: Literal["estimated", "good", "late", "maintenance", "suspect"]
    #: Of a window its end.
    time: str
    window: OperandWindow | None
    threshold: float | None
    #: Newest first; those that the role may see.
    observations: list[OperandObservation]
    _links: ProvenanceLinks


@final
class AlarmExplanation(TypedDict):
    """What the rule found."""

    rule: str
    ruleVersion: int
    operands: list[Operand]


@final
class AlarmLinks(TypedDict):
    """Links of an alarm."""

    self: Link
    events: Link
    entity: Link
    incident: NotRequired[Link]


@final
class Alarm(TypedDict):
    """An alarm as it is now."""

    rule: str
    ruleVersion: int
    entityId: str
    sensorId: str | None
    theme: Literal["environment", "mobility", "energy", "water", "climate", "device"]
    state: AlarmState
    #: Whether the condition holds.
    active: bool
    acknowledged: bool
    severity: Literal["cleared", "critical", "major", "minor", "warning"]
    #: Counts from 1.
    occurrence: int
    raisedTime: str | None
    returnedTime: str | None
    acknowledgedTime: str | None
    acknowledgedBy: str | None
    shelvedUntil: str | None
    suppressedBy: str | None
    assignee: str | None
    #: Of the incident.
    cause: str
    #: Of the incident.
    area: str
    sentence: BilingualText
    explanation: AlarmExplanation
    #: `rule~entity`, or `rule~entity~sensor`.
    id: str
    #: Rises with each change, by leaps when the city model changes; 0 before the first.
    revision: int
    #: Of the last change.
    time: str
    title: BilingualText | None
    guidance: BilingualText | None
    entityName: str | None
    incidentId: str | None
    _links: AlarmLinks


@final
class AlarmPage(TypedDict):
    """A page of a collection."""

    items: list[Alarm]
    _links: PageLinks


@final
class Bucket(TypedDict):
    """The aggregates of one bucket of time: those that were requested, null without usable values."""

    #: RFC 3339, UTC.
    start: str
    #: Exclusive.
    end: str
    #: Of the values in the aggregates.
    count: int
    #: Of values that do not take part.
    suspect: int
    coverage: float | None
    quality: Literal["estimated", "good", "late", "maintenance", "suspect"] | None
    mean: NotRequired[float | None]
    min: NotRequired[float | None]
    max: NotRequired[float | None]
    sum: NotRequired[float | None]
    first: NotRequired[float | None]
    last: NotRequired[float | None]
    p50: NotRequired[float | None]
    p95: NotRequired[float | None]
    #: Where p50 and p95 come from stored distributions: each is within this share of a value of that rank.
    #: Absent where they are exact.
    percentileError: NotRequired[float]


@final
class StoredValue(TypedDict):
    """A reading, with `receivedTime` and `sensorId`, or a published value, with `count`."""

    #: RFC 3339, UTC.
    phenomenonTime: str
    value: float
    quality: Literal["estimated", "good", "late", "maintenance", "suspect"]
    #: RFC 3339, UTC.
    receivedTime: NotRequired[str]
    sensorId: NotRequired[str | None]
    #: Sensors or, of households, connections behind it.
    count: NotRequired[int]


@final
class History(TypedDict):
    """The history of a value: `buckets` with an `interval`, `observations` without."""

    entityId: str
    property: str
    #: UCUM.
    unit: str
    #: Readings of datastreams, or values that were published, such as indicators.
    source: Literal["observations", "published"]
    #: RFC 3339, UTC.
    knownAt: NotRequired[str]
    #: ISO 8601.
    interval: NotRequired[str]
    #: Oldest first.
    buckets: NotRequired[list[Bucket]]
    #: Oldest first.
    observations: NotRequired[list[StoredValue]]
    _links: PageLinks


@final
class Value(TypedDict):
    """The value of a property, an indicator or a roll-up."""

    value: float
    #: UCUM.
    unit: str
    #: RFC 3339, UTC.
    phenomenonTime: str
    #: RFC 3339, UTC.
    receivedTime: str
    quality: Literal["estimated", "good", "late", "maintenance", "suspect"]
    freshness: Literal["live", "silent", "stale"]
    #: Rises with each change, by leaps when the city model changes; 0 before the first.
    revision: int
    #: Sensors or, of households, connections behind it.
    count: int
    lastGood: NotRequired[LastGood]
    combination: NotRequired[Literal["circular_mean", "max", "mean", "median", "sum"]]
    sensorIds: NotRequired[list[str]]
    deviatingSensorIds: NotRequired[list[str]]
    members: NotRequired[int | None]
    membersExpected: NotRequired[int | None]
    preliminary: NotRequired[bool]
    deviatingEntityIds: NotRequired[list[str]]


@final
class DatastreamState(TypedDict):
    """The newest value of one datastream."""

    id: int
    sensorId: str
    property: str
    value: float
    #: UCUM.
    unit: str
    #: RFC 3339, UTC.
    phenomenonTime: str
    #: RFC 3339, UTC.
    receivedTime: str
    quality: Literal["estimated", "good", "late", "maintenance", "suspect"]
    freshness: Literal["live", "silent", "stale"]


@final
class StateLinks(TypedDict):
    """Links of a state."""

    self: Link
    entity: Link


@final
class State(TypedDict):
    """The present state of an entity."""

    entityId: str
    #: Rises with each change, by leaps when the city model changes; 0 before the first.
    revision: int
    properties: dict[str, Value]
    indicators: dict[str, Value]
    datastreams: list[DatastreamState]
    _links: StateLinks


LiveEvent: TypeAlias = LiveSnapshotEvent | LiveStateEvent | LiveAlarmEvent | LiveGapEvent | LiveHeartbeatEvent


@final
class LiveQuery(TypedDict):
    """What may be asked for, by the names of the API."""

    #: Time between two events `heartbeat`, which tell how far the stream is (ISO 8601, from PT1S to PT1M);
    #: none by default. They begin when what was missed has been sent.
    heartbeat: NotRequired[str]
    #: Play what was received from this time on (RFC 3339, at most 31 days ago), as it was stored and in
    #: the order of reception, then go on with changes. Ignored with a cursor.
    start: NotRequired[str | datetime]
    #: Least change of a value since the last event of it, in its unit; a change of quality or freshness is
    #: always sent.
    minChange: NotRequired[float]
    #: Least time between two events of one value (ISO 8601, at most PT1H); its newest value is sent when
    #: it is over, a change of quality or freshness at once.
    minInterval: NotRequired[str]
    #: Members of `data` of values; all by default.
    fields: NotRequired[
        Literal[
            "entityId",
            "property",
            "value",
            "unit",
            "phenomenonTime",
            "receivedTime",
            "quality",
            "freshness",
            "revision",
            "count",
            "lastGood",
            "members",
            "membersExpected",
            "preliminary",
        ]
        | Sequence[
            Literal[
                "entityId",
                "property",
                "value",
                "unit",
                "phenomenonTime",
                "receivedTime",
                "quality",
                "freshness",
                "revision",
                "count",
                "lastGood",
                "members",
                "membersExpected",
                "preliminary",
            ]
        ]
    ]
    #: Ids of entities.
    entity: NotRequired[str | Sequence[str]]
    #: Entity types.
    type: NotRequired[str | Sequence[str]]
    #: Ids of areas; everything inside them.
    parent: NotRequired[str | Sequence[str]]
    #: Observed properties, indicators and roll-ups.
    property: NotRequired[str | Sequence[str]]
    #: Themes.
    theme: NotRequired[
        Literal["environment", "mobility", "energy", "water", "climate", "device"]
        | Sequence[Literal["environment", "mobility", "energy", "water", "climate", "device"]]
    ]
    #: west,south,east,north in degrees (WGS 84): what shares a point with the box.
    bbox: NotRequired[str]
    #: Events to send; all by default. A gap is always sent.
    events: NotRequired[
        Literal["snapshot", "state", "alarm", "gap"] | Sequence[Literal["snapshot", "state", "alarm", "gap"]]
    ]


@final
class EntitiesQuery(TypedDict):
    """What may be asked for, by the names of the API."""

    #: Items per page.
    limit: NotRequired[int]
    #: Entity types, any of them.
    type: NotRequired[str | Sequence[str]]
    #: Ids of areas; everything inside them.
    parent: NotRequired[str | Sequence[str]]
    #: Themes, any of them.
    theme: NotRequired[
        Literal["environment", "mobility", "energy", "water", "climate", "device"]
        | Sequence[Literal["environment", "mobility", "energy", "water", "climate", "device"]]
    ]
    #: west,south,east,north in degrees (WGS 84): what shares a point with the box.
    bbox: NotRequired[str]
    #: longitude,latitude; with `radius`.
    near: NotRequired[str]
    #: Metres around `near`; 1000 by default.
    radius: NotRequired[float]
    #: Part of the id or the name.
    q: NotRequired[str]
    #: Freshness of the entity, which is that of its freshest value.
    freshness: NotRequired[Literal["live", "stale", "silent"] | Sequence[Literal["live", "stale", "silent"]]]


@final
class AlarmsQuery(TypedDict):
    """What may be asked for, by the names of the API."""

    #: Items per page.
    limit: NotRequired[int]
    #: States, any of them.
    state: NotRequired[AlarmState | Sequence[AlarmState]]
    #: Severities, any of them.
    severity: NotRequired[
        Literal["warning", "minor", "major", "critical"]
        | Sequence[Literal["warning", "minor", "major", "critical"]]
    ]
    #: Themes of the rule, any of them.
    theme: NotRequired[
        Literal["environment", "mobility", "energy", "water", "climate", "device"]
        | Sequence[Literal["environment", "mobility", "energy", "water", "climate", "device"]]
    ]
    #: Types of the entity, any of them.
    type: NotRequired[str | Sequence[str]]
    #: Ids of areas; everything inside them.
    parent: NotRequired[str | Sequence[str]]
    #: Ids of entities.
    entity: NotRequired[str | Sequence[str]]
    #: Ids of rules.
    rule: NotRequired[str | Sequence[str]]
    #: Causes of incidents.
    cause: NotRequired[str | Sequence[str]]
    #: Whether the condition holds; both by default.
    active: NotRequired[bool]
    #: Whether the present occurrence was acknowledged; both by default.
    acknowledged: NotRequired[bool]
    #: Only alarms that changed at this time or later, by the clock of the log.
    since: NotRequired[str | datetime]


@final
class HistoryQuery(TypedDict):
    """What may be asked for, by the names of the API."""

    #: Inclusive; 24 hours before `end` by default.
    start: NotRequired[str | datetime]
    #: Exclusive; now by default.
    end: NotRequired[str | datetime]
    #: Answer as of this time: without observations that arrived later.
    knownAt: NotRequired[str | datetime]
    limit: NotRequired[int]
    #: Observed property, indicator (`lki`), or roll-up over the area (`area_pm2_5`).
    property: str
    #: Length of a bucket, ISO 8601: PT15M is elapsed time, P1D a local day.
    interval: NotRequired[str]
    #: Aggregates of each bucket; mean, min and max by default. Needs `interval`.
    aggregate: NotRequired[
        Literal["mean", "min", "max", "sum", "count", "first", "last", "p50", "p95"]
        | Sequence[Literal["mean", "min", "max", "sum", "count", "first", "last", "p50", "p95"]]
    ]
    #: IANA zone of local days; the city's by default. Needs `interval`.
    timezone: NotRequired[str]
    #: `null` lists buckets without data too. Needs `interval`.
    fill: NotRequired[Literal["null", "none"]]
