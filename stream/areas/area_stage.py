"""The second stage: values of entities are rolled up into values of areas, up to the city. Pure.

A verdict of neighbours about an entity goes back to the stage of the entity, on `observations`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.alarms.alarm_inputs import AlarmInputBuffer
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.areas.area_inputs import area_input_records
from stream.engine.buckets import PartitionBuckets, StructCodec
from stream.engine.stage import (
    ApplyResult,
    BucketStage,
    OutputRecord,
    alarm_revision,
    log_time,
    record_chunks,
    revision_base,
    update_records,
    window_revision,
)
from stream.engine.stage_seed import StageSeed
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX
from twin.model.observation import LastGoodValue
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.quality.quality_flags import DISAGREES, is_usable
from twin.state.area_state import AreaState, AreaValue
from twin.state.freshness import interval_for_live_duration
from twin.wire.messages import (
    AREA_INPUTS,
    AreaInput,
    AreaInputBatch,
    Update,
    UpdateKind,
    encode_verdicts,
    partition_of,
)

_AREA_CODEC = StructCodec(AreaState)


class AreaStage(BucketStage[AreaState]):
    """The areas of one partition of `area-inputs`."""

    def __init__(
        self, buckets: PartitionBuckets[AreaState], factory: AreaStageFactory, partition: int
    ) -> None:
        super().__init__(buckets, partition)
        self._factory = factory
        self._partitions = factory.partitions

    def apply(self, offset: int, batch: AreaInputBatch | None, model: CityModel) -> ApplyResult:
        """Apply the record at `offset`; None is an unreadable record."""
        if batch is None:
            return self._skip(offset)
        now = log_time(self._buckets.time, batch.time)
        changed: defaultdict[str, set[str]] = defaultdict(set)
        for input in batch.inputs:
            if input.area not in model.entities or self._buckets.has_applied(input.area, offset):
                continue
            if self._buckets.content_to_change(input.area).on_input(input):
                changed[input.area].add(input.name)
        updates: list[Update] = []
        inputs: list[AreaInput] = []
        verdicts: list[NeighbourVerdict] = []
        for area in sorted(changed):
            state = self._buckets.content_to_change(area)
            before = state.revision = max(state.revision, revision_base(model))
            changes = state.evaluate(area, changed[area], model, window_revision(now, model))
            verdicts += changes.verdicts
            inputs += changes.forwarded
            parent = model.entities[area].parent
            for revision, value in enumerate(changes.values, start=before + 1):
                updates.append(_update(area, revision, value, now, model))
                if parent is not None:
                    inputs.append(_parent_input(parent, area, value, revision))
        self._buckets.advance(offset, now)
        outputs = update_records(updates, self._partition)
        outputs += area_input_records(inputs, now, self._partitions)
        outputs += verdict_records(verdicts, now, self._partitions)
        return ApplyResult(outputs + self._alarm_inputs(updates, model, now), Counter(), 0)

    def _alarm_inputs(self, updates: list[Update], model: CityModel, now: Instant) -> list[OutputRecord]:
        buffer = AlarmInputBuffer(*self._factory.rule_indexes.of(model), alarm_revision(now, model))
        for update in updates:
            buffer.add_area_value(update)
        return buffer.take_outputs(self._partition, self._partitions, now, clock=False)


@dataclass(frozen=True, slots=True)
class AreaStageFactory:
    """Creates the stage of each partition of `area-inputs`."""

    log: str
    partitions: int
    buckets: int
    rule_indexes: RuleIndexCache = field(default_factory=RuleIndexCache)
    topic: str = topics.AREA_INPUTS

    def restored(
        self, partition: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> AreaStage | None:
        """Return the stage as the checkpoint of this log has it; None if there is no checkpoint."""
        buckets = PartitionBuckets.restored(_AREA_CODEC, self.log, self.buckets, position, bucket)
        return AreaStage(buckets, self, partition) if buckets is not None else None

    def seeded(self, partition: int, seed: StageSeed, model: CityModel) -> AreaStage:
        """Return the stage at the beginning of a log; entities send the inputs of their areas again."""
        buckets = PartitionBuckets(_AREA_CODEC, self.log, self.buckets)
        buckets.seed(
            (entity, AreaState(revision))
            for entity, revision in seed.area_revisions.items()
            if partition_of(entity, self.partitions) == partition
        )
        return AreaStage(buckets, self, partition)

    def decode(self, value: bytes) -> AreaInputBatch:
        """Return the content of a record; raise MessageError when this version cannot read it."""
        return AREA_INPUTS.decode(value)

    def has_unknown(self, batch: AreaInputBatch, model: CityModel) -> bool:
        """Whether a record names areas that the model does not have."""
        return any(input.area not in model.entities for input in batch.inputs)


def verdict_records(verdicts: list[NeighbourVerdict], now: Instant, partitions: int) -> list[OutputRecord]:
    """Return the records on `observations` that carry these verdicts to their entities, in order."""
    by_partition: defaultdict[int, list[NeighbourVerdict]] = defaultdict(list)
    for verdict in verdicts:
        by_partition[partition_of(verdict.entity, partitions)].append(verdict)
    return [
        OutputRecord(topics.OBSERVATIONS, partition, encode_verdicts(part, now))
        for partition, of_partition in sorted(by_partition.items())
        for part in record_chunks(of_partition)
    ]


def _update(area: str, revision: int, value: AreaValue, now: Instant, model: CityModel) -> Update:
    return Update(
        area,
        AREA_PREFIX + value.name,
        revision,
        value.value,
        value.phenomenon_time,
        now,
        value.flags,
        (),
        None,
        UpdateKind.INDICATOR,
        last_good=_last_good(value),
        deviating=tuple(
            datastream.id
            for entity in value.outvoted
            for datastream in model.datastreams_of(entity, value.name)
        ),
        count=value.weight,
        interval=interval_for_live_duration(value.valid_until - value.phenomenon_time),
    )


def _last_good(value: AreaValue) -> LastGoodValue | None:
    """Return the last good value of an area whose inputs have failed since: the value itself.

    Return None if neighbours outvoted it, since a verdict of the area above may have come too late.
    """
    if is_usable(value.flags) or value.flags & DISAGREES:
        return None
    return LastGoodValue(value.value, value.phenomenon_time)


def _parent_input(parent: str, area: str, value: AreaValue, revision: int) -> AreaInput:
    return AreaInput(
        parent,
        area,
        value.name,
        value.value if is_usable(value.flags) else None,
        value.phenomenon_time,
        value.flags,
        value.weight,
        value.valid_until,
        revision,
    )
