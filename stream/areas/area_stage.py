"""The second stage: what entities tell their areas becomes the values of areas, up to the city. Pure.

What neighbours find out about an entity goes back to it as a verdict on its own log, `observations`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from runtime.kafka import topics
from stream.alarms.alarm_inputs import AlarmInputBuffer
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.areas.area_inputs import area_input_records
from stream.engine.buckets import CheckpointEntry, PartitionBuckets
from stream.engine.stage import (
    ApplyResult,
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
from twin.quality.quality_flags import QualityFlag, is_usable
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


class AreaSnapshot(msgspec.Struct, array_like=True, frozen=True):
    """An area in a checkpoint."""

    area: str
    state: AreaState


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AreaSnapshot).decode


class AreaCodec:
    """How areas are made, encoded and decoded."""

    def new(self) -> AreaState:
        """Return an area of which nothing is known."""
        return AreaState()

    def encode(self, name: str, content: AreaState) -> bytes:
        """Return an area as MessagePack."""
        return _encode(AreaSnapshot(name, content))

    def decode(self, data: msgspec.Raw) -> tuple[str, AreaState]:
        """Return the area that `encode` was given."""
        one = _decode(data)
        return one.area, one.state


class AreaStage:
    """The areas of one partition of `area-inputs`."""

    def __init__(
        self, buckets: PartitionBuckets[AreaState], options: AreaStageFactory, partition: int
    ) -> None:
        self._buckets = buckets
        self._options = options
        self._partitions = options.partitions
        self._partition = partition

    @property
    def offset(self) -> int:
        """Return the offset of the last applied record."""
        return self._buckets.offset

    def initial_outputs(self, knowledge: StageSeed, model: CityModel) -> list[OutputRecord]:
        """Return nothing: what entities tell their areas comes with the log."""
        return []

    def apply(self, offset: int, batch: AreaInputBatch | None, model: CityModel) -> ApplyResult:
        """Take in the record at `offset`; None is one that could not be read."""
        if batch is None:
            self._buckets.advance(offset, self._buckets.time)
            return ApplyResult([], Counter(), 0)
        now = log_time(self._buckets.time, batch.time)
        changed: defaultdict[str, set[str]] = defaultdict(set)
        for one in batch.inputs:
            if one.area not in model.entities or self._buckets.has_applied(one.area, offset):
                continue
            if self._buckets.content_to_change(one.area).on_input(one):
                changed[one.area].add(one.name)
        updates: list[Update] = []
        inputs: list[AreaInput] = []
        verdicts: list[NeighbourVerdict] = []
        for area in sorted(changed):
            state = self._buckets.content_to_change(area)
            before = state.revision = max(state.revision, revision_base(model))
            news = state.evaluate(area, changed[area], model, window_revision(now, model))
            verdicts += news.verdicts
            inputs += news.forwarded
            parent = model.entities[area].parent
            for number, rolled in enumerate(news.values, start=before + 1):
                updates.append(_update(area, number, rolled, now, model))
                if parent is not None:
                    inputs.append(_input(parent, area, rolled, number))
        self._buckets.advance(offset, now)
        outputs = update_records(updates, self._partition)
        outputs += area_input_records(inputs, now, self._partitions)
        outputs += verdict_records(verdicts, now, self._partitions)
        return ApplyResult(outputs + self._alarm_inputs(updates, model, now), Counter(), 0)

    def _alarm_inputs(self, updates: list[Update], model: CityModel, now: Instant) -> list[OutputRecord]:
        feed = AlarmInputBuffer(*self._options.rule_indexes.of(model), alarm_revision(now, model))
        for update in updates:
            feed.add_area_value(update)
        return feed.take_outputs(self._partition, self._partitions, now, clock=False)

    def checkpoint_entries(self) -> Iterator[CheckpointEntry]:
        """Yield the entries of a checkpoint, as `PartitionBuckets.checkpoint_entries` does."""
        return self._buckets.checkpoint_entries()


@dataclass(frozen=True, slots=True)
class AreaStageFactory:
    """Makes the stage of each partition of `area-inputs`."""

    log: str
    partitions: int
    buckets: int
    rule_indexes: RuleIndexCache = field(default_factory=RuleIndexCache)
    topic: str = topics.AREA_INPUTS

    def restored(
        self, partition: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> AreaStage | None:
        """Return the stage as a checkpoint of this log has it, or None when there is none."""
        buckets = PartitionBuckets.restored(AreaCodec(), self.log, self.buckets, position, bucket)
        return AreaStage(buckets, self, partition) if buckets is not None else None

    def seeded(self, partition: int, knowledge: StageSeed, model: CityModel) -> AreaStage:
        """Return the stage at the beginning of a log: every entity tells its area again, with it."""
        buckets = PartitionBuckets(AreaCodec(), self.log, self.buckets)
        buckets.seed(
            (entity, AreaState(revision))
            for entity, revision in knowledge.area_revisions.items()
            if partition_of(entity, self.partitions) == partition
        )
        return AreaStage(buckets, self, partition)

    def decode(self, value: bytes) -> AreaInputBatch:
        """Return what a record holds; raise MessageError when this version cannot read it."""
        return AREA_INPUTS.decode(value)

    def has_unknown(self, batch: AreaInputBatch, model: CityModel) -> bool:
        """Whether a record speaks of areas that the model does not know."""
        return any(one.area not in model.entities for one in batch.inputs)


def verdict_records(verdicts: list[NeighbourVerdict], now: Instant, partitions: int) -> list[OutputRecord]:
    """Return observation records that tell these verdicts to their entities, in order."""
    by_partition: defaultdict[int, list[NeighbourVerdict]] = defaultdict(list)
    for one in verdicts:
        by_partition[partition_of(one.entity, partitions)].append(one)
    return [
        OutputRecord(topics.OBSERVATIONS, partition, encode_verdicts(part, now))
        for partition, found in sorted(by_partition.items())
        for part in record_chunks(found)
    ]


def _update(area: str, revision: int, rolled: AreaValue, now: Instant, model: CityModel) -> Update:
    return Update(
        area,
        AREA_PREFIX + rolled.name,
        revision,
        rolled.value,
        rolled.phenomenon_time,
        now,
        rolled.flags,
        (),
        None,
        UpdateKind.INDICATOR,
        last_good=_last_good(rolled),
        deviating=tuple(
            one.id for entity in rolled.outvoted for one in model.datastreams_of(entity, rolled.name)
        ),
        count=rolled.weight,
        interval=interval_for_live_duration(rolled.valid_until - rolled.phenomenon_time),
    )


def _last_good(rolled: AreaValue) -> LastGoodValue | None:
    """Return what stands beside a value whose inputs failed: itself, as far as it is known to have been good.

    Where the area above had to judge, the value may be one that the verdict came too late for.
    """
    if is_usable(rolled.flags) or rolled.flags & int(QualityFlag.DISAGREES):
        return None
    return LastGoodValue(rolled.value, rolled.phenomenon_time)


def _input(parent: str, area: str, rolled: AreaValue, revision: int) -> AreaInput:
    return AreaInput(
        parent,
        area,
        rolled.name,
        rolled.value if is_usable(rolled.flags) else None,
        rolled.phenomenon_time,
        rolled.flags,
        rolled.weight,
        rolled.valid_until,
        revision,
    )
