"""What a partition keeps of the alarms of one entity, and how it lies in a checkpoint."""

from __future__ import annotations

import msgspec

from twin.alarms.alarm import Alarm
from twin.alarms.evaluation.condition_state import ConditionState
from twin.alarms.evaluation.shared_dependency import DependencyActivity
from twin.alarms.evaluation.silence import SensorActivity
from twin.alarms.incident import Incident
from twin.alarms.messages import DependencyOutage
from twin.alarms.rules.operand import OperandSeries
from twin.instant import INSTANT_MIN, Instant

ALARM_COMMANDS_MAX = 64
"""So many commands are remembered for each entity: a second delivery of one does nothing."""

PARTITION = "#partition"
"""Under this name, which no entity has, is what a partition knows as a whole."""


class AlarmContent(msgspec.Struct, array_like=True):
    """What is kept of one entity. Mutable, owned by one partition of one worker."""

    model: int = 0  #: version of the model whose rules it was last evaluated by
    conditions: dict[str, ConditionState] = msgspec.field(default_factory=dict)  #: by rule
    alarms: dict[str, Alarm] = msgspec.field(default_factory=dict)  #: by id
    sensor_activity: dict[str, SensorActivity] = msgspec.field(default_factory=dict)  #: by sensor
    dependency_activity: dict[str, DependencyActivity] = msgspec.field(default_factory=dict)  #: by supply
    incidents: dict[str, Incident] = msgspec.field(default_factory=dict)  #: by cause
    revisions: dict[str, int] = msgspec.field(default_factory=dict)  #: by series: the last that was taken
    commands: list[str] = msgspec.field(default_factory=list)  #: ids, oldest first
    # Of the partition as a whole:
    outages: dict[str, DependencyOutage] = msgspec.field(
        default_factory=dict
    )  #: by supply, those that are out
    last_tick: Instant = INSTANT_MIN  #: of the last tick
    ticks_since: Instant = INSTANT_MIN  #: log time since which ticks come without a gap

    def advance_revision(self, series: OperandSeries, revision: int) -> bool:
        """Whether points of a series are told for the first time, or again by the same record."""
        key = "/".join(series)
        if revision < self.revisions.get(key, revision):
            return False
        self.revisions[key] = revision
        return True

    def is_duplicate_command(self, command: str) -> bool:
        """Whether a command was taken before; it is from now on."""
        if command in self.commands:
            return True
        self.commands.append(command)
        del self.commands[:-ALARM_COMMANDS_MAX]
        return False


class AlarmSnapshot(msgspec.Struct, array_like=True, frozen=True):
    """An entity's alarms in a checkpoint."""

    entity: str
    content: AlarmContent


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AlarmSnapshot).decode


class AlarmCodec:
    """How the contents are made, encoded and decoded."""

    def new(self) -> AlarmContent:
        """Return what is kept of an entity of which nothing is known."""
        return AlarmContent()

    def encode(self, name: str, content: AlarmContent) -> bytes:
        """Return a content as MessagePack."""
        return _encode(AlarmSnapshot(name, content))

    def decode(self, data: msgspec.Raw) -> tuple[str, AlarmContent]:
        """Return what `encode` was given."""
        one = _decode(data)
        return one.entity, one.content
