"""All stages on a small log in memory, without crashes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ingest.pipeline.intake import ProcessedMessage
from runtime.kafka import topics
from stream.alarms.alarm_stage import AlarmStageFactory
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.areas.area_stage import AreaStageFactory
from stream.engine.stage import OutputRecord, StageFactory, StreamStage
from stream.engine.stage_seed import EMPTY_SEED, StageSeed
from stream.entities.entity_stage import EntityStageFactory
from twin.alarms.evaluation.alarm_correction import AlarmCorrection, AlarmRepair
from twin.alarms.messages import (
    ALARM_INPUTS,
    ALARMS,
    AlarmCommand,
    AlarmEvent,
    AlarmInputBatch,
    CommandReply,
    IncidentEvent,
)
from twin.instant import MINUTE, SECOND, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    OBSERVATIONS,
    MessageHeaders,
    ObservationBatch,
    encode_headers,
    encode_payloads,
    partition_of,
)


class StagePipeline:
    """The stages of every topic and partition, and the records on the log."""

    def __init__(
        self, model: CityModel, *, partitions: int = 2, knowledge: StageSeed = EMPTY_SEED, log: str = "log-1"
    ) -> None:
        self.model = model
        self.partitions = partitions
        self.records: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)
        bindings = RuleIndexCache()
        kinds: Sequence[StageFactory[Any]] = (
            EntityStageFactory(log, partitions, 4, 5 * MINUTE, bindings),
            AreaStageFactory(log, partitions, 4, bindings),
            AlarmStageFactory(log, partitions, 4, bindings),
        )
        self.kinds = {kind.topic: kind for kind in kinds}
        self.stages: dict[tuple[str, int], StreamStage[Any]] = {}
        for kind in kinds:
            for number in range(partitions):
                stage = self.stages[kind.topic, number] = kind.seeded(number, knowledge, model)
                self._append(stage.initial_outputs(knowledge, model))
        self.time: Instant = 0

    def _append(self, outputs: Sequence[OutputRecord]) -> None:
        for topic, partition, value in outputs:
            self.records[topic, partition].append(value)

    def observe(self, *observations: Observation, now: Instant | None = None) -> None:
        """Write observations to the log, at their reception time or `now`, and process everything."""
        self.time = max(self.time, now or max(one.received_time for one in observations))
        by_partition: defaultdict[int, list[Observation]] = defaultdict(list)
        for observation in observations:
            entity = self.model.datastreams[observation.datastream].entity
            by_partition[partition_of(entity, self.partitions)].append(observation)
        for number, found in by_partition.items():
            batch = ObservationBatch(LAYOUT_VERSION, tuple(found), self.time)
            self.records[topics.OBSERVATIONS, number].append(OBSERVATIONS.encode(batch))
        self.drain()

    def receive(self, messages: Sequence[ProcessedMessage], now: Instant) -> None:
        """Write what the intake made of messages to the log, with headers and payloads, and process it."""
        self.time = max(self.time, now)
        by_partition: defaultdict[int, list[ProcessedMessage]] = defaultdict(list)
        for message in messages:
            by_partition[message.partition].append(message)
        for number, found in by_partition.items():
            headers = tuple(one.header for one in found if one.header is not None)
            batch = ObservationBatch(
                LAYOUT_VERSION,
                tuple(observation for one in found for observation in one.observations),
                self.time,
                encode_headers(MessageHeaders("run", headers)),
                encode_payloads([one.payload for one in found]),
            )
            self.records[topics.OBSERVATIONS, number].append(OBSERVATIONS.encode(batch))
        self.drain()

    def advance(self, until: Instant, step: int = SECOND) -> None:
        """Write ticks until an instant, and process them."""
        while self.time < until:
            self.time = min(until, self.time + step)
            for number in range(self.partitions):
                tick = ObservationBatch(LAYOUT_VERSION, (), self.time)
                self.records[topics.OBSERVATIONS, number].append(OBSERVATIONS.encode(tick))
            self.drain()

    def send_command(self, command: AlarmCommand) -> None:
        """Write a command to the log, and process it."""
        batch = AlarmInputBatch(LAYOUT_VERSION, self.time, False, commands=(command,))
        place = topics.ALARM_INPUTS, partition_of(command.entity, self.partitions)
        self.records[place].append(ALARM_INPUTS.encode(batch))
        self.drain()

    def send_corrections(self, *corrections: AlarmCorrection) -> None:
        """Write what stored history says to the log, and process it."""
        for correction in corrections:
            batch = AlarmInputBatch(LAYOUT_VERSION, self.time, False, corrections=(correction,))
            place = topics.ALARM_INPUTS, partition_of(correction.entity, self.partitions)
            self.records[place].append(ALARM_INPUTS.encode(batch))
        self.drain()

    def drain(self) -> None:
        """Process every record of the log."""
        busy = True
        while busy:
            busy = False
            for (topic, number), stage in self.stages.items():
                records = self.records[topic, number]
                while stage.offset + 1 < len(records):
                    busy = True
                    offset = stage.offset + 1
                    batch = self.kinds[topic].decode(records[offset])
                    self._append(stage.apply(offset, batch, self.model).outputs)

    @property
    def alarms(self) -> list[AlarmEvent]:
        """All alarm events, in order of revision."""
        return sorted(
            (one for batch in self._published() for one in batch.alarms), key=lambda one: one.revision
        )

    @property
    def incidents(self) -> list[IncidentEvent]:
        """All incident events, in order of revision."""
        found = (one for batch in self._published() for one in batch.incidents)
        return sorted(found, key=lambda one: one.revision)

    @property
    def repairs(self) -> list[AlarmRepair]:
        """The repairs of alarms that the stage has requested."""
        return [one for batch in self._published() for one in batch.repairs]

    @property
    def answers(self) -> list[CommandReply]:
        """The answers to commands."""
        return [one for batch in self._published() for one in batch.replies]

    def _published(self) -> list[Any]:
        return [
            ALARMS.decode(value)
            for number in range(self.partitions)
            for value in self.records[topics.ALARMS, number]
        ]
