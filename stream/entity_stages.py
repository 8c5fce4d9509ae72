"""Makes the stages of `observations`: restored from a checkpoint, or seeded from what was stored. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.engine.buckets import PartitionBuckets
from stream.engine.stage import StageSeed
from stream.entities.entity_content import EntityCodec
from stream.entities.entity_seeding import seeded_entities
from stream.entities.entity_stage import EntityOptions, EntityStage
from twin.instant import Duration
from twin.model.city_model import CityModel
from twin.wire.messages import OBSERVATIONS, ObservationBatch, partition_of


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
