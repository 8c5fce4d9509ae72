"""The first stage: observations become the state of entities, their windows and derived values. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.alarms.alarm_inputs import AlarmInputBuffer
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.engine.buckets import CheckpointEntry, PartitionBuckets
from stream.engine.stage import (
    ApplyResult,
    OutputRecord,
    alarm_revision,
    log_time,
    starts_second,
    window_revision,
)
from stream.engine.stage_seed import StageSeed
from stream.engine.timers import Timers
from stream.entities.entity_content import EntityCodec, EntityContent, adopt_model, has_same_policy
from stream.entities.entity_output import EntityOutput, stored_derived_value
from stream.entities.entity_seeding import seeded_entities, unpublished_updates
from stream.entities.roll_ups import RollUpTable
from twin.instant import HOUR, INSTANT_MIN, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.state.datastream_state import DatastreamState, ObservationOutcome, ObservationResult
from twin.state.derived_state import RequiredInputs, required_inputs
from twin.state.window import aggregate_of, window_start
from twin.wire.messages import (
    OBSERVATIONS,
    Assessment,
    ObservationBatch,
    Update,
    UpdateKind,
    WindowRepair,
    partition_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityOptions:
    """What the stages of entities have in common."""

    partitions: int
    future_max: Duration
    rule_indexes: RuleIndexCache


class EntityStage:
    """The entities of one partition of `observations`."""

    def __init__(
        self, buckets: PartitionBuckets[EntityContent], options: EntityOptions, partition: int
    ) -> None:
        self._buckets = buckets
        self._options = options
        self._partition = partition
        self._model: CityModel | None = None
        self._alarms: AlarmInputBuffer | None = None
        self._wanted: dict[str, RequiredInputs] = {}
        self._roll_ups = RollUpTable()
        self._awaited: set[str] = set()  # entities with something to tell at the next second
        self._agenda: Timers[tuple[str, int]] = Timers()  # datastreams whose windows are told when none comes

    @property
    def offset(self) -> int:
        """Return the offset of the last applied record."""
        return self._buckets.offset

    def initial_outputs(self, knowledge: StageSeed, model: CityModel) -> list[OutputRecord]:
        """Return what was stored and not told, and have everything derived and told to areas again."""
        told = EntityOutput(window_revision(self._buckets.time, model))
        feed = self._feed_by(model, self._buckets.time)
        for entity, content in self._buckets.items():
            told.updates += unpublished_updates(entity, content, knowledge, model)
            known = [one for id in content.state.datastreams if (one := model.datastreams.get(id))]
            content.pending_properties.update(one.property for one in known)
            feed.add_entity(entity, content.state)
        contents = dict(self._buckets.items())
        for update in knowledge.derived:
            if update.entity in contents:
                told.add_area_input(model, update.entity, stored_derived_value(update), update.revision)
                feed.add_derived(update.entity, stored_derived_value(update))
        mine = {id for _, content in self._buckets.items() for id in content.state.datastreams}
        told.repairs += [one for one in knowledge.repairs if one.datastream in mine]
        return self._outputs(told, self._buckets.time, self.offset, clock=False)

    def apply(self, offset: int, batch: ObservationBatch | None, model: CityModel) -> ApplyResult:
        """Take in the record at `offset`; None is one that could not be read."""
        before = self._buckets.time
        if batch is None:
            self._buckets.advance(offset, before)
            return ApplyResult([], Counter(), 0)
        now = log_time(before, batch.time)
        told = EntityOutput(window_revision(now, model))
        self._feed_by(model, now).probes += batch.probes
        self._follow(model, told)
        outcomes: Counter[ObservationOutcome] = Counter()
        unknown = 0
        for observation in batch.observations:
            datastream = model.datastreams.get(observation.datastream)
            if datastream is None:
                unknown += 1
            elif not self._buckets.has_applied(datastream.entity, offset):
                outcomes[self._observe(observation, datastream, model, told)] += 1
        for verdict in batch.verdicts:
            if not self._buckets.has_applied(verdict.entity, offset):
                self._hear(verdict, model, told)
        if starts_second(before, now):
            self._tell(model, now, offset, told)
        self._buckets.advance(offset, now)
        return ApplyResult(
            self._outputs(told, now, offset, clock=starts_second(before, now)), outcomes, unknown
        )

    def _feed_by(self, model: CityModel, now: Instant) -> AlarmInputBuffer:
        if self._alarms is None or self._alarms.model is not model:
            self._alarms = AlarmInputBuffer(*self._options.rule_indexes.of(model))
        self._alarms.revision = alarm_revision(now, model)
        return self._alarms

    def _outputs(self, told: EntityOutput, now: Instant, offset: int, *, clock: bool) -> list[OutputRecord]:
        partition, partitions = self._partition, self._options.partitions
        outputs = told.outputs(partition, partitions, now, offset)
        if self._alarms is not None:
            outputs += self._alarms.take_outputs(partition, partitions, now, clock=clock)
        return outputs

    def _observe(
        self, observation: Observation, datastream: Datastream, model: CityModel, told: EntityOutput
    ) -> ObservationOutcome:
        content = self._buckets.content_to_change(datastream.entity)
        adopt_model(content, model)
        effect = content.state.observe(observation, model, self._options.future_max)
        if effect.outcome is ObservationOutcome.FUTURE:
            return effect.outcome
        if effect.outcome is ObservationOutcome.REPAIR:
            told.repairs.append(WindowRepair(datastream.id, observation.phenomenon_time))
        content.pending_datastreams.add(datastream.id)
        self._awaited.add(datastream.entity)
        self._emit(content, datastream, effect, model, told)
        since = observation.phenomenon_time
        if effect.quality_results:
            since = min(since, *(one.phenomenon_time for one in effect.quality_results))
        self._points(content, datastream, effect.outcome, since)
        return effect.outcome

    def _points(
        self, content: EntityContent, datastream: Datastream, outcome: ObservationOutcome, since: Instant
    ) -> None:
        """Tell the stage of alarms what the property was from a time on, unless it is what it was."""
        if self._alarms is not None and outcome not in (
            ObservationOutcome.DUPLICATE,
            ObservationOutcome.SUPERSEDED,
            ObservationOutcome.FUTURE,
        ):
            self._alarms.add_observed(datastream.entity, datastream.property, content.state, since)

    def _hear(self, verdict: NeighbourVerdict, model: CityModel, told: EntityOutput) -> None:
        """Take in what neighbours say of an entity."""
        content = self._buckets.content_to_change(verdict.entity)
        adopt_model(content, model)
        update = content.state.on_verdict(verdict, model)
        if update is not None:
            self._awaited.add(verdict.entity)
            self._emit_update(content, update, model, told)

    def _emit(
        self,
        content: EntityContent,
        datastream: Datastream,
        result: ObservationResult,
        model: CityModel,
        told: EntityOutput,
    ) -> None:
        """Emit the quality results and the update of an observation at once."""
        for quality in result.quality_results:
            told.assessments.append(
                Assessment(datastream.id, quality.phenomenon_time, quality.flags, told.revision)
            )
        if result.update is not None:
            self._emit_update(content, result.update, model, told)

    def _emit_update(
        self, content: EntityContent, update: Update, model: CityModel, told: EntityOutput
    ) -> None:
        """Emit an update at once; remember which derived values and roll-ups follow at the next second."""
        told.updates.append(update)
        if update.kind is not UpdateKind.PERSONAL:
            content.pending_properties.add(update.property)
            content.derived.on_update(update, self._wanted_of(update.entity, model))

    def _tell(self, model: CityModel, now: Instant, offset: int, told: EntityOutput) -> None:
        """Tell windows and derived values of what was observed, and of what falls due."""
        waiting = []
        for due, (entity, id) in self._agenda.pop_due(now):
            if self._buckets.has_applied(entity, offset):
                waiting.append(
                    (due, (entity, id))
                )  # what it told then is told; what it has to tell comes later
                continue
            content = self._buckets.bucket_of(entity).contents.get(entity)
            if content is not None and id in content.state.datastreams:
                content.pending_datastreams.add(id)
                self._awaited.add(entity)
        for due, key in waiting:
            self._agenda.schedule(key, due)
        awaited, self._awaited = sorted(self._awaited), set()
        for entity in awaited:
            if self._buckets.has_applied(entity, offset):
                self._awaited.add(entity)
            else:
                self._tell_entity(entity, model, now, told)

    def _tell_entity(self, entity: str, model: CityModel, now: Instant, told: EntityOutput) -> None:
        content = self._buckets.content_to_change(entity)
        wanted = self._wanted_of(entity, model)
        for id in sorted(content.pending_datastreams):
            datastream = model.datastreams.get(id)
            if datastream is not None and id in content.state.datastreams:
                self._tell_windows(content, datastream, model, now, told)
                if self._alarms is not None:
                    self._alarms.add_sensor_report(datastream, content.state.datastreams[id].newest, now)
        content.pending_datastreams.clear()
        for value in content.derived.derive(model, entity, wanted, now):
            content.state.revision += 1
            timed = value if value.interval else value._replace(interval=model.interval_of(entity))
            told.add_derived(entity, content.state.revision, timed, now)
            told.add_area_input(model, entity, timed, content.state.revision)
            if self._alarms is not None:
                self._alarms.add_derived(entity, timed)
        self._roll_ups.emit_due(entity, content, model, told, now)
        if content.pending_properties or any(one.pending for one in content.derived.households.values()):
            self._awaited.add(entity)

    def _tell_windows(
        self,
        content: EntityContent,
        datastream: Datastream,
        model: CityModel,
        now: Instant,
        told: EntityOutput,
    ) -> None:
        state = content.state.datastreams[datastream.id]
        terms = model.policy_of(datastream)
        if state.is_idle(now, terms) and (datastream.entity, datastream.id) in self._agenda:
            return
        for window, accumulator, lacking in state.emit_windows(now, terms):
            aggregate = aggregate_of(
                accumulator,
                datastream=datastream.id,
                size=window.size,
                start=window.start,
                revision=told.revision,
                interval=terms.interval,
                kind=terms.aggregation,
            )
            told.aggregates.append(aggregate)
            if lacking:
                told.repairs.append(WindowRepair(datastream.id, window.start))
            if terms.personal:
                property = model.properties[datastream.property]
                content.derived.on_personal_window(property, aggregate, now)
            else:
                wanted = self._wanted_of(datastream.entity, model)
                content.derived.on_window(datastream.property, aggregate, wanted)
                if self._alarms is not None:
                    self._alarms.add_window(
                        datastream.entity, datastream.property, aggregate, content.derived
                    )
        self._schedule(datastream, state, model)

    def _schedule(self, datastream: Datastream, state: DatastreamState, model: CityModel) -> None:
        self._agenda.schedule((datastream.entity, datastream.id), state.due(model.policy_of(datastream)))

    def _follow(self, model: CityModel, told: EntityOutput) -> None:
        """Go on with a model: what it judges otherwise than the one before is judged again."""
        if self._model is not None and self._model.version == model.version:
            return
        before, self._model = self._model, model
        self._wanted.clear()
        for entity, content in list(self._buckets.items()):
            if content.pending_datastreams or content.pending_properties or content.derived.changed:
                self._awaited.add(entity)
            if any(one.pending for one in content.derived.households.values()):
                self._awaited.add(entity)
            known = content.model == model.version
            adopt_model(content, model)
            for id, state in content.state.datastreams.items():
                datastream = model.datastreams.get(id)
                if datastream is None:
                    continue
                self._schedule(datastream, state, model)
                if not known and not has_same_policy(datastream, before, model):
                    self._buckets.content_to_change(entity).pending_datastreams.add(id)
                    self._awaited.add(entity)
                    effect = content.state.reassess(datastream, model)
                    # A replay may have told these windows by another model under the same revision.
                    hours = {window_start(one.phenomenon_time, HOUR) for one in state.assessed}
                    told.repairs += [WindowRepair(id, hour) for hour in sorted(hours)]
                    self._emit(content, datastream, effect, model, told)
                    self._points(content, datastream, effect.outcome, INSTANT_MIN)

    def _wanted_of(self, entity: str, model: CityModel) -> RequiredInputs:
        wanted = self._wanted.get(entity)
        if wanted is None:
            found = model.entities.get(entity)
            attributes = found.attributes if found is not None else {}
            properties = {one.property for one in model.datastreams_of(entity)}
            windows = self._alarms.rule_windows(entity) if self._alarms is not None else ()
            wanted = self._wanted[entity] = required_inputs(properties, attributes, windows)
        return wanted

    def checkpoint_entries(self) -> Iterator[CheckpointEntry]:
        """Yield the entries of a checkpoint, as `PartitionBuckets.checkpoint_entries` does."""
        return self._buckets.checkpoint_entries()


# Makes the stages of `observations`: restored from a checkpoint, or seeded from what was stored. Pure.


@dataclass(frozen=True, slots=True)
class EntityStageFactory:
    """Makes the stage of each partition of `observations`."""

    log: str
    partitions: int
    buckets: int
    future_max: Duration
    rule_indexes: RuleIndexCache = field(default_factory=RuleIndexCache)
    topic: str = topics.OBSERVATIONS

    @property
    def options(self) -> EntityOptions:
        """What the stages have in common."""
        return EntityOptions(
            partitions=self.partitions, future_max=self.future_max, rule_indexes=self.rule_indexes
        )

    def restored(
        self, partition: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> EntityStage | None:
        """Return the stage as a checkpoint of this log has it, or None when there is none."""
        buckets = PartitionBuckets.restored(EntityCodec(), self.log, self.buckets, position, bucket)
        return EntityStage(buckets, self.options, partition) if buckets is not None else None

    def seeded(self, partition: int, knowledge: StageSeed, model: CityModel) -> EntityStage:
        """Return the stage at the beginning of a log, from what was stored."""
        buckets = PartitionBuckets(EntityCodec(), self.log, self.buckets)
        mine = [
            one
            for one in knowledge.observations
            if (known := model.datastreams.get(one.datastream)) is not None
            and partition_of(known.entity, self.partitions) == partition
        ]
        contents = seeded_entities(knowledge._replace(observations=mine), model, self.future_max)
        buckets.seed(contents.items())
        return EntityStage(buckets, self.options, partition)

    def decode(self, value: bytes) -> ObservationBatch:
        """Return what a record holds; raise MessageError when this version cannot read it."""
        return OBSERVATIONS.decode(value)

    def has_unknown(self, batch: ObservationBatch, model: CityModel) -> bool:
        """Whether a record holds observations of datastreams that the model does not know."""
        return not {one.datastream for one in batch.observations} <= model.datastreams.keys()
