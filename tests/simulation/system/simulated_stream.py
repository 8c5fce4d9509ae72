"""The stream processor in virtual time: the real stages, whose memory crashes lose.

Output is on the log only after a flush of the producer: in order in each partition, and complete before a
checkpoint is written. A crash leaves a part of it, and perhaps a partial checkpoint.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from runtime.kafka import topics
from stream.alarms.alarm_stage import AlarmStageFactory
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.areas.area_stage import AreaStageFactory
from stream.engine.buckets import CheckpointEntry
from stream.engine.stage import OutputRecord, StageFactory, StreamStage
from stream.engine.stage_seed import StageSeed
from stream.entities.entity_stage import EntityStageFactory
from tests.simulation.system.simulated_log import SimulatedLog
from tests.support.pipelines.checkpoint_topic import CheckpointTopic
from twin.instant import MINUTE
from twin.model.city_model import CityModel
from twin.wire.messages import ObservationBatch

BUCKETS = 3
FUTURE_MAX = 5 * MINUTE

TopicPartition = tuple[str, int]
"""A topic and a partition."""


class SimulatedStream:
    """All stages of one log."""

    def __init__(
        self,
        dice: Random,
        log: SimulatedLog,
        partitions: int,
        models: Callable[[], CityModel],
        seeds: Callable[[], StageSeed],
    ) -> None:
        self._dice = dice
        self._log = log
        bindings = RuleIndexCache()
        self._kinds: dict[str, StageFactory[Any]] = {
            topics.OBSERVATIONS: EntityStageFactory(log.identity, partitions, BUCKETS, FUTURE_MAX, bindings),
            topics.AREA_INPUTS: AreaStageFactory(log.identity, partitions, BUCKETS, bindings),
            topics.ALARM_INPUTS: AlarmStageFactory(log.identity, partitions, BUCKETS, bindings),
        }
        self._load = models
        self._seeds = seeds
        self.model = models()
        self.partitions = [(topic, number) for topic in self._kinds for number in range(partitions)]
        self._stages: dict[TopicPartition, StreamStage[Any]] = {}
        self._models: dict[TopicPartition, CityModel] = {}  # the model that each stage uses
        self._tables: defaultdict[TopicPartition, CheckpointTopic] = defaultdict(CheckpointTopic)
        self._begun: dict[TopicPartition, Iterator[CheckpointEntry]] = {}  # open checkpoints
        self._unsent: defaultdict[TopicPartition, deque[OutputRecord]] = defaultdict(deque)
        self.crashes = 0

    def apply_records(self, place: TopicPartition, records_max: int) -> int:
        """Apply the next records of a partition; return their number."""
        stage = self._stages.get(place) or self._hold(place)
        count = min(records_max, self._log.end(*place) - stage.offset - 1)
        for _ in range(count):
            kind, offset = self._kinds[place[0]], stage.offset + 1
            batch = kind.decode(self._log.read(*place, offset))
            is_closing = isinstance(batch, ObservationBatch) and batch.is_closing
            if is_closing or kind.has_unknown(batch, self.model):
                self.reload()
            if self._models[place] is not self.model:
                self.checkpoint(place)  # so that no replay crosses a change of the model
                self._models[place] = self.model
            self._unsent[place].extend(stage.apply(offset, batch, self.model).outputs)
        return count

    def _hold(self, place: TopicPartition) -> StreamStage[Any]:
        kind = self._kinds[place[0]]
        self._models[place] = self.model
        stage = self._tables[place].restore_stage(kind, place[1])
        if stage is None:
            knowledge = self._seeds()
            stage = kind.seeded(place[1], knowledge, self.model)
            self._unsent[place].extend(stage.initial_outputs(knowledge, self.model))
            self._stages[place] = stage
            self.checkpoint(place)
        self._stages[place] = stage
        return stage

    def load_all(self) -> None:
        """Load the stage of every partition, as the worker does before it is ready."""
        for place in self.partitions:
            if place not in self._stages:
                self._hold(place)

    def reload(self) -> None:
        """Load the newest model."""
        self.model = self._load()

    def send(self, place: TopicPartition, share: float = 1.0) -> None:
        """Write the first part of a stage's pending output to the log, by partition."""
        unsent = self._unsent[place]
        by_place: defaultdict[TopicPartition, deque[OutputRecord]] = defaultdict(deque)
        for record in unsent:
            by_place[record.topic, record.partition].append(record)
        unsent.clear()
        for outputs in by_place.values():
            count = len(outputs) if share >= 1.0 else self._dice.randrange(len(outputs) + 1)
            for _ in range(count):
                self._log.append(*outputs.popleft())
            unsent.extend(outputs)

    def flush(self) -> None:
        """Write all pending output to the log."""
        for place in list(self._stages):
            self.send(place)

    def checkpoint(self, place: TopicPartition, *, torn: bool = False) -> None:
        """Write a checkpoint after all output that it covers; with `torn`, only some of its entries."""
        self.send(place)
        self._begun.pop(place, None)
        entries = list(self._stages[place].checkpoint_entries())
        if torn:
            buckets = [one for one in entries if one.bucket is not None]
            entries = self._dice.sample(buckets, self._dice.randrange(len(buckets) + 1))
        self._tables[place].write(entries)

    def checkpoint_step(self, place: TopicPartition) -> None:
        """Write the next entry of a checkpoint that is spread over time, and start one where none is open."""
        self.send(place)
        entries = self._begun.setdefault(place, self._stages[place].checkpoint_entries())
        entry = next(entries)
        self._tables[place].write([entry])
        if entry.bucket is None:
            del self._begun[place]

    def crash(self) -> None:
        """Lose some stages or all; some have sent a part of their output, some leave a torn checkpoint."""
        self.crashes += 1
        held = list(self._stages)
        lost = held if self._dice.random() < 0.6 else [one for one in held if self._dice.random() < 0.5]
        for place in lost:
            if self._dice.random() < 0.3:
                self.checkpoint(place, torn=True)
            self.send(place, 0.0)
            self._unsent[place].clear()
            self._begun.pop(place, None)
            del self._stages[place]
        if len(lost) == len(held):
            self.reload()

    def disturb(self) -> None:
        """Flush output or write checkpoints of random partitions, as a running stream does by itself."""
        for place in list(self._stages):
            fate = self._dice.random()
            if fate < 0.1:
                self.checkpoint(place)
            elif fate < 0.25:
                self.checkpoint_step(place)
            elif fate < 0.6:
                self.send(place, self._dice.choice((0.0, 1.0)))

    def step(self) -> None:
        """Apply a few records of random partitions."""
        for place in self._dice.sample(self.partitions, self._dice.randint(1, len(self.partitions))):
            self.apply_records(place, self._dice.choice((1, 3, 10)))

    def drain(self) -> None:
        """Apply all records and write all output."""
        taken = 1
        while taken:
            for place in self.partitions:
                self.send(place)
            taken = sum(self.apply_records(place, 1_000_000) for place in self.partitions)
