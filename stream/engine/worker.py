"""The worker of one topic: applies the records of its partitions, sends the outputs, writes checkpoints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from runtime.telemetry.tracing import RecordHeaders
from stream.engine.buckets import BEFORE_FIRST_OFFSET
from stream.engine.checkpoints import CheckpointWriter
from stream.engine.record_traces import RecordTracer
from stream.engine.stage import ApplyResult, OutputRecord, StageFactory, StreamStage
from stream.engine.transport import Confirmation, InputRecord, LogTransport, ReadSeed
from stream.metrics import StreamMetrics
from stream.settings import StreamSettings
from twin.errors import MessageError, TwinError
from twin.instant import INSTANT_MIN
from twin.model.city_model import CityModel
from twin.wire.messages import ObservationBatch

log = logging.getLogger(__name__)

SEEK_BACK_TRIES_MAX = 10
"""After so many attempts to read missing records the process ends, and restarts from its checkpoint."""


class HoleError(TwinError):
    """Records are missing between two offsets, and seeking back did not bring them."""


@dataclass(slots=True)
class _HeldPartition:
    """A partition that this worker has in memory."""

    stage: StreamStage[Any]
    model: CityModel  #: that the stage was last applied with
    checkpoints: CheckpointWriter
    hole_tries: int = 0
    hole_time: float = 0.0


class StreamWorker:
    """Owns the stages of the partitions of one topic that are assigned to this process.

    At every rebalance `drop_partitions` empties the memory. Each partition is restored from its checkpoint
    when its next record comes.
    """

    def __init__(
        self,
        *,
        settings: StreamSettings,
        factory: StageFactory[Any],
        model: CityModel,
        reload_model: Callable[[], Awaitable[CityModel]],
        read_seed: ReadSeed,
        transport: LogTransport,
        metrics: StreamMetrics,
        tracer: RecordTracer | None = None,
        seek_back_delay_s: float = 0.3,
    ) -> None:
        self._settings = settings
        self._factory = factory
        self.model = model
        self._reload_model = reload_model
        self._unknown_at_version = -1
        self._read_seed = read_seed
        self._transport = transport
        self._metrics = metrics
        self._tracer = tracer
        self._seek_back_delay_s = seek_back_delay_s
        self._partitions: dict[int, _HeldPartition] = {}
        self._generation = 0  # of the assignment
        self._hold_lock = asyncio.Lock()
        self.is_closing = False  #: whether the log ends, so that its records are committed at once

    @property
    def topic(self) -> str:
        """Return the topic whose records the worker applies."""
        return self._factory.topic

    def drop_partitions(self) -> None:
        """Drop every partition from memory; none of its records is acknowledged any more."""
        self._generation += 1
        for held in self._partitions.values():
            held.checkpoints.abandon()
        self._partitions.clear()
        self._metrics.partitions.labels(self.topic).set(0)

    async def restore_assigned(self) -> bool:
        """Restore every assigned partition, also those without records.

        Return whether all are in memory; they are not while the checkpoints cannot be read yet.
        """
        for partition in range(self._settings.partitions):
            if partition not in self._partitions:
                await self._hold(partition)
        return self._transport.is_recovered()

    def position(self, partition: int) -> int:
        """Return the last applied offset of a partition, by its checkpoint; -1 before the first record."""
        held = self._partitions.get(partition)
        if held is not None:
            return held.stage.offset
        stage = self._restored(partition)
        return stage.offset if stage is not None else BEFORE_FIRST_OFFSET

    async def on_record(self, record: InputRecord) -> None:
        """Apply one record, send its outputs, and let the next checkpoint cover it.

        Raises HoleError when records before this one are missing and cannot be read.
        """
        held = self._partitions.get(record.partition) or await self._hold(record.partition)
        if held is None:
            return  # lost in a rebalance: the new owner applies the record, from its checkpoint on
        expected = held.stage.offset + 1
        if record.offset < expected:
            held.checkpoints.cover(record)  # a replay of a record that the state contains
            return
        if record.offset > expected and not await self._skips_hole(held, record, expected):
            return
        held.hole_tries = 0
        batch = self._decode(record)
        if batch is not None:
            await self._reload_model_for(batch)
            self._note_closing(batch)
        if held.model is not self.model and not await self._adopt_model(record.partition, held):
            return
        trace = self._tracer.begin(self.topic, record) if self._tracer is not None else None
        async with held.checkpoints.apply_lock:
            result = held.stage.apply(record.offset, batch, held.model)
            held.checkpoints.cover(record)
            await self._send(held, result.outputs, trace.headers if trace is not None else ())
        if trace is not None:
            trace.end(len(result.outputs))
        self._count(result)
        if held.checkpoints.pending_records >= self._settings.checkpoint_records_max:
            await held.checkpoints.write_now()

    def _note_closing(self, batch: Any) -> None:
        """Note a closing record, and that ingest has started again after one."""
        if isinstance(batch, ObservationBatch):
            if batch.is_closing:
                self.is_closing = True
            elif batch.time > INSTANT_MIN and not batch.verdicts:
                self.is_closing = False

    async def _adopt_model(self, partition: int, held: _HeldPartition) -> bool:
        """Let a partition continue with the present model; return False if it was lost meanwhile.

        A checkpoint comes first. A replay across the change would apply earlier records by the new model, and
        send other outputs under the same revisions.
        """
        model = self.model
        await held.checkpoints.write_now()
        held.model = model
        return self._partitions.get(partition) is held

    def _decode(self, record: InputRecord) -> Any:
        try:
            return self._factory.decode(record.value)
        except MessageError:
            # The historian reads the same log, and quarantines the record.
            log.exception(
                "record %d of partition %d of %s cannot be read; skipping it",
                record.offset,
                record.partition,
                self.topic,
                extra={"event": "stream.unreadable", **self._ids(record)},
            )
            self._metrics.unreadable.inc()
            return None

    async def write_due_checkpoints(self) -> None:
        """Begin the checkpoints that are due, and finish those of partitions without new records."""
        for held in list(self._partitions.values()):
            await held.checkpoints.write_if_due()

    async def write_all_checkpoints(self) -> None:
        """Write a checkpoint of every partition with uncovered records, before the process stops."""
        for held in list(self._partitions.values()):
            await held.checkpoints.write_now()

    async def _hold(self, partition: int) -> _HeldPartition | None:
        """Return a partition, restored if necessary.

        None when it is not assigned to this process, or its checkpoint cannot be read yet.
        """
        async with self._hold_lock:
            held = self._partitions.get(partition)
            is_loadable = self._transport.is_recovered() and self._transport.owns(self.topic, partition)
            if held is None and is_loadable:
                held = await self._load(partition)
            return held

    async def _load(self, partition: int) -> _HeldPartition | None:
        generation, model = self._generation, self.model
        stage = self._restored(partition)
        if stage is not None:
            return self._add(partition, stage, model)
        seed = await self._read_seed()
        if generation != self._generation or not self._transport.is_recovered():
            return None
        stage = self._factory.seeded(partition, seed, model)
        log.info(
            "partition %d of %s starts from the state in the database",
            partition,
            self.topic,
            extra={"event": "stream.seeded", "topic": self.topic, "partition": partition},
        )
        held = self._add(partition, stage, model)
        await self._send(held, stage.initial_outputs(seed, model))
        # The database changes as this log is processed; a replay must start from the same seed.
        await held.checkpoints.write_now(first=True)
        return held if self._partitions.get(partition) is held else None

    def _add(self, partition: int, stage: StreamStage[Any], model: CityModel) -> _HeldPartition:
        checkpoints = CheckpointWriter(
            stage,
            partial(self._write, partition),
            self._metrics,
            interval_s=self._settings.checkpoint_interval_s,
            buckets=self._settings.buckets,
        )
        held = self._partitions[partition] = _HeldPartition(stage, model, checkpoints)
        self._metrics.partitions.labels(self.topic).set(len(self._partitions))
        return held

    async def _send(
        self, held: _HeldPartition, outputs: Iterable[OutputRecord], headers: RecordHeaders = ()
    ) -> None:
        for topic, partition, value in outputs:
            confirmation = await self._transport.send(topic, partition, value, headers)
            held.checkpoints.add_confirmation(confirmation)
            self._metrics.sent.labels(topic).inc()

    def _restored(self, partition: int) -> StreamStage[Any] | None:
        read = self._transport.read_checkpoint
        return self._factory.restored(
            partition,
            read(self._key(partition, None)),
            lambda number: read(self._key(partition, number)),
        )

    def _write(self, partition: int, bucket: int | None, value: bytes) -> Confirmation:
        return self._transport.write_checkpoint(partition, self._key(partition, bucket), value)

    def _key(self, partition: int, bucket: int | None) -> bytes:
        return f"{self.topic}/{partition}/{'position' if bucket is None else bucket}".encode()

    async def _skips_hole(self, held: _HeldPartition, record: InputRecord, expected: int) -> bool:
        """Seek back to the missing offset; return True when the log no longer has it, so that it is skipped.

        Raises HoleError after the last attempt.
        """
        now = asyncio.get_running_loop().time()
        if held.hole_tries and now - held.hole_time < self._seek_back_delay_s:
            return False
        if held.hole_tries >= SEEK_BACK_TRIES_MAX:
            raise HoleError(
                f"partition {record.partition} of {self.topic}: found offset {record.offset}, expected "
                f"{expected}, and seeking back {held.hole_tries} times did not bring it"
            )
        held.hole_tries += 1
        held.hole_time = now
        self._metrics.holes.inc()
        log.warning(
            "hole in partition %d of %s: found offset %d, expected %d; seeking back",
            record.partition,
            self.topic,
            record.offset,
            expected,
            extra={"event": "stream.hole", **self._ids(record)},
        )
        if await self._transport.seek_back(self.topic, record.partition, expected):
            return False
        log.error(
            "the log no longer holds offsets %d to %d of partition %d of %s; skipping them",
            expected,
            record.offset - 1,
            record.partition,
            self.topic,
            extra={"event": "stream.hole_skipped", **self._ids(record)},
        )
        return True

    async def _reload_model_for(self, batch: Any) -> None:
        """Load the model once more when a record names something unknown: ingest may have a newer model.

        Also when the log ends: the next log does not know which model has made the newest windows.
        """
        is_closing = isinstance(batch, ObservationBatch) and batch.is_closing
        is_tried = self._unknown_at_version == self.model.version
        if not is_closing and (is_tried or not self._factory.has_unknown(batch, self.model)):
            return
        model = await self._reload_model()
        if model.version > self.model.version:
            self.model = model
        self._unknown_at_version = self.model.version

    def _ids(self, record: InputRecord) -> dict[str, Any]:
        return {"topic": self.topic, "partition": record.partition, "offset": record.offset}

    def _count(self, result: ApplyResult) -> None:
        self._metrics.records.labels(self.topic).inc()
        self._metrics.unknown.inc(result.unknown)
        for outcome, count in result.outcomes.items():
            self._metrics.observations.labels(outcome).inc(count)
