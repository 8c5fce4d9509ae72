"""The first stage: observations become the states, windows and derived values of entities. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.alarms.alarm_inputs import AlarmInputBuffer
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.engine.buckets import PartitionBuckets
from stream.engine.stage import (
    REASSESSED_BASE,
    ApplyResult,
    BucketStage,
    OutputRecord,
    alarm_revision,
    log_time,
    starts_second,
    window_revision,
)
from stream.engine.stage_seed import StageSeed
from stream.engine.timers import Timers
from stream.entities.entity_content import (
    EntityCodec,
    EntityContent,
    adopt_model,
    has_same_policy,
    update_values,
)
from stream.entities.entity_output import EntityOutput, last_of_slot, stored_derived_value
from stream.entities.entity_seeding import seeded_entities, unpublished_updates
from stream.entities.roll_ups import RollUpTable
from twin.instant import HOUR, INSTANT_MAX, INSTANT_MIN, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.quality.quality_flags import UNUSABLE_FLAGS
from twin.state.datastream_history import needs_history
from twin.state.datastream_state import DatastreamState, ObservationOutcome, ObservationResult
from twin.state.derived_points import INSTANT_PROPERTIES, RequiredInputs, derived_interval, entity_inputs
from twin.state.derived_state import DerivedValue, PointSummary
from twin.state.preceding_history import StoredHistory
from twin.state.window import Aggregate, aggregate_of, window_start
from twin.wire.messages import (
    OBSERVATIONS,
    Assessment,
    ObservationBatch,
    SeriesPoint,
    Update,
    UpdateKind,
    WindowRepair,
    partition_of,
)

BURST_OBSERVATIONS = 16
"""An entity is emitted before the next second when one of its datastreams has been observed so often.

A datastream keeps the newest `LATE_MAX` observations one by one: none of them is a point that is not emitted.
"""

_WITHOUT_CHANGE = frozenset(
    {ObservationOutcome.DUPLICATE, ObservationOutcome.SUPERSEDED, ObservationOutcome.FUTURE}
)
_CHANGING = frozenset(ObservationOutcome) - {ObservationOutcome.SUPERSEDED, ObservationOutcome.FUTURE}
"""Outcomes that may change a value or its flags: a repetition that was received later may be late."""


class EntityStage(BucketStage[EntityContent]):
    """The entities of one partition of `observations`."""

    def __init__(
        self, buckets: PartitionBuckets[EntityContent], factory: EntityStageFactory, partition: int
    ) -> None:
        super().__init__(buckets, partition)
        self._factory = factory
        self._model: CityModel | None = None
        self._alarm_inputs: AlarmInputBuffer | None = None
        self._required_inputs: dict[str, RequiredInputs] = {}
        self._roll_ups = RollUpTable()
        self._pending: set[str] = set()  # entities with outputs that are due at the next second
        self._timers: Timers[tuple[str, int]] = Timers()  # (entity, datastream) with windows that fall due

    def initial_outputs(self, seed: StageSeed, model: CityModel) -> list[OutputRecord]:
        """Return the stored states that were not emitted, and all inputs of areas and alarms once more."""
        output = EntityOutput(window_revision(self._buckets.time, model))
        alarm_inputs = self._alarm_inputs_for(model, self._buckets.time)
        contents = dict(self._buckets.items())
        for entity, content in contents.items():
            unpublished = unpublished_updates(entity, content, seed, model)
            output.updates += unpublished
            for update in unpublished:
                content.rolled_up_since[update.property] = update.phenomenon_time
            datastreams = [one for id in content.state.datastreams if (one := model.datastreams.get(id))]
            content.pending_properties.update(datastream.property for datastream in datastreams)
            # At once: with the next observation the present values would no longer be the newest.
            self._roll_ups.emit_due(entity, content, model, output, self._buckets.time)
            alarm_inputs.add_entity(entity, content.state)
        for update in seed.derived:
            if update.entity in contents:
                value = stored_derived_value(update, model)
                output.add_area_input(model, update.entity, value, update.revision, repeated=True)
                alarm_inputs.add_derived(update.entity, value)
        mine = {id for content in contents.values() for id in content.state.datastreams}
        output.repairs += [repair for repair in seed.repairs if repair.datastream in mine]
        return self._records(output, self._buckets.time, self.offset, clock=False)

    def apply(self, offset: int, batch: ObservationBatch | None, model: CityModel) -> ApplyResult:
        """Apply the record at `offset`; None is an unreadable record."""
        if batch is None:
            return self._skip(offset)
        before = self._buckets.time
        now = log_time(before, batch.time)
        output = EntityOutput(window_revision(now, model))
        self._alarm_inputs_for(model, now).probes += batch.probes
        self._adopt_model(model, offset, output)
        outcomes: Counter[ObservationOutcome] = Counter()
        unknown, moment = 0, (now, offset)
        for observation in batch.observations:
            datastream = model.datastreams.get(observation.datastream)
            if datastream is None:
                unknown += 1
            elif not self._buckets.has_applied(datastream.entity, offset):
                outcomes[self._on_observation(observation, datastream, model, moment, output)] += 1
        for verdict in batch.verdicts:
            if not self._buckets.has_applied(verdict.entity, offset):
                self._on_verdict(verdict, model, output)
        self._adopt_repaired(batch, model, offset, output)
        is_tick = starts_second(before, now)
        if is_tick or batch.is_closing:
            self._emit_due(model, now, offset, output, is_closing=batch.is_closing)
        self._buckets.advance(offset, now)
        return ApplyResult(self._records(output, now, offset, clock=is_tick), outcomes, unknown)

    def _alarm_inputs_for(self, model: CityModel, now: Instant) -> AlarmInputBuffer:
        if self._alarm_inputs is None or self._alarm_inputs.model is not model:
            self._alarm_inputs = AlarmInputBuffer(*self._factory.rule_indexes.of(model))
        self._alarm_inputs.revision = alarm_revision(now, model)
        return self._alarm_inputs

    def _records(self, output: EntityOutput, now: Instant, offset: int, *, clock: bool) -> list[OutputRecord]:
        partition, partitions = self._partition, self._factory.partitions
        records = output.records(partition, partitions, now, offset)
        if self._alarm_inputs is not None:
            records += self._alarm_inputs.take_outputs(partition, partitions, now, clock=clock)
        return records

    # -- observations and verdicts ----------------------------------------------------------------------

    def _on_observation(
        self,
        observation: Observation,
        datastream: Datastream,
        model: CityModel,
        moment: tuple[Instant, int],
        output: EntityOutput,
    ) -> ObservationOutcome:
        now, offset = moment
        content = self._buckets.content_to_change(datastream.entity)
        adopt_model(content, model)
        if self._roll_ups.is_at_memory_end(content, datastream, model):
            self._emit_entity(datastream.entity, model, now, output)
        result = content.state.observe(observation, model, self._factory.future_max)
        outcome = result.outcome
        if outcome is ObservationOutcome.FUTURE:
            return outcome
        if outcome is not ObservationOutcome.ACCEPTED or result.changed_since is not None:
            output.repairs += _requested_repairs(content, observation, result, offset)
            if result.changed_since is not None:
                self._roll_ups.note_left(content, datastream, result.changed_since, model, output)
        entity, property = datastream.entity, datastream.property
        count = content.pending_datastreams.get(datastream.id, 0) + 1
        content.pending_datastreams[datastream.id] = count
        self._pending.add(entity)
        self._add_result(content, datastream, result, model, output)
        since = observation.phenomenon_time
        if outcome is ObservationOutcome.ACCEPTED and not result.quality_results:
            self._roll_ups.note_change(content, datastream, since, model)
        else:
            self._note_roll_up(content, datastream, since, result, output)
            if outcome is ObservationOutcome.REPAIR:
                since = INSTANT_MAX  # the alarms on its point are repaired from storage, as its windows are
            since = min([since, *(quality.phenomenon_time for quality in result.quality_results)])
        if outcome not in _WITHOUT_CHANGE:
            if self._alarm_inputs is not None:
                self._alarm_inputs.add_observed(entity, property, content.state, since)
            if property in INSTANT_PROPERTIES:
                self._note_changed(content, datastream, observation, result, model)
        if count >= BURST_OBSERVATIONS:
            self._pending.discard(entity)
            self._emit_entity(entity, model, now, output)
        return outcome

    def _note_roll_up(
        self,
        content: EntityContent,
        datastream: Datastream,
        time: Instant,
        result: ObservationResult,
        output: EntityOutput,
    ) -> None:
        """Note from when on the area lacks values of a property; leave what is too old to a repair."""
        times = [quality.phenomenon_time for quality in result.quality_results]
        if self._model is None:
            return
        newest = time if result.outcome is ObservationOutcome.ACCEPTED else None
        self._roll_ups.request_judged(datastream, _judged(result, newest), self._model, output)
        if result.outcome is ObservationOutcome.REPAIR:
            self._roll_ups.add_repair(datastream, time, self._model, output)
        elif result.outcome in _CHANGING:
            times.append(time)
        if times:
            self._roll_ups.note_change(content, datastream, min(times), self._model)

    def _on_verdict(self, verdict: NeighbourVerdict, model: CityModel, output: EntityOutput) -> None:
        content = self._buckets.content_to_change(verdict.entity)
        adopt_model(content, model)
        update = content.state.on_verdict(verdict, model)
        if update is not None:
            self._pending.add(verdict.entity)
            self._add_update(content, update, model, output)

    def _adopt_repaired(
        self, batch: ObservationBatch, model: CityModel, offset: int, output: EntityOutput
    ) -> None:
        """Adopt the windows, points and histories that storage has computed."""
        for aggregate in batch.aggregates:
            repaired = model.datastreams.get(aggregate.datastream)
            if repaired is not None and not self._buckets.has_applied(repaired.entity, offset):
                self._on_repaired_window(aggregate, repaired, model, output)
        for point in batch.points:
            if not self._buckets.has_applied(point.entity, offset):
                self._on_repaired_point(point, model, output)
        for history in batch.histories:
            known = model.datastreams.get(history.datastream)
            if known is not None and not self._buckets.has_applied(known.entity, offset):
                self._on_stored_history(history, known, model, offset, output)

    def _on_repaired_window(
        self, aggregate: Aggregate, datastream: Datastream, model: CityModel, output: EntityOutput
    ) -> None:
        """Let a window that storage has repaired replace the one in memory."""
        if self._buckets.peek(datastream.entity) is None or model.policy_of(datastream).personal:
            return
        span = aggregate.start, aggregate.start + aggregate.size - 1
        self._roll_ups.note_judged(datastream, span, model, output)
        content = self._buckets.content_to_change(datastream.entity)
        adopt_model(content, model)
        entity, property = datastream.entity, datastream.property
        required = self._required_inputs_of(entity, model)
        is_replaced = content.derived.on_repaired_window(property, aggregate, required)
        if is_replaced or content.derived.spans:
            self._pending.add(entity)
        if is_replaced and self._alarm_inputs is not None:
            self._alarm_inputs.add_window(entity, property, aggregate, content.derived)

    def _on_repaired_point(self, point: SeriesPoint, model: CityModel, output: EntityOutput) -> None:
        """Take over a point that storage has computed, where it cannot be computed from memory.

        The newest is the state. The area gets each at once: where inputs have failed since, the next state is
        no point of the series, and earlier ones are not emitted again.
        """
        entity, name = point.entity, point.name
        if self._buckets.peek(entity) is None or entity not in model.entities:
            return
        content = self._buckets.content_to_change(entity)
        adopt_model(content, model)
        time, size = point.phenomenon_time, derived_interval(name, entity, model)
        summary = PointSummary(point.value, point.flags, point.count)
        required = self._required_inputs_of(entity, model)
        if not content.derived.is_left_to_storage(name, time - size, required):
            if not (
                math.isnan(point.value) and content.derived.note_withdrawn_state(name, time - size, required)
            ):
                return
            self._pending.add(entity)
        elif content.derived.on_repaired_point(name, time - size, summary, required):
            self._pending.add(entity)
        content.state.revision += 1
        value = DerivedValue(name, point.value, time, point.flags, (), point.count, size)
        last = last_of_slot(content.derived, value, size, model)
        if math.isnan(point.value) or last.phenomenon_time > time:
            value = last
        output.add_area_input(model, entity, value, content.state.revision)

    def _on_stored_history(
        self,
        history: StoredHistory,
        datastream: Datastream,
        model: CityModel,
        offset: int,
        output: EntityOutput,
    ) -> None:
        """Let a state adopt what storage has found of its past, if that answers the last request."""
        found = self._buckets.peek(datastream.entity)
        if found is None or history.offset < found.awaited_histories.get(datastream.id, INSTANT_MAX):
            return
        content = self._buckets.content_to_change(datastream.entity)
        adopt_model(content, model)
        del content.awaited_histories[datastream.id]
        result = content.state.adopt(history, datastream, model)
        if result is None:
            content.awaited_histories[datastream.id] = offset
            output.repairs.append(WindowRepair(datastream.id, history.received[-1].phenomenon_time))
            return
        if result.changed_since is not None:
            output.repairs.append(WindowRepair(datastream.id, result.changed_since))
            self._roll_ups.note_left(content, datastream, result.changed_since, model, output)
        content.pending_datastreams.setdefault(datastream.id, 0)
        self._pending.add(datastream.entity)
        self._add_result(content, datastream, result, model, output)
        since = min((one.phenomenon_time for one in result.quality_results), default=None)
        if since is not None:
            required = self._required_inputs_of(datastream.entity, model)
            content.derived.on_observed(datastream.property, since, required)
            self._note_judged(content, datastream, result, model)
            self._roll_ups.request_judged(datastream, _judged(result), model, output)
            self._roll_ups.note_change(content, datastream, since, model)
            if self._alarm_inputs is not None:
                self._alarm_inputs.add_observed(datastream.entity, datastream.property, content.state, since)

    def _add_result(
        self,
        content: EntityContent,
        datastream: Datastream,
        result: ObservationResult,
        model: CityModel,
        output: EntityOutput,
    ) -> None:
        """Add the assessments and the update of an observation to the output."""
        for quality in result.quality_results:
            output.assessments.append(
                Assessment(datastream.id, quality.phenomenon_time, quality.flags, output.revision)
            )
        if result.update is not None:
            self._add_update(content, result.update, model, output)

    def _add_update(
        self, content: EntityContent, update: Update, model: CityModel, output: EntityOutput
    ) -> None:
        """Add an update to the output; derived values and roll-ups of the property are due next second."""
        output.updates.append(update)
        if update.kind is not UpdateKind.PERSONAL:
            content.pending_properties.add(update.property)
            if update.property in INSTANT_PROPERTIES:
                content.derived.on_update(update, self._required_inputs_of(update.entity, model))

    def _note_changed(
        self,
        content: EntityContent,
        datastream: Datastream,
        observation: Observation,
        result: ObservationResult,
        model: CityModel,
    ) -> None:
        """Note from when on the values of a property changed, for its derived values."""
        required = self._required_inputs_of(datastream.entity, model)
        times = [quality.phenomenon_time for quality in result.quality_results]
        if result.outcome is not ObservationOutcome.REPAIR:
            times.append(observation.phenomenon_time)
        else:  # storage computes again what it touches: also values of other sensors, until its next one
            kept = content.state.datastreams[datastream.id].assessed
            time = observation.phenomenon_time
            later = next((one.phenomenon_time for one in kept if one.phenomenon_time > time), time + 1)
            content.derived.note_missing_value(datastream.property, later - 1, required)
        if times:
            content.derived.on_observed(datastream.property, min(times), required)
        is_newest = result.outcome is ObservationOutcome.ACCEPTED
        self._note_judged(
            content, datastream, result, model, observation.phenomenon_time if is_newest else None
        )

    def _note_judged(
        self,
        content: EntityContent,
        datastream: Datastream,
        result: ObservationResult,
        model: CityModel,
        newest: Instant | None = None,
    ) -> None:
        """Leave to a repair what values touch that are found not usable, except a newest one.

        Storage may have computed points from them before it had their assessments, where there never was one
        here: nothing else would withdraw these.
        """
        judged = _judged(result, newest)
        if judged:
            required = self._required_inputs_of(datastream.entity, model)
            content.derived.leave_to_repair(datastream.property, min(judged), max(judged), required)

    # -- windows and derived values, once a second ------------------------------------------------------

    def _emit_due(
        self, model: CityModel, now: Instant, offset: int, output: EntityOutput, *, is_closing: bool
    ) -> None:
        """Emit windows and derived values of the entities that were observed or have windows due."""
        applied = []
        for due, key in self._timers.pop_due(now):
            entity, id = key
            if self._buckets.has_applied(entity, offset):
                applied.append((due, key))  # its output is durable; it is due again in a later record
                continue
            content = self._buckets.peek(entity)
            if content is not None and id in content.state.datastreams:
                content.pending_datastreams.setdefault(id, 0)
                self._pending.add(entity)
        for due, key in applied:
            self._timers.schedule(key, due)
        if is_closing:
            self._pending |= {entity for entity, one in self._buckets.items() if one.derived.deferred}
        pending, self._pending = sorted(self._pending), set()
        for entity in pending:
            if self._buckets.has_applied(entity, offset):
                self._pending.add(entity)
            else:
                self._emit_entity(entity, model, now, output, is_closing=is_closing)

    def _emit_entity(
        self, entity: str, model: CityModel, now: Instant, output: EntityOutput, *, is_closing: bool = False
    ) -> None:
        content = self._buckets.content_to_change(entity)
        required = self._required_inputs_of(entity, model)
        for id in sorted(content.pending_datastreams):
            datastream = model.datastreams.get(id)
            if datastream is not None and id in content.state.datastreams:
                self._emit_windows(content, datastream, model, now, output)
                if self._alarm_inputs is not None:
                    newest = content.state.datastreams[id].newest
                    self._alarm_inputs.add_sensor_report(datastream, newest, now)
        content.pending_datastreams.clear()
        if content.derived.changed_since:
            update_values(content, required, model)
        for derived in content.derived.derive(model, entity, required, now):
            content.state.revision += 1
            value = derived if derived.interval else derived._replace(interval=model.interval_of(entity))
            output.add_derived(entity, content.state.revision, value, now)
            input = last_of_slot(content.derived, value, derived.interval, model) if value.amends else value
            output.add_area_input(model, entity, input, content.state.revision)
            if self._alarm_inputs is not None:
                self._alarm_inputs.add_derived(entity, value)
        if content.derived.deferred:
            interval = model.interval_of(entity)
            content.derived.end_deferral(interval, required, now, is_closing=is_closing)
        if content.derived.spans:
            observed = (one.newest.phenomenon_time for one in content.state.datastreams.values())
            spans = content.derived.take_spans()
            output.add_repairs(entity, spans, max(observed, default=INSTANT_MIN), model)
        self._roll_ups.emit_due(entity, content, model, output, now, is_closing=is_closing)
        if content.pending_properties or content.has_pending_households:
            self._pending.add(entity)

    def _emit_windows(
        self,
        content: EntityContent,
        datastream: Datastream,
        model: CityModel,
        now: Instant,
        output: EntityOutput,
    ) -> None:
        state = content.state.datastreams[datastream.id]
        policy = model.policy_of(datastream)
        if state.is_idle(now, policy) and (datastream.entity, datastream.id) in self._timers:
            return
        entity, property = datastream.entity, datastream.property
        required = self._required_inputs_of(entity, model)
        for window, accumulator, is_incomplete in state.emit_windows(now, policy):
            aggregate = aggregate_of(
                accumulator,
                datastream=datastream.id,
                size=window.size,
                start=window.start,
                revision=output.revision,
                interval=policy.interval,
                kind=policy.aggregation,
            )
            output.aggregates.append(aggregate)
            is_told = True
            if policy.personal:
                content.derived.on_personal_window(model.properties[property], aggregate, now)
            else:
                content.derived.on_window(property, aggregate, required)
                if self._alarm_inputs is not None:
                    is_told = self._alarm_inputs.add_window(entity, property, aggregate, content.derived)
            if is_incomplete or not is_told:
                output.repairs.append(WindowRepair(datastream.id, window.start))
        self._schedule(datastream, state, model)

    def _schedule(self, datastream: Datastream, state: DatastreamState, model: CityModel) -> None:
        self._timers.schedule((datastream.entity, datastream.id), state.due(model.policy_of(datastream)))

    # -- another model ----------------------------------------------------------------------------------

    def _adopt_model(self, model: CityModel, offset: int, output: EntityOutput) -> None:
        """Continue with a model, and assess again the datastreams whose policy has changed."""
        if self._model is not None and self._model.version == model.version:
            return
        before, self._model = self._model, model
        self._required_inputs.clear()
        for entity, content in list(self._buckets.items()):
            derived = content.derived
            pending = content.pending_datastreams, content.pending_properties, derived.changed, derived.spans
            if any(pending) or content.has_pending_households:
                self._pending.add(entity)
            is_known = content.model == model.version
            adopt_model(content, model, REASSESSED_BASE if before is None else 0)
            for id, state in content.state.datastreams.items():
                datastream = model.datastreams.get(id)
                if datastream is None:
                    continue
                self._schedule(datastream, state, model)
                if not is_known and not has_same_policy(datastream, before, model):
                    self._reassess(entity, datastream, state, model, output)
                    if state.complete_from > INSTANT_MIN and needs_history(model.policy_of(datastream)):
                        content.awaited_histories[datastream.id] = offset

    def _reassess(
        self,
        entity: str,
        datastream: Datastream,
        state: DatastreamState,
        model: CityModel,
        output: EntityOutput,
    ) -> None:
        content = self._buckets.content_to_change(entity)
        content.pending_datastreams.setdefault(datastream.id, 0)
        self._pending.add(entity)
        result = content.state.reassess(datastream, model)
        # A replay may have emitted these windows by another model under the same revision.
        hours = {window_start(observation.phenomenon_time, HOUR) for observation in state.assessed}
        output.repairs += [WindowRepair(datastream.id, hour) for hour in sorted(hours)]
        self._add_result(content, datastream, result, model, output)
        content.derived.on_observed(datastream.property, INSTANT_MIN, self._required_inputs_of(entity, model))
        self._roll_ups.note_change(content, datastream, INSTANT_MIN, model)
        if self._alarm_inputs is not None:
            self._alarm_inputs.add_observed(entity, datastream.property, content.state, INSTANT_MIN)

    def _required_inputs_of(self, entity: str, model: CityModel) -> RequiredInputs:
        required = self._required_inputs.get(entity)
        if required is None:
            windows = self._alarm_inputs.rule_windows(entity) if self._alarm_inputs is not None else ()
            required = self._required_inputs[entity] = entity_inputs(entity, model, windows)
        return required


def _judged(result: ObservationResult, newest: Instant | None = None) -> list[Instant]:
    """Return the times of the values that are found not usable, except a newest one."""
    return [
        one.phenomenon_time
        for one in result.quality_results
        if one.flags & UNUSABLE_FLAGS and one.phenomenon_time != newest
    ]


def _requested_repairs(
    content: EntityContent, observation: Observation, result: ObservationResult, offset: int
) -> list[WindowRepair]:
    """Return the repairs that an observation makes necessary; note that storage will answer them.

    While an answer is awaited, a late observation is a new request: the answer may lack it.
    """
    id, time, outcome = observation.datastream, observation.phenomenon_time, result.outcome
    repairs = []
    if outcome is ObservationOutcome.REPAIR:
        repairs.append(WindowRepair(id, time))
    if result.changed_since is not None:
        repairs.append(WindowRepair(id, result.changed_since))
    is_late = outcome is ObservationOutcome.LATE or outcome is ObservationOutcome.CORRECTION
    if is_late and not repairs and id in content.awaited_histories:
        repairs.append(WindowRepair(id, time))
    if repairs:
        content.awaited_histories[id] = offset
    return repairs


@dataclass(frozen=True, slots=True)
class EntityStageFactory:
    """Creates the stage of each partition of `observations`."""

    log: str
    partitions: int
    buckets: int
    future_max: Duration
    rule_indexes: RuleIndexCache = field(default_factory=RuleIndexCache)
    topic: str = topics.OBSERVATIONS

    def restored(
        self, partition: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> EntityStage | None:
        """Return the stage as the checkpoint of this log has it; None if there is no checkpoint."""
        buckets = PartitionBuckets.restored(EntityCodec(), self.log, self.buckets, position, bucket)
        return EntityStage(buckets, self, partition) if buckets is not None else None

    def seeded(self, partition: int, seed: StageSeed, model: CityModel) -> EntityStage:
        """Return the stage at the beginning of a log, with the stored observations."""
        buckets = PartitionBuckets(EntityCodec(), self.log, self.buckets, time=seed.time)
        mine = [
            observation
            for observation in seed.observations
            if (datastream := model.datastreams.get(observation.datastream)) is not None
            and partition_of(datastream.entity, self.partitions) == partition
        ]
        rule_windows = AlarmInputBuffer(*self.rule_indexes.of(model)).rule_windows
        contents = seeded_entities(seed._replace(observations=mine), model, self.future_max, rule_windows)
        buckets.seed(contents.items())
        return EntityStage(buckets, self, partition)

    def decode(self, value: bytes) -> ObservationBatch:
        """Return the content of a record; raise MessageError when this version cannot read it."""
        return OBSERVATIONS.decode(value)

    def has_unknown(self, batch: ObservationBatch, model: CityModel) -> bool:
        """Whether a record has observations of datastreams that the model does not have."""
        return not {one.datastream for one in batch.observations} <= model.datastreams.keys()
