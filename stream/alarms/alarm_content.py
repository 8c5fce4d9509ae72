"""The alarm content of one entity: what a partition stores of it in memory and in a checkpoint."""

from __future__ import annotations

import msgspec

from stream.engine.buckets import StructCodec
from twin.alarms.alarm import Alarm
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.evaluation.condition_state import ConditionState
from twin.alarms.evaluation.shared_dependency import DependencyActivity
from twin.alarms.evaluation.silence import SensorActivity
from twin.alarms.incident import Incident
from twin.alarms.messages import DependencyOutage
from twin.alarms.rules.operand import OperandSeries
from twin.instant import INSTANT_MIN, Instant

ALARM_COMMANDS_MAX = 64
"""The newest commands of each entity, kept so that a second delivery of one has no effect."""

PARTITION = "#partition"
"""The name of the content that belongs to the partition as a whole; no entity has this id."""


class AlarmContent(msgspec.Struct, array_like=True):
    """The alarms of one entity and what they are evaluated from. Mutable, owned by one partition."""

    model: int = 0  #: version of the model that it was last evaluated by
    conditions: dict[str, ConditionState] = msgspec.field(default_factory=dict)  #: by rule
    alarms: dict[str, Alarm] = msgspec.field(default_factory=dict)  #: by id
    sensor_activity: dict[str, SensorActivity] = msgspec.field(default_factory=dict)  #: by sensor
    dependency_activity: dict[str, DependencyActivity] = msgspec.field(default_factory=dict)  #: by dependency
    incidents: dict[str, Incident] = msgspec.field(default_factory=dict)  #: by cause
    revisions: dict[str, int] = msgspec.field(default_factory=dict)  #: by series: the last applied one
    commands: list[str] = msgspec.field(default_factory=list)  #: ids, oldest first
    # Of the partition as a whole:
    #: by dependency: its last outage, over or not
    outages: dict[str, DependencyOutage] = msgspec.field(default_factory=dict)
    last_tick: Instant = INSTANT_MIN  #: log time of the last tick
    ticks_since: Instant = INSTANT_MIN  #: log time since which ticks have come without a gap
    # Of an entity: what the seed of a new log says about its rules; applied with the first record. It is in
    # the checkpoint, since a crash may come before that record is in one.
    seeded: tuple[AlarmCorrection, ...] = ()

    def advance_revision(self, series: OperandSeries, revision: int) -> bool:
        """Store the revision of a series; return False if points of a later revision were applied before."""
        key = "/".join(series)
        if revision < self.revisions.get(key, revision):
            return False
        self.revisions[key] = revision
        return True

    def is_duplicate_command(self, command: str) -> bool:
        """Whether a command was applied before; its id is stored."""
        if command in self.commands:
            return True
        self.commands.append(command)
        del self.commands[:-ALARM_COMMANDS_MAX]
        return False


ALARM_CODEC = StructCodec(AlarmContent)
