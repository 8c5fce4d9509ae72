"""The records of alarms on the log.

`alarm-inputs` holds what the stage of alarms is a function of: points of operands, signs of life of sensors,
what people command, and what its partitions tell each other. On `alarms` it tells alarms, incidents and
answers to commands.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from twin.alarms.rules.operand import ObservationRef, OperandSeries, Point, Statistic, WindowName
from twin.alarms.severity import Severity
from twin.instant import INSTANT_MIN, Duration, Instant
from twin.wire.codec import Codec
from twin.wire.probe import Probe


class SeriesPoints(NamedTuple):
    """Points of one series, in order of time. Of a time that is known the new one replaces the known one."""

    series: OperandSeries
    #: of what they follow from when they were told; a replay tells what is known, and older than that, again
    revision: int
    points: tuple[Point, ...]


class SensorReport(NamedTuple):
    """A sensor of an entity spoke."""

    entity: str
    sensor: str
    received_time: Instant
    phenomenon_time: Instant  #: the newest of what it told


class DependencyReport(NamedTuple):
    """What a sensor told came through a gateway, a power supply or a feed."""

    entity: str  #: whose alarm it is when nothing comes any more
    dependency: str  #: `gateway:ID`, `power:ID`, `feed:ID`
    sensor: str
    received_time: Instant


class DependencyOutage(NamedTuple):
    """A supply is out, or works again; every partition is told."""

    dependency: str
    since: Instant | None  #: None: it works
    alarm: str  #: that says so
    revision: int
    last_received: Instant = INSTANT_MIN  #: time of reception of what came through last


class IncidentMember(NamedTuple):
    """An alarm of an incident, as the incident knows it."""

    alarm: str
    revision: int
    state: str  #: `twin.alarms.state_machine.AlarmState`
    active: bool
    severity: int
    time: Instant  #: of its last transition


class IncidentMemberUpdate(NamedTuple):
    """An alarm tells the area of its incident what it is now."""

    area: str
    cause: str
    theme: str
    member: IncidentMember


class AlarmCommand(NamedTuple):
    """What a person, or a program for one, wants of an alarm."""

    id: str  #: of the request: the answer names it; a second one of the same id does nothing
    alarm: str
    entity: str  #: of the alarm
    #: acknowledge, shelve, unshelve, assign, comment, reset, remove, restore
    action: str
    actor: str
    time: Instant
    occurrence: int = 0  #: the one that is meant; 0: the present one
    until: Instant | None = None  #: of shelve
    text: str = ""  #: of a comment; of assign the name; of others the reason


class AlarmInputBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `alarm-inputs`. One with neither content is a tick."""

    version: int
    time: Instant
    #: whether `time` is the clock of this partition: only the stage that observes its entities sets it
    is_partition_clock: bool
    points: tuple[SeriesPoints, ...] = ()
    sensor_reports: tuple[SensorReport, ...] = ()
    dependency_reports: tuple[DependencyReport, ...] = ()
    outages: tuple[DependencyOutage, ...] = ()
    member_updates: tuple[IncidentMemberUpdate, ...] = ()
    commands: tuple[AlarmCommand, ...] = ()
    probes: tuple[Probe, ...] = ()


class OperandValue(NamedTuple):
    """An operand as it was at a transition."""

    name: str
    over: WindowName
    statistic: Statistic
    entity: str
    value: float
    unit: str
    flags: int
    time: Instant  #: of a window its end
    window: Duration  #: 0: an instant
    sources: tuple[ObservationRef, ...]  #: the observations behind it, newest first, at most `SOURCES_MAX`
    threshold: float | None = None  #: what it was compared with, in the same unit


class AlarmEvent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What happened to an alarm, and the whole of what the alarm is after it."""

    alarm: str  #: `rule~entity`, or `rule~entity~sensor`
    revision: int  #: rises with each event of the alarm; whoever knows a revision drops it
    #: raised, worsened, eased, returned, retracted, reassessed, acknowledged, reset, shelved, unshelved,
    #: suppressed, unsuppressed, removed, restored, assigned, commented
    kind: str
    time: Instant  #: event time: when it became so
    told_time: Instant  #: log time
    late: bool  #: whether it was found in data that came late, and concerns the past
    actor: str  #: who did it; empty: the process
    text: str  #: comment or reason
    command: str  #: id of the command behind it; empty: none
    # What the alarm is now.
    rule: str
    rule_version: int
    entity: str
    sensor: str  #: empty unless the alarm is of one sensor
    theme: str
    state: str
    active: bool
    severity: Severity  #: the present one; of an alarm that has returned the worst of its occurrence
    occurrence: int  #: counts from 1
    raised_time: Instant | None  #: of the occurrence
    returned_time: Instant | None
    acknowledged_time: Instant | None
    acknowledged_by: str
    shelved_until: Instant | None
    suppressed_by: str  #: an alarm id, or `maintenance`
    assignee: str
    cause: str
    area: str  #: of the incident
    operands: tuple[OperandValue, ...]  #: at the last change by the process
    sentence_en: str
    sentence_nl: str


class IncidentEvent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What an incident is now."""

    incident: str  #: `cause~area~number`
    revision: int
    time: Instant  #: event time of what changed it
    told_time: Instant
    cause: str
    area: str
    theme: str
    open: bool
    severity: Severity  #: the worst of its active alarms; of a closed incident the worst there was
    opened_time: Instant
    closed_time: Instant | None
    members: tuple[IncidentMember, ...]


class CommandReply(NamedTuple):
    """What became of a command."""

    command: str
    refusal: str  #: why nothing was done; empty: it was done
    alarm: str


class AlarmBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `alarms`, in order."""

    version: int
    time: Instant
    alarms: tuple[AlarmEvent, ...] = ()
    incidents: tuple[IncidentEvent, ...] = ()
    replies: tuple[CommandReply, ...] = ()
    probes: tuple[Probe, ...] = ()


SOURCES_MAX = 16
"""So many observations are named behind an operand; of a window the newest."""

ALARM_INPUTS: Codec[AlarmInputBatch] = Codec(AlarmInputBatch)
ALARMS: Codec[AlarmBatch] = Codec(AlarmBatch)


def alarm_id(rule: str, entity: str, sensor: str = "") -> str:
    """Return the id of an alarm: fit for a path and for a level of an MQTT topic.

    >>> alarm_id("sensor-silent", "alkmaar.overdie", "aq-overdie-1")
    'sensor-silent~alkmaar.overdie~aq-overdie-1'
    """
    return "~".join((rule, entity, sensor) if sensor else (rule, entity))


def entity_of_alarm(alarm: str) -> str:
    """Return the entity that an alarm id names; empty when it is no alarm id.

    >>> entity_of_alarm("high-water~alkmaar.schermer")
    'alkmaar.schermer'
    """
    parts = alarm.split("~")
    return parts[1] if len(parts) in (2, 3) else ""
