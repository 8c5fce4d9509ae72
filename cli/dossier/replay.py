"""The replay of a dossier: its raw messages through the production decoders and stages, in virtual time.

The clock is that of the dossier: the times of reception. People's commands are given again at the time at
which they were told. What the dossier takes as it was stored enters as the points of that series.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Literal, NamedTuple

from cli.dossier.dossier_reader import DossierMessage, ReadDossier, StoredEvent
from ingest.decoders import registry
from ingest.mqtt.message import MqttMessage
from ingest.pipeline.intake import Intake, IntakeOptions
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.routes import TopicRoutes
from runtime.kafka import topics
from stream.alarms.alarm_stage import AlarmStageFactory
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.engine.stage import OutputRecord
from stream.engine.stage_seed import EMPTY_SEED
from stream.entities.entity_stage import EntityStageFactory
from twin.alarms.messages import (
    ALARMS,
    AlarmCommand,
    AlarmEvent,
    AlarmInputBatch,
    CommandReply,
    SeriesPoints,
)
from twin.alarms.rules.operand import OperandSeries, Point
from twin.alarms.rules.rule import Rule
from twin.instant import DAY, MINUTE, SECOND, Duration, Instant
from twin.model.observation import Observation
from twin.quality.plausibility import PlausibilityBounds
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import ObservationBatch

PROCESS_KINDS = frozenset({"raised", "worsened", "eased", "returned", "retracted", "reassessed", "unshelved"})
"""The kinds of events that the evaluation decides, unless a command caused them."""

COMMAND_ACTIONS = {
    "acknowledged": "acknowledge",
    "shelved": "shelve",
    "unshelved": "unshelve",
    "assigned": "assign",
    "commented": "comment",
    "reset": "reset",
    "removed": "remove",
    "restored": "restore",
}
"""The action of a command by the kind of the event that it caused."""

TICK: Duration = 5 * SECOND
"""Live, a partition ticks each second. Between events, less often is enough: nothing changes there."""

EVENT_TICKS = 4
"""Ticks before and after each event, a second apart and in step with its log time.

The log time of an event is that of the last tick, so it shows when the partition ticked. A delay that ends
between two messages, or a window that closes, is decided by the tick between them.
"""

COMMAND_DELAY_MAX: Duration = 30 * SECOND
"""A command waits so long at most for the events that its person had seen: ticks are further apart here."""

_PARTITIONS = 1
_FUTURE_MAX: Duration = 5 * MINUTE

# Every message of a dossier was accepted in its time: the limits of ingest were passed.
_OPTIONS = IntakeOptions(
    payload_bytes_max=64 * 1024 * 1024,
    quarantine_bytes_max=0,
    plausibility=PlausibilityBounds(future_max=_FUTURE_MAX, past_max=36_600 * DAY),
    keep_payloads=False,
)
_NO_PSEUDONYMS = Pseudonymiser(b"nothing is kept, nothing is redacted")


@dataclass(slots=True)
class ReplayResult:
    """What the replay of a dossier gave."""

    events: list[AlarmEvent] = field(default_factory=list)  #: of the alarm, in order
    observations: list[Observation] = field(default_factory=list)  #: as decoded, before calibration
    refusals: list[CommandReply] = field(default_factory=list)  #: commands that were not carried out
    faults: list[str] = field(default_factory=list)  #: messages that decode otherwise than they did
    undecoded: int = 0  #: messages without payload: their observations are inputs


def replay_dossier(dossier: ReadDossier) -> ReplayResult:
    """Evaluate the alarm of a dossier again."""
    return _Replay(dossier).run()


class _Step(NamedTuple):
    """Something that happens at a time; at the same time, in the order of `kind`."""

    time: Instant
    kind: Literal[0, 1, 2, 3, 4]
    number: int  #: keeps the order of equal ones
    action: Callable[[], None]


_VERSION: Literal[0] = 0
_RECORD: Literal[1] = 1
_INPUT: Literal[2] = 2
_COMMAND: Literal[3] = 3
_TICK: Literal[4] = 4


class _Replay:
    """The stages of one partition, and what they have not processed yet."""

    def __init__(self, dossier: ReadDossier) -> None:
        self._dossier = dossier
        self._result = ReplayResult()
        self._model = dossier.model
        self._alarm = dossier.events[0].event.alarm
        indexes = RuleIndexCache()
        self._entity_factory = EntityStageFactory("dossier", _PARTITIONS, 1, _FUTURE_MAX, indexes)
        self._alarm_factory = AlarmStageFactory("dossier", _PARTITIONS, 1, indexes)
        earlier = (dossier.earlier,) if dossier.earlier is not None else ()
        seed = EMPTY_SEED._replace(alarms=earlier, baselines=dossier.baselines)
        self._entities = self._entity_factory.seeded(0, EMPTY_SEED, self._model)
        self._alarms = self._alarm_factory.seeded(0, seed, self._model)
        self._now = dossier.span[0]
        self._commands: deque[_Command] = deque()  # those that are due

    def run(self) -> ReplayResult:
        """Let everything happen in the order of time, up to the end of the dossier."""
        for step in sorted(self._steps(), key=lambda one: one[:3]):
            self._now = max(self._now, step.time)
            step.action()
            self._send_commands()
        return self._result

    def _steps(self) -> Iterator[_Step]:
        dossier = self._dossier
        for number, (since, rule) in enumerate(dossier.rules[1:]):
            yield _Step(since, _VERSION, number, partial(self._adopt_version, rule))
        for number, record in enumerate(self._records()):
            yield _Step(record.first_received, _RECORD, number, partial(self._observe, record))
        for series, points in dossier.inputs.items():
            for number, point in enumerate(points):
                yield _Step(point.time, _INPUT, number, partial(self._send_point, series, point))
        for number, command in enumerate(_commands(dossier.events)):
            yield _Step(command.told, _COMMAND, number, partial(self._commands.append, command))
        for time in self._ticks():
            yield _Step(time, _TICK, 0, self._tick)

    def _ticks(self) -> Iterator[Instant]:
        """Yield the times at which the partition ticks."""
        start, end = self._dossier.span
        told = sorted({one.event.told_time for one in self._dossier.events if start < one.event.told_time})
        for time in told:
            yield from (time + number * SECOND for number in range(-EVENT_TICKS, EVENT_TICKS + 1))
        margin = EVENT_TICKS * SECOND
        for time in range(start, end + 2 * TICK, TICK):
            index = bisect_left(told, time - margin)
            if index == len(told) or told[index] > time + margin:
                yield time
        # What was decided at the last instant is emitted with the second that follows it.
        yield end + 2 * TICK
        # A command may still wait for an event that the replay does not give.
        yield end + COMMAND_DELAY_MAX

    # -- messages -----------------------------------------------------------------------------------------

    def _records(self) -> Iterator[_Record]:
        """Yield the records of the log, with their observations decoded again."""
        intake = Intake(
            routes=TopicRoutes(registry(), self._model.feeds),
            devices=DeviceMap(self._model, registry(), _PARTITIONS),
            timezone=self._model.city.timezone,
            options=_OPTIONS,
            pseudonymise=_NO_PSEUDONYMS,
        )
        stored: defaultdict[Instant, list[Observation]] = defaultdict(list)
        for one in self._dossier.observations:
            stored[one.received_time].append(one)
        for _, group in groupby(self._dossier.messages, key=lambda one: one.record):
            messages = list(group)
            observations = [
                observation for message in messages for observation in self._decoded(message, intake, stored)
            ]
            yield _Record(min(one.received_time for one in messages), messages[-1].record_time, observations)

    def _decoded(
        self, message: DossierMessage, intake: Intake, stored: Mapping[Instant, Sequence[Observation]]
    ) -> list[Observation]:
        where = f"messages.jsonl, line {message.number}"
        if message.payload is None:
            self._result.undecoded += 1
            return [self._uncalibrated(one) for one in stored.get(message.received_time, ())]
        version = registry()[message.decoder].version if message.decoder in registry() else None
        if version != message.decoder_version:
            self._result.faults.append(
                f"{where}: ingest decoded it with version {message.decoder_version} of the decoder "
                f"{message.decoder}, this program has version {version}"
            )
        processed = intake.process(
            MqttMessage(message.topic, message.payload, message.received_time, 1, 0, 0, message.rank, True)
        )
        if len(processed.observations) != message.observations:
            reason = processed.quarantined.detail if processed.quarantined is not None else "nothing refused"
            self._result.faults.append(
                f"{where}: it holds {len(processed.observations)} usable observations, ingest found "
                f"{message.observations} ({reason})"
            )
        self._result.observations += processed.observations
        return processed.observations

    def _uncalibrated(self, observation: Observation) -> Observation:
        """Return a stored observation as the sensor sent it: the stage calibrates it again."""
        datastream = self._model.datastreams[observation.datastream]
        policy = self._model.policy_of(datastream)
        gain = policy.calibrated(1.0, observation.phenomenon_time)
        offset = policy.calibrated(0.0, observation.phenomenon_time)
        return observation._replace(value=(observation.value - offset) / (gain - offset), flags=0)

    # -- what happens -------------------------------------------------------------------------------------

    def _adopt_version(self, rule: Rule) -> None:
        self._model = replace(
            self._model, version=self._model.version + 1, rules={**self._model.rules, rule.id: rule}
        )

    def _observe(self, record: _Record) -> None:
        self._apply(ObservationBatch(LAYOUT_VERSION, tuple(record.observations), record.time))

    def _tick(self) -> None:
        self._apply(ObservationBatch(LAYOUT_VERSION, (), self._now))

    def _send_point(self, series: OperandSeries, point: Point) -> None:
        points = (SeriesPoints(series, point.time, (point,)),)
        self._apply_input(AlarmInputBatch(LAYOUT_VERSION, self._now, False, points=points))

    def _send_commands(self) -> None:
        """Give the commands that are due, each after the events that were told before it."""
        while self._commands:
            command = self._commands[0]
            is_late = self._now >= command.told + COMMAND_DELAY_MAX
            if len(self._result.events) < command.events_before and not is_late:
                return
            self._commands.popleft()
            batch = AlarmInputBatch(LAYOUT_VERSION, self._now, False, commands=(command.command,))
            self._apply_input(batch)

    # -- stages -------------------------------------------------------------------------------------------

    def _apply(self, batch: ObservationBatch) -> None:
        for output in self._entities.apply(self._entities.offset + 1, batch, self._model).outputs:
            if output.topic == topics.ALARM_INPUTS:
                self._apply_input(self._without_inputs(self._alarm_factory.decode(output.value)))

    def _without_inputs(self, batch: AlarmInputBatch) -> AlarmInputBatch:
        """Return a record without the series that the dossier has as inputs."""
        if not any(one.series in self._dossier.inputs for one in batch.points):
            return batch
        kept = tuple(one for one in batch.points if one.series not in self._dossier.inputs)
        return AlarmInputBatch(
            batch.version,
            batch.time,
            batch.is_partition_clock,
            kept,
            batch.sensor_reports,
            batch.dependency_reports,
        )

    def _apply_input(self, batch: AlarmInputBatch) -> None:
        self._collect(self._alarms.apply(self._alarms.offset + 1, batch, self._model).outputs)

    def _collect(self, outputs: list[OutputRecord]) -> None:
        occurrence = self._dossier.events[0].event.occurrence
        for output in outputs:
            if output.topic != topics.ALARMS:
                continue
            batch = ALARMS.decode(output.value)
            self._result.events += [
                one for one in batch.alarms if one.alarm == self._alarm and one.occurrence == occurrence
            ]
            self._result.refusals += [one for one in batch.replies if one.refusal]


class _Record(NamedTuple):
    """A record of the log."""

    first_received: Instant  #: of its messages
    time: Instant
    observations: list[Observation]


class _Command(NamedTuple):
    """A command of a person, when it was told, and how many events the replay must give before it."""

    told: Instant
    events_before: int
    command: AlarmCommand


def _commands(events: tuple[StoredEvent, ...]) -> Iterator[_Command]:
    """Yield the commands behind events."""
    before = 0
    for stored in events:
        event = stored.event
        if event.command and is_replayed(stored):
            command = AlarmCommand(
                event.command,
                event.alarm,
                event.entity,
                COMMAND_ACTIONS[event.kind],
                event.actor,
                event.time,
                event.occurrence,
                event.shelved_until,
                event.text,
            )
            yield _Command(event.told_time, before, command)
        before += is_replayed(stored)


def is_replayed(stored: StoredEvent) -> bool:
    """Whether the replay decides about an event: others follow from what no bounded dossier has."""
    event = stored.event
    if stored.amendment:
        return False
    if event.command:
        return event.kind in COMMAND_ACTIONS
    return event.kind in PROCESS_KINDS
