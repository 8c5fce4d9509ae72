"""The third stage: points, sensor reports and commands become alarms and incidents. Pure.

The stage is a function of `alarm-inputs` alone. The clock of a partition is set by the ticks of the entity
stage of the same partition only. Records of other partitions do not advance it, so a partition that lags is
not evaluated by the time of those that do not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from runtime.kafka import topics
from stream.alarms.alarm_content import ALARM_CODEC, PARTITION, AlarmContent
from stream.alarms.entity_alarms import EntityAlarms, EvaluationContext, begin_condition
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.engine.buckets import PartitionBuckets
from stream.engine.stage import (
    ApplyResult,
    BucketStage,
    OutputRecord,
    alarm_revision,
    chunk_slices,
    log_time,
    record_chunks,
)
from stream.engine.stage_seed import StageSeed
from stream.engine.timers import Timers
from twin.alarms.alarm import Alarm, StreamTime
from twin.alarms.evaluation.alarm_correction import AlarmCorrection, AlarmRepair
from twin.alarms.evaluation.shared_dependency import DependencyActivity, dependency_of_alarm
from twin.alarms.evaluation.silence import SensorActivity
from twin.alarms.incident import Incident
from twin.alarms.messages import (
    ALARM_INPUTS,
    ALARMS,
    AlarmBatch,
    AlarmCommand,
    AlarmEvent,
    AlarmInputBatch,
    CommandReply,
    DependencyOutage,
    DependencyReport,
    IncidentEvent,
    IncidentMember,
    IncidentMemberUpdate,
    SensorReport,
    SeriesPoints,
)
from twin.alarms.rules.rule import OutageCondition
from twin.alarms.rules.rule_index import RuleIndex
from twin.alarms.state_machine import TransitionRefused
from twin.instant import INSTANT_MIN, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import partition_of
from twin.wire.probe import Probe

TICK_GAP_MAX: Duration = 10 * SECOND
"""Ticks come each second. No report could arrive in a longer gap, so silence is counted anew after it."""


SEEDED_REVISION = 0
"""The revision of stored points; that of points on the log is a log time, and below this at its beginning."""


class AlarmStage(BucketStage[AlarmContent]):
    """The alarms of the entities of one partition."""

    def __init__(
        self, buckets: PartitionBuckets[AlarmContent], factory: AlarmStageFactory, partition: int
    ) -> None:
        super().__init__(buckets, partition)
        self._factory = factory
        self._model: CityModel | None = None
        self._timers: Timers[str] = Timers()
        self._outdated: set[str] = set()  # entities that were last evaluated by another model
        self._seeded = [entity for entity, content in buckets.items() if content.seeded]

    def apply(self, offset: int, batch: AlarmInputBatch | None, model: CityModel) -> ApplyResult:
        """Apply the record at `offset`; None is an unreadable record."""
        if batch is None:
            return self._skip(offset)
        before = self._buckets.time
        if batch.is_partition_clock or before == INSTANT_MIN:
            now = log_time(before, batch.time)
        else:
            now = before + 1
        self._adopt_model(model, now)
        output = AlarmOutput(StreamTime(now, alarm_revision(now, model)))
        evaluation = _RecordEvaluation(self, offset, model, output)
        evaluation.on_model(self._outdated)
        evaluation.on_seeded(self._seeded)
        self._seeded = []
        evaluation.on_batch(batch)
        if batch.is_partition_clock:
            evaluation.on_tick(now)
        self._buckets.advance(offset, now)
        return ApplyResult(output.records(self._partition, self._factory.partitions), Counter(), 0)

    def _adopt_model(self, model: CityModel, now: Instant) -> None:
        """Schedule every entity when the model is another one, and note which ones it was not applied to."""
        if self._model is not None and self._model.version == model.version:
            return
        self._model = model
        for entity, content in self._buckets.items():
            self._timers.schedule(entity, now)
            if entity != PARTITION and content.model != model.version:
                self._outdated.add(entity)


class _RecordEvaluation:
    """The evaluation of one record: changes the contents of the stage, and collects the output."""

    def __init__(self, stage: AlarmStage, offset: int, model: CityModel, output: AlarmOutput) -> None:
        self._buckets = stage._buckets
        self._timers = stage._timers
        self._partition, self._partitions = stage._partition, stage._factory.partitions
        self._offset = offset
        self._output = output
        self._rule_index, self._dependencies = stage._factory.rule_indexes.of(model)
        whole = self._buckets.peek(PARTITION) or self._buckets.content_to_change(PARTITION)
        self._context = EvaluationContext(self._rule_index, self._dependencies, whole, output.stream_time)

    def _has_applied(self, entity: str) -> bool:
        return self._buckets.has_applied(entity, self._offset)

    def _content(self, entity: str) -> AlarmContent:
        content = self._buckets.content_to_change(entity)
        if not content.model:
            content.model = self._rule_index.model.version
        return content

    def _entity_alarms(self, entity: str) -> EntityAlarms:
        return EntityAlarms(entity, self._content(entity), self._context)

    def _evaluate(self, entity: str, evaluate: Callable[[EntityAlarms], list[AlarmEvent]]) -> None:
        """Add the events of an evaluation to the output, and schedule the next one."""
        alarms = self._entity_alarms(entity)
        self._output.add(evaluate(alarms))
        self._output.outages += alarms.outages
        if alarms.repairs:
            self._output.repairs += alarms.repairs
        self._timers.schedule(entity, alarms.next_due())

    def _evaluate_all(self, entities: Iterable[str]) -> None:
        for entity in sorted(set(entities)):
            if not self._has_applied(entity) and entity != PARTITION:
                self._evaluate(entity, EntityAlarms.on_time)

    def on_model(self, outdated: set[str]) -> None:
        """Evaluate the outdated entities by the present model, and remove them from the set."""
        for entity in sorted(outdated):
            if not self._has_applied(entity):
                outdated.discard(entity)
                self._evaluate(entity, EntityAlarms.on_model)

    def on_batch(self, batch: AlarmInputBatch) -> None:
        """Apply everything that a record contains."""
        if batch.corrections:
            self.on_corrections(batch.corrections)
        for points in batch.points:
            self._on_points(points, batch.time)
        self._on_sensor_reports(batch.sensor_reports)
        self._on_dependency_reports(batch.dependency_reports)
        self._on_outages(batch.outages)
        for update in batch.member_updates:
            self._on_member_update(update)
        for command in batch.commands:
            self._on_command(command)
        self._output.probes += batch.probes

    def _on_points(self, points: SeriesPoints, emitted_time: Instant) -> None:
        for entity in self._rule_index.watching_entities(points.series):
            if partition_of(entity, self._partitions) != self._partition or self._has_applied(entity):
                continue
            if self._content(entity).advance_revision(points.series, points.revision):
                self._evaluate(entity, lambda alarms: alarms.on_points(points, emitted_time))

    def on_seeded(self, entities: Iterable[str]) -> None:
        """Apply what the seed of a new log says about the rules of these entities."""
        for entity in entities:
            if not self._has_applied(entity):
                content = self._content(entity)
                corrections, content.seeded = content.seeded, ()
                self.on_corrections(corrections)

    def on_corrections(self, corrections: Iterable[AlarmCorrection]) -> None:
        """Apply what stored history says about the rules of entities of this partition."""
        for correction in corrections:
            entity = correction.entity
            if partition_of(entity, self._partitions) == self._partition and not self._has_applied(entity):
                self._evaluate(entity, partial(EntityAlarms.on_correction, correction=correction))

    def _on_sensor_reports(self, reports: Iterable[SensorReport]) -> None:
        changed = set()
        for report in reports:
            if not self._has_applied(report.entity):
                activities = self._content(report.entity).sensor_activity
                activity = activities.setdefault(report.sensor, SensorActivity())
                if activity.on_report(report.received_time, report.phenomenon_time):
                    changed.add(report.entity)
        self._evaluate_all(changed)

    def _on_dependency_reports(self, reports: Iterable[DependencyReport]) -> None:
        changed = set()
        for report in reports:
            if not self._has_applied(report.entity):
                activities = self._content(report.entity).dependency_activity
                activity = activities.setdefault(report.dependency, DependencyActivity())
                if activity.on_report(report.sensor, report.received_time):
                    changed.add(report.entity)
        self._evaluate_all(changed)

    def _on_outages(self, outages: Iterable[DependencyOutage]) -> None:
        """Note outages of other entities, and evaluate the entities with sensors behind them."""
        if self._has_applied(PARTITION):
            return
        new = [outage for outage in outages if self._is_newer(outage)]
        if not new:
            return  # as for nearly every record; only few may look through all entities
        known = self._buckets.content_to_change(PARTITION).outages
        known.update((outage.dependency, outage) for outage in new)
        sensors = {id for outage in new for id in self._dependencies.dependent_sensors(outage.dependency)}
        self._evaluate_all(
            entity
            for entity, content in list(self._buckets.items())
            if not sensors.isdisjoint(content.sensor_activity)
        )

    def _is_newer(self, outage: DependencyOutage) -> bool:
        known = self._buckets.content_to_change(PARTITION).outages.get(outage.dependency)
        return known is None or outage.revision > known.revision

    def _on_member_update(self, update: IncidentMemberUpdate) -> None:
        if self._has_applied(update.area):
            return
        incidents = self._content(update.area).incidents
        incident = incidents.get(update.cause)
        if incident is None:
            incident = incidents[update.cause] = Incident(update.cause, update.area)
        event = incident.on_member(update, self._output.stream_time)
        if event is not None:
            self._output.incidents.append(event)

    def _on_command(self, command: AlarmCommand) -> None:
        if self._has_applied(command.entity):
            return
        if self._content(command.entity).is_duplicate_command(command.id):
            return
        alarms = self._entity_alarms(command.entity)
        transition = alarms.on_command(command)
        if isinstance(transition, TransitionRefused):
            self._output.replies.append(CommandReply(command.id, transition.reason, command.alarm))
            return
        self._output.add([transition])
        self._output.replies.append(CommandReply(command.id, "", command.alarm))
        self._timers.schedule(command.entity, alarms.next_due())

    def on_tick(self, now: Instant) -> None:
        """Advance the clock of the partition, and evaluate what is due."""
        if not self._has_applied(PARTITION):
            partition = self._buckets.content_to_change(PARTITION)
            if now - partition.last_tick > TICK_GAP_MAX:
                partition.ticks_since = now
            partition.last_tick = now
        applied, due = [], []
        for time, entity in self._timers.pop_due(now):
            if self._has_applied(entity):
                applied.append((time, entity))  # its output is durable; it is due again in a later record
            elif entity != PARTITION:
                due.append(entity)
        for time, entity in applied:
            self._timers.schedule(entity, time)
        self._evaluate_all(due)


@dataclass(slots=True)
class AlarmOutput:
    """The output of one record: events in order, and the inputs for other partitions."""

    stream_time: StreamTime
    alarms: list[AlarmEvent] = field(default_factory=list)
    incidents: list[IncidentEvent] = field(default_factory=list)
    replies: list[CommandReply] = field(default_factory=list)
    #: by alarm: its state after the record, for its incident
    member_updates: dict[str, IncidentMemberUpdate] = field(default_factory=dict)
    outages: list[DependencyOutage] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    repairs: list[AlarmRepair] = field(default_factory=list)

    def add(self, events: Iterable[AlarmEvent]) -> None:
        """Add alarm events, and the update of the incident that each alarm belongs to."""
        for event in events:
            self.alarms.append(event)
            member = IncidentMember(
                event.alarm, event.revision, event.state, event.active, int(event.severity), event.time
            )
            update = IncidentMemberUpdate(event.area, event.cause, event.theme, member)
            self.member_updates[event.alarm] = update

    def records(self, partition: int, partitions: int) -> list[OutputRecord]:
        """Return the records to send."""
        now = self.stream_time.now
        outputs = []
        for part in chunk_slices(self.alarms, self.incidents, self.replies, self.probes, self.repairs):
            batch = AlarmBatch(
                LAYOUT_VERSION,
                now,
                tuple(self.alarms[part]),
                tuple(self.incidents[part]),
                tuple(self.replies[part]),
                tuple(self.probes[part]),
                tuple(self.repairs[part]),
            )
            outputs.append(OutputRecord(topics.ALARMS, partition, ALARMS.encode(batch)))
        by_partition: defaultdict[int, list[IncidentMemberUpdate]] = defaultdict(list)
        for _, update in sorted(self.member_updates.items()):
            by_partition[partition_of(update.area, partitions)].append(update)
        inputs = [
            (number, AlarmInputBatch(LAYOUT_VERSION, now, False, member_updates=tuple(updates)))
            for number in sorted(by_partition)
            for updates in record_chunks(by_partition[number])
        ]
        if self.outages:
            to_all = AlarmInputBatch(LAYOUT_VERSION, now, False, outages=tuple(self.outages))
            inputs += [(number, to_all) for number in range(partitions)]
        return outputs + [
            OutputRecord(topics.ALARM_INPUTS, number, ALARM_INPUTS.encode(input)) for number, input in inputs
        ]


@dataclass(frozen=True, slots=True)
class AlarmStageFactory:
    """Creates the stage of each partition of `alarm-inputs`."""

    log: str
    partitions: int
    buckets: int
    rule_indexes: RuleIndexCache = field(default_factory=RuleIndexCache)
    topic: str = topics.ALARM_INPUTS

    def restored(
        self, partition: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> AlarmStage | None:
        """Return the stage as the checkpoint of this log has it; None if there is no checkpoint."""
        buckets = PartitionBuckets.restored(ALARM_CODEC, self.log, self.buckets, position, bucket)
        return AlarmStage(buckets, self, partition) if buckets is not None else None

    def seeded(self, partition: int, seed: StageSeed, model: CityModel) -> AlarmStage:
        """Return the stage at the beginning of a log: with the stored alarms, incidents and baselines."""
        rule_index, _ = self.rule_indexes.of(model)
        contents = seeded_alarm_contents(
            seed, rule_index, lambda entity: partition_of(entity, self.partitions) == partition
        )
        buckets = PartitionBuckets(ALARM_CODEC, self.log, self.buckets, time=seed.time)
        buckets.seed(sorted(contents.items()))
        return AlarmStage(buckets, self, partition)

    def decode(self, value: bytes) -> AlarmInputBatch:
        """Return the content of a record; raise MessageError when this version cannot read it."""
        return ALARM_INPUTS.decode(value)

    def has_unknown(self, batch: AlarmInputBatch, model: CityModel) -> bool:
        """Whether a record names entities that the model does not have."""
        return any(points.series.entity not in model.entities for points in batch.points)


def seeded_alarm_contents(
    seed: StageSeed, rule_index: RuleIndex, is_mine: Callable[[str], bool]
) -> dict[str, AlarmContent]:
    """Return the contents of the entities of a partition of which the database stores something."""
    contents: dict[str, AlarmContent] = {}
    for event in seed.alarms:
        if is_mine(event.entity):
            content = contents.setdefault(event.entity, AlarmContent())
            content.alarms[event.alarm] = Alarm.from_event(event)
    for incident in seed.incidents:
        if is_mine(incident.area):
            content = contents.setdefault(incident.area, AlarmContent())
            content.incidents[incident.cause] = Incident.from_event(incident)
    contents[PARTITION] = AlarmContent(outages=_active_outages(seed, rule_index.model))
    if seed.baselines:
        _seed_baselines(contents, seed, rule_index, is_mine)
    for correction in filter(lambda one: is_mine(one.entity), seed.corrections):
        bound = rule_index.rules_of(correction.entity).rules.get(correction.rule)
        content = contents.setdefault(correction.entity, AlarmContent())
        content.seeded += (correction,)
        for series in bound.series if bound is not None else ():
            # The entity stage repeats stored points below this revision: the condition has them.
            content.advance_revision(series, SEEDED_REVISION)
    return contents


def _active_outages(seed: StageSeed, model: CityModel) -> dict[str, DependencyOutage]:
    """Return the outages of the whole city, by dependency, as their active alarms show them."""
    outages: dict[str, DependencyOutage] = {}
    for event in seed.alarms:
        rule = model.rules.get(event.rule)
        if event.active and rule is not None and isinstance(rule.condition, OutageCondition):
            dependency = dependency_of_alarm(rule.condition, event.entity, event.sensor)
            since = event.raised_time if event.raised_time is not None else event.time
            outages[dependency] = DependencyOutage(dependency, since, event.alarm, event.revision, since)
    return outages


def _seed_baselines(
    contents: dict[str, AlarmContent],
    seed: StageSeed,
    rule_index: RuleIndex,
    is_mine: Callable[[str], bool],
) -> None:
    """Start the conditions of rules on deviations with the stored baselines."""
    for entity in filter(is_mine, rule_index.model.entities):
        for bound in rule_index.rules_of(entity).rules.values():
            baseline = seed.baselines.get(bound.series[0]) if bound.uses_baseline else None
            if baseline is not None:
                content = contents.setdefault(entity, AlarmContent())
                content.model = rule_index.model.version
                begin_condition(bound, content).baseline = baseline.copy()
