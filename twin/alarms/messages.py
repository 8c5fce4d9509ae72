"""The records of alarms on the log.

`alarm-inputs` has the inputs of the alarm stage: points of operands, reports of sensors, commands, and the
messages between its partitions. `alarms` has its output: alarms, incidents and replies to commands.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from twin.alarms.evaluation.alarm_correction import AlarmCorrection, AlarmRepair
from twin.alarms.rules.operand import ObservationRef, OperandSeries, Point, Statistic, WindowName
from twin.alarms.severity import Severity
from twin.instant import INSTANT_MIN, Duration, Instant
from twin.wire.codec import Codec
from twin.wire.probe import Probe


class SeriesPoints(NamedTuple):
    """Points of one series, in order of time. A point replaces an earlier one of the same time."""

    series: OperandSeries
    #: of the entity's state that they follow from; a replay repeats known and older points
    revision: int
    points: tuple[Point, ...]


class SensorReport(NamedTuple):
    """A sensor of an entity reported."""

    entity: str
    sensor: str
    received_time: Instant
    phenomenon_time: Instant  #: the newest phenomenon time in the report


class DependencyReport(NamedTuple):
    """A report of a sensor came through a gateway, a power supply or a feed."""

    entity: str  #: the entity that has the alarm of an outage
    dependency: str  #: `gateway:ID`, `power:ID`, `feed:ID`
    sensor: str
    received_time: Instant


class DependencyOutage(NamedTuple):
    """A shared dependency is out, or works again; sent to every partition."""

    dependency: str
    since: Instant | None  #: start of the outage; None: it works
    alarm: str  #: the alarm of the outage
    revision: int
    last_received: Instant = INSTANT_MIN  #: time of the last reception through it


class IncidentMember(NamedTuple):
    """An alarm of an incident, as the incident knows it."""

    alarm: str
    revision: int
    state: str  #: `twin.alarms.state_machine.AlarmState`
    active: bool
    severity: int
    time: Instant  #: of its last transition


class IncidentMemberUpdate(NamedTuple):
    """The present state of an alarm, sent to the area of its incident."""

    area: str
    cause: str
    theme: str
    member: IncidentMember


class AlarmCommand(NamedTuple):
    """A command of a person, or of a program for a person, to an alarm."""

    id: str  #: id of the request, which the reply names; a second command of the same id is ignored
    alarm: str
    entity: str  #: of the alarm
    #: acknowledge, shelve, unshelve, assign, comment, reset, remove, restore
    action: str
    actor: str
    time: Instant
    occurrence: int = 0  #: the occurrence it is for; 0: the present one
    until: Instant | None = None  #: of shelve
    text: str = ""  #: the comment; of assign the name; of others the reason
    #: of acknowledge: the worst severity that the person knows of; 0: of any
    worst: int = 0


class AlarmInputBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `alarm-inputs`. An empty one is a tick."""

    version: int
    time: Instant
    #: whether `time` is the clock of this partition; set only by the stage that observes its entities
    is_partition_clock: bool
    points: tuple[SeriesPoints, ...] = ()
    sensor_reports: tuple[SensorReport, ...] = ()
    dependency_reports: tuple[DependencyReport, ...] = ()
    outages: tuple[DependencyOutage, ...] = ()
    member_updates: tuple[IncidentMemberUpdate, ...] = ()
    commands: tuple[AlarmCommand, ...] = ()
    probes: tuple[Probe, ...] = ()
    corrections: tuple[AlarmCorrection, ...] = ()  #: by stored history


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
    threshold: float | None = None  #: the compared threshold, in the same unit


class AlarmEvent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A change of an alarm, with the whole state of the alarm after it."""

    alarm: str  #: `rule~entity`, or `rule~entity~sensor`
    revision: int  #: increases with each event of the alarm; a receiver ignores a known revision
    #: raised, worsened, eased, returned, retracted, reassessed, withdrawn, acknowledged, reset, shelved,
    #: unshelved, suppressed, unsuppressed, removed, restored, assigned, commented
    kind: str
    time: Instant  #: event time of the change
    told_time: Instant  #: log time
    late: bool  #: whether late data caused the change, so it concerns the past
    actor: str  #: the person, or who changed the rule; empty: the process
    text: str  #: comment or reason
    command: str  #: id of the command that caused it; empty: none
    # The state after the change.
    rule: str
    rule_version: int
    entity: str
    sensor: str  #: empty unless the alarm is of one sensor
    theme: str
    state: str
    active: bool
    severity: Severity  #: the present one; after the return the worst of the occurrence
    occurrence: int  #: counts from 1
    raised_time: Instant | None  #: of the occurrence; None: it was retracted
    returned_time: Instant | None
    acknowledged_time: Instant | None
    acknowledged_by: str
    shelved_until: Instant | None
    suppressed_by: str  #: an alarm id, or `maintenance`
    assignee: str
    cause: str
    area: str  #: of the incident
    #: at the last change by the process; of an alarm that is withdrawn or silenced the newest
    operands: tuple[OperandValue, ...]
    sentence_en: str
    sentence_nl: str
    worst: Severity = Severity.CLEARED  #: of the occurrence; CLEARED: not known, of an earlier version

    @property
    def worst_known(self) -> Severity:
        """The worst severity of the occurrence, as far as the event knows it."""
        return self.worst or self.severity


class IncidentEvent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The state of an incident."""

    incident: str  #: `cause~area~number`
    revision: int
    time: Instant  #: event time of the change
    told_time: Instant
    cause: str
    area: str
    theme: str
    open: bool
    severity: Severity  #: the worst of its active alarms; of a closed incident the worst of all
    opened_time: Instant
    closed_time: Instant | None
    members: tuple[IncidentMember, ...]


class CommandReply(NamedTuple):
    """The result of a command."""

    command: str
    refusal: str  #: why the command was refused; empty: it was carried out
    alarm: str


class AlarmBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record on `alarms`, in order."""

    version: int
    time: Instant
    alarms: tuple[AlarmEvent, ...] = ()
    incidents: tuple[IncidentEvent, ...] = ()
    replies: tuple[CommandReply, ...] = ()
    probes: tuple[Probe, ...] = ()
    repairs: tuple[AlarmRepair, ...] = ()  #: alarms that the stage cannot evaluate from what it keeps


RULE_FAULT = "the rule cannot be evaluated any more"
"""The beginning of `AlarmEvent.text` of an alarm that was withdrawn because of that; the reason follows."""

SOURCES_MAX = 16
"""The number of observations named behind an operand; of a window the newest."""

ALARM_INPUTS: Codec[AlarmInputBatch] = Codec(AlarmInputBatch)
ALARMS: Codec[AlarmBatch] = Codec(AlarmBatch)


def alarm_id(rule: str, entity: str, sensor: str = "") -> str:
    """Return the id of an alarm. It fits a URL path and a level of an MQTT topic.

    >>> alarm_id("sensor-silent", "alkmaar.overdie", "aq-overdie-1")
    'sensor-silent~alkmaar.overdie~aq-overdie-1'
    """
    return "~".join((rule, entity, sensor) if sensor else (rule, entity))


def entity_of_alarm(alarm: str) -> str:
    """Return the entity in an alarm id; empty if it is no alarm id.

    >>> entity_of_alarm("high-water~alkmaar.schermer")
    'alkmaar.schermer'
    """
    parts = alarm.split("~")
    return parts[1] if len(parts) in (2, 3) else ""
