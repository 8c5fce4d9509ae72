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
from stream.engine.buckets import PartitionBuckets
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
from twin.model.names import AREA_PREFIX, roll_up_of, series_interval, slot_of
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.state.area_members import area_of
from twin.state.area_state import AreaCodec, AreaSeries, AreaState, AreaValue
from twin.state.derived_points import is_windowed
from twin.wire.messages import (
    AREA_INPUTS,
    AreaInput,
    AreaInputBatch,
    SeriesRepair,
    Update,
    UpdateKind,
    encode_verdicts,
    partition_of,
)

_AREA_CODEC = AreaCodec()


class AreaStage(BucketStage[AreaState]):
    """The areas of one partition of `area-inputs`."""

    def __init__(
        self, buckets: PartitionBuckets[AreaState], factory: AreaStageFactory, partition: int
    ) -> None:
        super().__init__(buckets, partition)
        self._factory = factory
        self._partitions = factory.partitions
        self._alarm_buffer: AlarmInputBuffer | None = None

    def apply(self, offset: int, batch: AreaInputBatch | None, model: CityModel) -> ApplyResult:
        """Apply the record at `offset`; None is an unreadable record."""
        if batch is None:
            return self._skip(offset)
        now = log_time(self._buckets.time, batch.time)
        by_area: defaultdict[str, list[AreaInput]] = defaultdict(list)
        for input in batch.inputs:
            by_area[input.area].append(input)
        updates: list[Update] = []
        repairs: list[SeriesRepair] = []
        inputs: list[AreaInput] = []
        verdicts: list[NeighbourVerdict] = []
        for area in sorted(by_area):
            if area not in model.entities or self._buckets.has_applied(area, offset):
                continue
            state = self._buckets.content_to_change(area)
            before = state.revision = max(state.revision, revision_base(model))
            revision = window_revision(now, model)
            is_behind = not batch.repeated and state.note_sent(batch.partition, batch.time, batch.part)
            changes = state.apply(
                area, by_area[area], model, revision, repeated=batch.repeated, replayed=is_behind
            )
            verdicts += changes.verdicts
            inputs += changes.inputs
            repairs += changes.repairs
            updates += [
                _update(area, number, value, now, model)
                for number, value in enumerate(changes.values, start=before + 1)
            ]
        self._buckets.advance(offset, now)
        outputs = update_records(updates, self._partition, repairs)
        outputs += area_input_records(inputs, now, self._partitions, repeated=batch.repeated)
        outputs += verdict_records(verdicts, now, self._partitions)
        return ApplyResult(outputs + self._alarm_inputs(updates, model, now), Counter(), 0)

    def _alarm_inputs(self, updates: list[Update], model: CityModel, now: Instant) -> list[OutputRecord]:
        buffer = self._alarm_buffer
        if buffer is None or buffer.model is not model:
            buffer = self._alarm_buffer = AlarmInputBuffer(*self._factory.rule_indexes.of(model))
        buffer.revision = alarm_revision(now, model)
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
        buckets = PartitionBuckets(_AREA_CODEC, self.log, self.buckets, time=seed.time)
        floors = _seeded_floors(seed, model)
        buckets.seed(
            (
                area,
                AreaState(
                    seed.area_revisions.get(area, 0),
                    {
                        name: AreaSeries(series_interval(name, model), floor)
                        for name, floor in floors.get(area, {}).items()
                    },
                ),
            )
            for area in sorted(seed.area_revisions.keys() | floors.keys())
            if partition_of(area, self.partitions) == partition
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
        UpdateKind.INDICATOR if value.is_newest else UpdateKind.AMENDMENT,
        last_good=value.last_good,
        deviating=tuple(
            datastream.id
            for entity in value.outvoted
            for datastream in model.datastreams_of(entity, value.name)
        ),
        count=value.weight,
        interval=value.interval,
        members=value.members,
        members_expected=value.members_expected,
        preliminary=value.preliminary,
    )


def _seeded_floors(seed: StageSeed, model: CityModel) -> dict[str, dict[str, Instant]]:
    """Return the newest stored slot of each name in each area.

    Of it every input is sent again. Of earlier ones some are not, so that storage computes them.
    """
    newest: dict[tuple[str, str], Instant] = {}
    for observation in seed.observations:
        datastream = model.datastreams.get(observation.datastream)
        if datastream is not None and not model.policy_of(datastream).personal:
            size = series_interval(datastream.property, model)
            slot = slot_of(observation.phenomenon_time, size, windowed=False)
            key = datastream.entity, datastream.property
            newest[key] = max(slot, newest.get(key, slot))
    for update in seed.derived:
        size = series_interval(update.property, model)
        windowed = update.property in model.properties or is_windowed(update.property)
        slot = slot_of(update.phenomenon_time, size, windowed=windowed)
        key = update.entity, update.property
        newest[key] = max(slot, newest.get(key, slot))
    floors: dict[str, dict[str, Instant]] = {}
    for (entity, name), slot in newest.items():
        area = area_of(entity, model) if roll_up_of(name, model) != "none" else None
        while area is not None and area in model.entities:
            by_name = floors.setdefault(area, {})
            by_name[name] = max(slot, by_name.get(name, slot))
            area = model.entities[area].parent
    return floors
