"""The third stage: points, silences and commands become alarms and incidents. Pure.

It is a function of `alarm-inputs` alone. The clock of a partition are the ticks of the stage of entities of
the same partition: what others write to it does not move time on, so that a partition that lags is not judged
by the time of those that do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.alarm_commands import obey
from stream.alarm_seeding import seeded_contents
from stream.alarm_subject import AlarmSubject
from stream.alarms.alarm_content import PARTITION, AlarmContent, AlarmKind
from stream.alarms.entity_alarms import Surroundings
from stream.alarms.rule_index_cache import ModelBindings
from stream.alarms_told import AlarmsTold
from stream.engine.buckets import Buckets, Entry
from stream.engine.stage import Applied, Knowledge, Output, alarm_revision, log_time
from stream.engine.timers import Agenda
from twin.alarms.alarm import StreamTime
from twin.alarms.evaluation.shared_dependency import DependencyActivity
from twin.alarms.evaluation.silence import SensorActivity
from twin.alarms.incident import Incident
from twin.alarms.messages import (
    ALARM_INPUTS,
    AlarmCommand,
    AlarmInputBatch,
    CommandReply,
    DependencyOutage,
    DependencyReport,
    IncidentMemberUpdate,
    SensorReport,
    SeriesPoints,
)
from twin.alarms.state_machine import TransitionRefused
from twin.instant import INSTANT_MIN, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.wire.messages import partition_of

PAUSE_MAX: Duration = 10 * SECOND
"""Ticks come each second. After a longer pause nobody could be heard for a while: silence counts anew."""


class AlarmStage:
    """The alarms of the entities of one partition."""

    def __init__(self, buckets: Buckets[AlarmContent], options: AlarmStages, partition: int) -> None:
        self._buckets = buckets
        self._options = options
        self._partition = partition
        self._model: CityModel | None = None
        self._agenda: Agenda[str] = Agenda()
        self._outdated: set[str] = set()  # entities that were last evaluated by another model

    @property
    def offset(self) -> int:
        """Return the offset of the last applied record."""
        return self._buckets.offset

    def open(self, knowledge: Knowledge, model: CityModel) -> list[Output]:
        """Return nothing: what rules look at comes with the log."""
        return []

    def apply(self, offset: int, batch: AlarmInputBatch | None, model: CityModel) -> Applied:
        """Take in the record at `offset`; None is one that could not be read."""
        before = self._buckets.time
        if batch is None:
            self._buckets.reach(offset, before)
            return Applied([], Counter(), 0)
        now = (
            log_time(before, batch.time) if batch.is_partition_clock or before == INSTANT_MIN else before + 1
        )
        work = _Work(self, offset, model, AlarmsTold(StreamTime(now, alarm_revision(now, model))))
        self._follow(model, now)
        work.renew(self._outdated)
        work.take(batch)
        if batch.is_partition_clock:
            work.tick(now)
        self._buckets.reach(offset, now)
        return Applied(work.told.outputs(self._partition, self._options.partitions), Counter(), 0)

    def _follow(self, model: CityModel, now: Instant) -> None:
        if self._model is not None and self._model.version == model.version:
            return
        self._model = model
        for entity, content in self._buckets.items():
            self._agenda.schedule(entity, now)
            if entity != PARTITION and content.model != model.version:
                self._outdated.add(entity)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries of a checkpoint, as `Buckets.entries` does."""
        return self._buckets.entries()


class _Work:
    """What one record does."""

    def __init__(self, stage: AlarmStage, offset: int, model: CityModel, told: AlarmsTold) -> None:
        self._stage = stage
        self._buckets = stage._buckets
        self._offset = offset
        self._bindings, self._supplies = stage._options.bindings.of(model)
        self.told = told

    def _is_done(self, entity: str) -> bool:
        """Whether the entity's content has this record already."""
        return self._buckets.has_applied(entity, self._offset)

    def _subject(self, entity: str) -> AlarmSubject:
        whole = self._buckets.of(PARTITION).contents.get(PARTITION) or AlarmContent()
        around = Surroundings(self._bindings, self._supplies, whole.outs, whole.resumed, self.told.moment)
        return AlarmSubject(entity, self._content(entity), around)

    def _content(self, entity: str) -> AlarmContent:
        content = self._buckets.content(entity)
        if not content.model:
            content.model = self._bindings.model.version
        return content

    def _tell(self, entity: str, subject: AlarmSubject) -> None:
        self.told.outs += subject.outs
        self._stage._agenda.schedule(entity, subject.due())

    def renew(self, outdated: set[str]) -> None:
        """Have entities evaluated by the present model that were by another."""
        for entity in sorted(outdated):
            if not self._is_done(entity):
                outdated.discard(entity)
                subject = self._subject(entity)
                self.told.add(subject.renew())
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
            if self._content(entity).is_news(points.series, points.revision):
                subject = self._subject(entity)
                self.told.add(subject.take(points, told_time))
                self._tell(entity, subject)

    def _take_heard(self, heard: Iterable[SensorReport]) -> None:
        concerned = set()
        for one in heard:
            if not self._is_done(one.entity):
                life = self._content(one.entity).lives.setdefault(one.sensor, SensorActivity())
                if life.on_report(one.received_time, one.phenomenon_time):
                    concerned.add(one.entity)
        self._evaluate(concerned)

    def _take_carried(self, carried: Iterable[DependencyReport]) -> None:
        concerned = set()
        for one in carried:
            if not self._is_done(one.entity):
                life = self._content(one.entity).supplies.setdefault(one.dependency, DependencyActivity())
                if life.on_report(one.sensor, one.received_time):
                    concerned.add(one.entity)
        self._evaluate(concerned)

    def _take_outs(self, outs: Iterable[DependencyOutage]) -> None:
        if self._is_done(PARTITION):
            return
        found = [one for one in outs if self._is_new(one)]
        if not found:
            return  # as with nearly every record: to look through all entities is for the few
        known = self._buckets.content(PARTITION).outs
        for one in found:
            known[one.dependency] = one
        sensors = {id for one in found for id in self._supplies.dependent_sensors(one.dependency)}
        self._evaluate(
            entity for entity, content in list(self._buckets.items()) if not sensors.isdisjoint(content.lives)
        )

    def _is_new(self, out: DependencyOutage) -> bool:
        known = self._buckets.content(PARTITION).outs.get(out.dependency)
        return known is None or out.revision > known.revision

    def _take_joined(self, joined: IncidentMemberUpdate) -> None:
        if self._is_done(joined.area):
            return
        incidents = self._content(joined.area).incidents
        incident = incidents.get(joined.cause)
        if incident is None:
            incident = incidents[joined.cause] = Incident(joined.cause, joined.area)
        event = incident.on_member(joined, self.told.moment)
        if event is not None:
            self.told.incidents.append(event)

    def _take_command(self, command: AlarmCommand) -> None:
        if self._is_done(command.entity):
            return
        content = self._content(command.entity)
        if content.is_repeated(command.id):
            return
        moment = self.told.moment
        found = obey(content.alarms.get(command.alarm), command, moment.now, moment.revision)
        if isinstance(found, TransitionRefused):
            self.told.answers.append(CommandReply(command.id, found.reason, command.alarm))
            return
        self.told.add([found])
        self.told.answers.append(CommandReply(command.id, "", command.alarm))
        self._stage._agenda.schedule(command.entity, self._subject(command.entity).due())

    def tick(self, now: Instant) -> None:
        """Let the clock come to `now`."""
        if not self._is_done(PARTITION):
            whole = self._buckets.content(PARTITION)
            if now - whole.clock > PAUSE_MAX:
                whole.resumed = now
            whole.clock = now
        waiting, due = [], []
        for time, entity in self._stage._agenda.take_due(now):
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
            self.told.add(subject.pass_time())
            self._tell(entity, subject)


@dataclass(frozen=True, slots=True)
class AlarmStages:
    """Makes the stage of each partition of `alarm-inputs`."""

    log: str
    partitions: int
    buckets: int
    bindings: ModelBindings = field(default_factory=ModelBindings)
    topic: str = topics.ALARM_INPUTS

    def restored(
        self, partition: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> AlarmStage | None:
        """Return the stage as a checkpoint of this log has it, or None when there is none."""
        buckets = Buckets.restored(AlarmKind(), self.log, self.buckets, position, bucket)
        return AlarmStage(buckets, self, partition) if buckets is not None else None

    def seeded(self, partition: int, knowledge: Knowledge, model: CityModel) -> AlarmStage:
        """Return the stage at the beginning of a log: with what was stored of alarms, and what was usual."""
        bindings, _ = self.bindings.of(model)
        contents = seeded_contents(
            knowledge, bindings, lambda one: partition_of(one, self.partitions) == partition
        )
        buckets = Buckets(AlarmKind(), self.log, self.buckets)
        buckets.seed(sorted(contents.items()))
        return AlarmStage(buckets, self, partition)

    def read(self, value: bytes) -> AlarmInputBatch:
        """Return what a record holds; raise MessageError when this version cannot read it."""
        return ALARM_INPUTS.decode(value)

    def missing(self, batch: AlarmInputBatch, model: CityModel) -> bool:
        """Whether a record speaks of entities that the model does not know."""
        return any(one.series.entity not in model.entities for one in batch.points)
