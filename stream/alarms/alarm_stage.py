"""The third stage: points, silences and commands become alarms and incidents. Pure.

It is a function of `alarm-inputs` alone. The clock of a partition are the ticks of the stage of entities of
the same partition: what others write to it does not move time on, so that a partition that lags is not judged
by the time of those that do not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.alarms.alarm_content import PARTITION, AlarmCodec, AlarmContent
from stream.alarms.entity_alarms import EntityEvaluation, EvaluationContext, apply_command, begin_condition
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.engine.buckets import CheckpointEntry, PartitionBuckets
from stream.engine.stage import (
    RECORD_ITEMS_MAX,
    ApplyResult,
    OutputRecord,
    alarm_revision,
    log_time,
    record_chunks,
)
from stream.engine.stage_seed import StageSeed
from stream.engine.timers import Timers
from twin.alarms.alarm import Alarm, StreamTime
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
"""Ticks come each second. After a longer pause nobody could be heard for a while: silence counts anew."""


class AlarmStage:
    """The alarms of the entities of one partition."""

    def __init__(
        self, buckets: PartitionBuckets[AlarmContent], options: AlarmStageFactory, partition: int
    ) -> None:
        self._buckets = buckets
        self._options = options
        self._partition = partition
        self._model: CityModel | None = None
        self._agenda: Timers[str] = Timers()
        self._outdated: set[str] = set()  # entities that were last evaluated by another model

    @property
    def offset(self) -> int:
        """Return the offset of the last applied record."""
        return self._buckets.offset

    def initial_outputs(self, knowledge: StageSeed, model: CityModel) -> list[OutputRecord]:
        """Return nothing: what rules look at comes with the log."""
        return []

    def apply(self, offset: int, batch: AlarmInputBatch | None, model: CityModel) -> ApplyResult:
        """Take in the record at `offset`; None is one that could not be read."""
        before = self._buckets.time
        if batch is None:
            self._buckets.advance(offset, before)
            return ApplyResult([], Counter(), 0)
        now = (
            log_time(before, batch.time) if batch.is_partition_clock or before == INSTANT_MIN else before + 1
        )
        work = _RecordEvaluation(
            self, offset, model, AlarmOutput(StreamTime(now, alarm_revision(now, model)))
        )
        self._follow(model, now)
        work.renew(self._outdated)
        work.take(batch)
        if batch.is_partition_clock:
            work.tick(now)
        self._buckets.advance(offset, now)
        return ApplyResult(work.told.outputs(self._partition, self._options.partitions), Counter(), 0)

    def _follow(self, model: CityModel, now: Instant) -> None:
        if self._model is not None and self._model.version == model.version:
            return
        self._model = model
        for entity, content in self._buckets.items():
            self._agenda.schedule(entity, now)
            if entity != PARTITION and content.model != model.version:
                self._outdated.add(entity)

    def checkpoint_entries(self) -> Iterator[CheckpointEntry]:
        """Yield the entries of a checkpoint, as `PartitionBuckets.checkpoint_entries` does."""
        return self._buckets.checkpoint_entries()


class _RecordEvaluation:
    """What one record does."""

    def __init__(self, stage: AlarmStage, offset: int, model: CityModel, told: AlarmOutput) -> None:
        self._stage = stage
        self._buckets = stage._buckets
        self._offset = offset
        self._bindings, self._supplies = stage._options.rule_indexes.of(model)
        self.told = told

    def _is_done(self, entity: str) -> bool:
        """Whether the entity's content has this record already."""
        return self._buckets.has_applied(entity, self._offset)

    def _subject(self, entity: str) -> EntityEvaluation:
        whole = self._buckets.bucket_of(PARTITION).contents.get(PARTITION) or AlarmContent()
        around = EvaluationContext(
            self._bindings, self._supplies, whole.outages, whole.ticks_since, self.told.stream_time
        )
        return EntityEvaluation(entity, self._content(entity), around)

    def _content(self, entity: str) -> AlarmContent:
        content = self._buckets.content_to_change(entity)
        if not content.model:
            content.model = self._bindings.model.version
        return content

    def _tell(self, entity: str, subject: EntityEvaluation) -> None:
        self.told.outages += subject.outages
        self._stage._agenda.schedule(entity, subject.next_due())

    def renew(self, outdated: set[str]) -> None:
        """Have entities evaluated by the present model that were by another."""
        for entity in sorted(outdated):
            if not self._is_done(entity):
                outdated.discard(entity)
                subject = self._subject(entity)
                self.told.add(subject.on_model())
                self._tell(entity, subject)

    def take(self, batch: AlarmInputBatch) -> None:
        """Take in what a record holds."""
        for points in batch.points:
            self._take_points(points, batch.time)
        self._take_heard(batch.sensor_reports)
        self._take_carried(batch.dependency_reports)
        self._take_outs(batch.outages)
        for joined in batch.member_updates:
            self._take_joined(joined)
        for command in batch.commands:
            self._take_command(command)
        self.told.probes += batch.probes

    def _take_points(self, points: SeriesPoints, told_time: Instant) -> None:
        partition, partitions = self._stage._partition, self._stage._options.partitions
        for entity in self._bindings.watching_entities(points.series):
            if partition_of(entity, partitions) != partition or self._is_done(entity):
                continue
            if self._content(entity).advance_revision(points.series, points.revision):
                subject = self._subject(entity)
                self.told.add(subject.on_points(points, told_time))
                self._tell(entity, subject)

    def _take_heard(self, heard: Iterable[SensorReport]) -> None:
        concerned = set()
        for one in heard:
            if not self._is_done(one.entity):
                life = self._content(one.entity).sensor_activity.setdefault(one.sensor, SensorActivity())
                if life.on_report(one.received_time, one.phenomenon_time):
                    concerned.add(one.entity)
        self._evaluate(concerned)

    def _take_carried(self, carried: Iterable[DependencyReport]) -> None:
        concerned = set()
        for one in carried:
            if not self._is_done(one.entity):
                life = self._content(one.entity).dependency_activity.setdefault(
                    one.dependency, DependencyActivity()
                )
                if life.on_report(one.sensor, one.received_time):
                    concerned.add(one.entity)
        self._evaluate(concerned)

    def _take_outs(self, outs: Iterable[DependencyOutage]) -> None:
        if self._is_done(PARTITION):
            return
        found = [one for one in outs if self._is_new(one)]
        if not found:
            return  # as with nearly every record: to look through all entities is for the few
        known = self._buckets.content_to_change(PARTITION).outages
        for one in found:
            known[one.dependency] = one
        sensors = {id for one in found for id in self._supplies.dependent_sensors(one.dependency)}
        self._evaluate(
            entity
            for entity, content in list(self._buckets.items())
            if not sensors.isdisjoint(content.sensor_activity)
        )

    def _is_new(self, out: DependencyOutage) -> bool:
        known = self._buckets.content_to_change(PARTITION).outages.get(out.dependency)
        return known is None or out.revision > known.revision

    def _take_joined(self, joined: IncidentMemberUpdate) -> None:
        if self._is_done(joined.area):
            return
        incidents = self._content(joined.area).incidents
        incident = incidents.get(joined.cause)
        if incident is None:
            incident = incidents[joined.cause] = Incident(joined.cause, joined.area)
        event = incident.on_member(joined, self.told.stream_time)
        if event is not None:
            self.told.incidents.append(event)

    def _take_command(self, command: AlarmCommand) -> None:
        if self._is_done(command.entity):
            return
        content = self._content(command.entity)
        if content.is_duplicate_command(command.id):
            return
        moment = self.told.stream_time
        found = apply_command(content.alarms.get(command.alarm), command, moment.now, moment.revision)
        if isinstance(found, TransitionRefused):
            self.told.replies.append(CommandReply(command.id, found.reason, command.alarm))
            return
        self.told.add([found])
        self.told.replies.append(CommandReply(command.id, "", command.alarm))
        self._stage._agenda.schedule(command.entity, self._subject(command.entity).next_due())

    def tick(self, now: Instant) -> None:
        """Let the clock come to `now`."""
        if not self._is_done(PARTITION):
            whole = self._buckets.content_to_change(PARTITION)
            if now - whole.last_tick > TICK_GAP_MAX:
                whole.ticks_since = now
            whole.last_tick = now
        waiting, due = [], []
        for time, entity in self._stage._agenda.pop_due(now):
            if self._is_done(entity):
                waiting.append((time, entity))  # what it told then is told; what it has to tell comes later
            elif entity != PARTITION:
                due.append(entity)
        for time, entity in waiting:
            self._stage._agenda.schedule(entity, time)
        self._evaluate(due)

    def _evaluate(self, entities: Iterable[str]) -> None:
        for entity in sorted(set(entities)):
            if self._is_done(entity) or entity == PARTITION:
                continue
            subject = self._subject(entity)
            self.told.add(subject.evaluate())
            self._tell(entity, subject)


@dataclass(frozen=True, slots=True)
class AlarmStageFactory:
    """Makes the stage of each partition of `alarm-inputs`."""

    log: str
    partitions: int
    buckets: int
    rule_indexes: RuleIndexCache = field(default_factory=RuleIndexCache)
    topic: str = topics.ALARM_INPUTS

    def restored(
        self, partition: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> AlarmStage | None:
        """Return the stage as a checkpoint of this log has it, or None when there is none."""
        buckets = PartitionBuckets.restored(AlarmCodec(), self.log, self.buckets, position, bucket)
        return AlarmStage(buckets, self, partition) if buckets is not None else None

    def seeded(self, partition: int, knowledge: StageSeed, model: CityModel) -> AlarmStage:
        """Return the stage at the beginning of a log: with what was stored of alarms, and what was usual."""
        bindings, _ = self.rule_indexes.of(model)
        contents = seeded_alarm_contents(
            knowledge, bindings, lambda one: partition_of(one, self.partitions) == partition
        )
        buckets = PartitionBuckets(AlarmCodec(), self.log, self.buckets)
        buckets.seed(sorted(contents.items()))
        return AlarmStage(buckets, self, partition)

    def decode(self, value: bytes) -> AlarmInputBatch:
        """Return what a record holds; raise MessageError when this version cannot read it."""
        return ALARM_INPUTS.decode(value)

    def has_unknown(self, batch: AlarmInputBatch, model: CityModel) -> bool:
        """Whether a record speaks of entities that the model does not know."""
        return any(one.series.entity not in model.entities for one in batch.points)


# What one record makes the stage of alarms tell, and the records that tell it.


@dataclass(slots=True)
class AlarmOutput:
    """Alarms, incidents and answers, in order; and what other partitions are told."""

    stream_time: StreamTime
    alarms: list[AlarmEvent] = field(default_factory=list)
    incidents: list[IncidentEvent] = field(default_factory=list)
    replies: list[CommandReply] = field(default_factory=list)
    member_updates: dict[str, IncidentMemberUpdate] = field(
        default_factory=dict
    )  #: by alarm: what it is at the end
    outages: list[DependencyOutage] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)

    def add(self, events: Iterable[AlarmEvent]) -> None:
        """Tell what happened to alarms, and tell it to their incidents."""
        for one in events:
            self.alarms.append(one)
            member = IncidentMember(
                one.alarm, one.revision, one.state, one.active, int(one.severity), one.time
            )
            self.member_updates[one.alarm] = IncidentMemberUpdate(one.area, one.cause, one.theme, member)

    def outputs(self, partition: int, partitions: int) -> list[OutputRecord]:
        """Return the records."""
        now = self.stream_time.now
        outputs = []
        count = max(len(self.alarms), len(self.incidents), len(self.replies), len(self.probes))
        for start in range(0, count, RECORD_ITEMS_MAX):
            part = slice(start, start + RECORD_ITEMS_MAX)
            batch = AlarmBatch(
                LAYOUT_VERSION,
                now,
                tuple(self.alarms[part]),
                tuple(self.incidents[part]),
                tuple(self.replies[part]),
                tuple(self.probes[part]),
            )
            outputs.append(OutputRecord(topics.ALARMS, partition, ALARMS.encode(batch)))
        by_area: defaultdict[int, list[IncidentMemberUpdate]] = defaultdict(list)
        for _, one in sorted(self.member_updates.items()):
            by_area[partition_of(one.area, partitions)].append(one)
        inputs = [
            (number, AlarmInputBatch(LAYOUT_VERSION, now, False, member_updates=tuple(found)))
            for number in sorted(by_area)
            for found in record_chunks(by_area[number])
        ]
        if self.outages:
            everybody = AlarmInputBatch(LAYOUT_VERSION, now, False, outages=tuple(self.outages))
            inputs += [(number, everybody) for number in range(partitions)]
        return outputs + [
            OutputRecord(topics.ALARM_INPUTS, number, ALARM_INPUTS.encode(batch)) for number, batch in inputs
        ]


# Seeding the stage of alarms: what it knows at the beginning of a log, made of what was stored. Pure.


def seeded_alarm_contents(
    knowledge: StageSeed, bindings: RuleIndex, is_mine: Callable[[str], bool]
) -> dict[str, AlarmContent]:
    """Return the entities of a partition of which something is known, as they begin."""
    contents: dict[str, AlarmContent] = {}
    for event in knowledge.alarms:
        if is_mine(event.entity):
            content = contents.setdefault(event.entity, AlarmContent())
            content.alarms[event.alarm] = Alarm.from_event(event)
    for incident in knowledge.incidents:
        if is_mine(incident.area):
            content = contents.setdefault(incident.area, AlarmContent())
            content.incidents[incident.cause] = Incident.from_event(incident)
    contents[PARTITION] = AlarmContent(outages=_known_outages(knowledge, bindings.model))
    if knowledge.usual:
        _seed_baselines(contents, knowledge, bindings, is_mine)
    return contents


def _known_outages(knowledge: StageSeed, model: CityModel) -> dict[str, DependencyOutage]:
    """Return the supplies that are out, by their alarms: every partition knows them."""
    found: dict[str, DependencyOutage] = {}
    for event in knowledge.alarms:
        rule = model.rules.get(event.rule)
        if event.active and rule is not None and isinstance(rule.condition, OutageCondition):
            supply = dependency_of_alarm(rule.condition, event.entity, event.sensor)
            since = event.raised_time if event.raised_time is not None else event.time
            found[supply] = DependencyOutage(supply, since, event.alarm, event.revision, since)
    return found


def _seed_baselines(
    contents: dict[str, AlarmContent],
    knowledge: StageSeed,
    bindings: RuleIndex,
    is_mine: Callable[[str], bool],
) -> None:
    """Let the courses of rules that learn begin with what was usual."""
    for entity in filter(is_mine, bindings.model.entities):
        for bound in bindings.rules_of(entity).rules.values():
            known = knowledge.usual.get(bound.series[0]) if bound.uses_baseline else None
            if known is not None:
                content = contents.setdefault(entity, AlarmContent())
                content.model = bindings.model.version
                begin_condition(bound, content).baseline = known.copy()
