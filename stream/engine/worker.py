"""The worker: takes records of its partitions in, tells the updates, and checkpoints."""

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
from twin.model.city_model import CityModel

log = logging.getLogger(__name__)

# How often a hole is sought back before the process gives up and starts again from its checkpoint.
SEEK_BACK_DELAY_S = 0.3
SEEK_BACK_TRIES_MAX = 10


class HoleError(TwinError):
    """Records are missing between two offsets, and seeking back did not bring them."""


@dataclass(slots=True)
class _HeldPartition:
    """A partition that this worker holds."""

    stage: StreamStage[Any]
    model: CityModel  #: by which it works
    checkpoints: CheckpointWriter
    hole_tries: int = 0
    hole_time: float = 0.0


class StreamWorker:
    """Owns the stages of the partitions of one topic that are assigned to this process.

    `drop_partitions` is called at every rebalance: what is in memory is dropped then, and each partition is
    restored from its checkpoint when its next record comes.
    """

    def __init__(
        self,
        *,
        settings: StreamSettings,
        kind: StageFactory[Any],
        model: CityModel,
        reload_model: Callable[[], Awaitable[CityModel]],
        seeds: ReadSeed,
        transport: LogTransport,
        metrics: StreamMetrics,
        traces: RecordTracer | None = None,
    ) -> None:
        self._settings = settings
        self._kind = kind
        self.model = model
        self._reload_model = reload_model
        self._unknown_at_version = -1
        self._seeds = seeds
        self._transport = transport
        self._metrics = metrics
        self._traces = traces
        self._partitions: dict[int, _HeldPartition] = {}
        self._generation = 0  # of the assignment
        self._recovered = False
        self._holding = asyncio.Lock()

    def drop_partitions(self) -> None:
        """Drop every partition from memory; nothing of them is acknowledged any more."""
        self._generation += 1
        self._recovered = False
        for held in self._partitions.values():
            held.checkpoints.abandon()
        self._partitions.clear()
        self._metrics.partitions.labels(self._kind.topic).set(0)

    def on_recovered(self) -> None:
        """Learn that the checkpoints of this assignment can be read from now on."""
        self._recovered = True

    async def restore_assigned(self) -> bool:
        """Take every assigned partition into memory, also those that no record comes to.

        Return whether that is done; it is not while the checkpoints cannot be read yet.
        """
        for partition in range(self._settings.partitions):
            if not self._recovered:
                return False
            if partition not in self._partitions:
                await self._hold(partition)
        return self._recovered

    def position(self, partition: int) -> int:
        """Return the offset after which to read a partition, by its checkpoint; NOWHERE for the beginning."""
        held = self._partitions.get(partition)
        if held is not None:
            return held.stage.offset
        stage = self._restored(partition)
        return stage.offset if stage is not None else BEFORE_FIRST_OFFSET

    async def on_record(self, record: InputRecord) -> None:
        """Take in one record: apply it, send its updates, remember it for the checkpoint.

        Raises HoleError when records before this one are missing and do not come.
        """
        held = self._partitions.get(record.partition) or await self._hold(record.partition)
        if held is None:
            return  # lost in a rebalance: its new owner takes the record
        expected = held.stage.offset + 1
        if record.offset < expected:
            held.checkpoints.cover(record)  # a replay of what the state has already
            return
        if record.offset > expected and not await self._reaches(held, record, expected):
            return
        held.hole_tries = 0
        batch = self._read(record)
        if batch is not None:
            await self._know(batch)
        if held.model is not self.model and not await self._adopt(record.partition, held):
            return
        trace = self._traces.begin(self._kind.topic, record) if self._traces is not None else None
        async with held.checkpoints.apply_lock:
            applied = held.stage.apply(record.offset, batch, held.model)
            held.checkpoints.cover(record)
            await self._send(held, applied.outputs, trace.headers if trace is not None else ())
        if trace is not None:
            trace.end(len(applied.outputs))
        self._count(applied)
        if held.checkpoints.pending_records >= self._settings.checkpoint_records_max:
            await held.checkpoints.write_now()

    async def _adopt(self, partition: int, held: _HeldPartition) -> bool:
        """Let a partition go on with the present model; return False when it was lost meanwhile.

        First comes a checkpoint: a replay that went back over the change would tell other things than were
        told, under the same revisions.
        """
        model = self.model
        await held.checkpoints.write_now()
        held.model = model
        return self._partitions.get(partition) is held

    def _read(self, record: InputRecord) -> Any:
        try:
            return self._kind.decode(record.value)
        except MessageError:
            # The historian, which reads the same log, puts it into quarantine.
            log.exception("record %d of partition %d is passed over", record.offset, record.partition)
            self._metrics.unreadable.inc()
            return None

    async def write_due_checkpoints(self) -> None:
        """Begin the checkpoints that are due, or finish them where no record comes any more."""
        for held in list(self._partitions.values()):
            await held.checkpoints.write_if_due()

    async def write_all_checkpoints(self) -> None:
        """Checkpoint every partition that has something to cover; on the way out."""
        for held in list(self._partitions.values()):
            await held.checkpoints.write_now()

    async def _hold(self, partition: int) -> _HeldPartition | None:
        """Return a partition, taken into memory if need be; None when it is not assigned to this process."""
        async with self._holding:
            held = self._partitions.get(partition)
            if held is None and self._transport.owns(self._kind.topic, partition):
                held = await self._take_into_memory(partition)
            return held

    async def _take_into_memory(self, partition: int) -> _HeldPartition | None:
        generation, model = self._generation, self.model
        stage = self._restored(partition)
        if stage is not None:
            return self._held(partition, stage, model)
        knowledge = await self._seeds()
        if generation != self._generation:
            return None
        stage = self._kind.seeded(partition, knowledge, model)
        log.info("partition %d of %s starts with what the database knows", partition, self._kind.topic)
        held = self._held(partition, stage, model)
        await self._send(held, stage.initial_outputs(knowledge, model))
        # The database moves on with this log; a replay must start from the same seed.
        await held.checkpoints.write_now(first=True)
        return held

    def _held(self, partition: int, stage: StreamStage[Any], model: CityModel) -> _HeldPartition:
        checkpoints = CheckpointWriter(
            stage,
            partial(self._write, partition),
            self._metrics,
            interval_s=self._settings.checkpoint_interval_s,
            buckets=self._settings.buckets,
        )
        held = self._partitions[partition] = _HeldPartition(stage, model, checkpoints)
        self._metrics.partitions.labels(self._kind.topic).set(len(self._partitions))
        return held

    async def _send(
        self, held: _HeldPartition, outputs: Iterable[OutputRecord], headers: RecordHeaders = ()
    ) -> None:
        for topic, partition, value in outputs:
            held.checkpoints.add_confirmation(await self._transport.send(topic, partition, value, headers))
            self._metrics.sent.labels(topic).inc()

    def _restored(self, partition: int) -> StreamStage[Any] | None:
        read = self._transport.read_checkpoint
        return self._kind.restored(
            partition,
            read(self._key(partition, None)),
            lambda number: read(self._key(partition, number)),
        )

    def _write(self, partition: int, bucket: int | None, value: bytes) -> Confirmation:
        return self._transport.write_checkpoint(partition, self._key(partition, bucket), value)

    def _key(self, partition: int, bucket: int | None) -> bytes:
        return f"{self._kind.topic}/{partition}/{'position' if bucket is None else bucket}".encode()

    async def _reaches(self, held: _HeldPartition, record: InputRecord, expected: int) -> bool:
        """Seek back to `expected`; return True when the log does not have it, so the record may be taken."""
        now = asyncio.get_running_loop().time()
        if held.hole_tries and now - held.hole_time < SEEK_BACK_DELAY_S:
            return False
        if held.hole_tries >= SEEK_BACK_TRIES_MAX:
            raise HoleError(
                f"partition {record.partition} of {self._kind.topic}: found offset {record.offset}, expected "
                f"{expected}, and seeking back {held.hole_tries} times did not bring it"
            )
        held.hole_tries += 1
        held.hole_time = now
        self._metrics.holes.inc()
        log.warning(
            "hole in partition %d of %s: found offset %d, expected %d; seeking back",
            record.partition,
            self._kind.topic,
            record.offset,
            expected,
        )
        if await self._transport.seek_back(self._kind.topic, record.partition, expected):
            return False
        gone = expected, record.offset - 1, record.partition
        log.error("the log no longer holds offsets %d to %d of partition %d", *gone)
        return True

    async def _know(self, batch: Any) -> None:
        """Fetch the model once more when it lacks something: ingest may have a newer one already."""
        if not self._kind.has_unknown(batch, self.model) or self._unknown_at_version == self.model.version:
            return
        model = await self._reload_model()
        if model.version > self.model.version:
            self.model = model
        self._unknown_at_version = self.model.version

    def _count(self, applied: ApplyResult) -> None:
        self._metrics.records.labels(self._kind.topic).inc()
        self._metrics.unknown.inc(applied.unknown)
        for outcome, count in applied.outcomes.items():
            self._metrics.observations.labels(outcome).inc(count)
