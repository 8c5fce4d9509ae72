"""The checkpoints of one partition: which records they cover, when they are due, and how they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from stream.engine.stage import StreamStage
from stream.engine.transport import Confirmation, InputRecord
from stream.metrics import StreamMetrics

SPREAD_SHARE = 4
"""A checkpoint is written over a quarter of the interval, so that it does not delay records."""

ENCODING_SHARE_MIN = 20
"""Encoding takes a twentieth of the time at most: with many datastreams checkpoints are further apart."""

IDLE_S = 1.5
"""Longer than the interval of ticks."""


class CheckpointWriter:
    """Writes the checkpoints of a partition, and acknowledges the records that they cover.

    `write` writes one entry, of a bucket or (None) of the position, and returns its confirmation.
    """

    def __init__(
        self,
        stage: StreamStage[Any],
        write: Callable[[int | None, bytes], Confirmation],
        metrics: StreamMetrics,
        *,
        interval_s: float,
        buckets: int,
    ) -> None:
        self._stage = stage
        self._write = write
        self._metrics = metrics
        self._interval_s = interval_s
        self._pause_s = interval_s / SPREAD_SHARE / buckets
        #: held while a record is applied and its outputs are sent: no entry contains half a record
        self.apply_lock = asyncio.Lock()
        self._records: list[InputRecord] = []  # since the last checkpoint began
        self._confirmations: list[Confirmation] = []
        self._first_time = 0.0  # loop time of the first of these records
        self._last_time = 0.0  # loop time of the newest
        self._encoding_s = 0.0  # of the last checkpoint
        self._write_lock = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._gradual: asyncio.Task[None] | None = None
        self._is_abandoned = False

    @property
    def pending_records(self) -> int:
        """Return how many records the next checkpoint will cover."""
        return len(self._records)

    def cover(self, record: InputRecord) -> None:
        """Let the next checkpoint that begins acknowledge a record."""
        self._last_time = asyncio.get_running_loop().time()
        if not self._records:
            self._first_time = self._last_time
        self._records.append(record)

    def add_confirmation(self, confirmation: Confirmation) -> None:
        """Write no further entry before an output is confirmed."""
        self._confirmations.append(confirmation)

    def abandon(self) -> None:
        """Write nothing more: the partition belongs to another worker, which replays its records."""
        self._is_abandoned = True
        self._hurry.set()

    async def write_if_due(self) -> None:
        """Begin a checkpoint if it is due, and raise the error of the one before.

        Ticks come each second. A partition without records belongs to a system that is being stopped, so its
        checkpoint does not wait for the interval.
        """
        if self._gradual is not None and self._gradual.done():
            gradual, self._gradual = self._gradual, None
            gradual.result()
        if not self._records and self._gradual is None:
            return
        now = asyncio.get_running_loop().time()
        if now - self._last_time >= IDLE_S:
            await self.write_now()
        elif self._gradual is None and now - self._first_time >= self._begins_after_s:
            self._gradual = asyncio.create_task(self._write_gradually(), name="checkpoint")

    @property
    def _begins_after_s(self) -> float:
        in_time = self._interval_s * (1 - 1 / SPREAD_SHARE)
        return max(in_time, ENCODING_SHARE_MIN * self._encoding_s)

    async def write_now(self, *, first: bool = False) -> None:
        """Write a checkpoint of all applied records; return when it is durable.

        Without records nothing is written, except the `first` checkpoint.
        """
        self._hurry.set()
        try:
            async with self._write_lock:
                if self._records or first:
                    await self._write_entries(0.0)
        finally:
            if not self._is_abandoned:
                self._hurry.clear()

    async def _write_gradually(self) -> None:
        async with self._write_lock:
            await self._write_entries(self._pause_s)

    async def _write_entries(self, pause_s: float) -> None:
        loop = asyncio.get_running_loop()
        began = self._first_time = loop.time()
        encoding_s = 0.0
        written: list[Confirmation] = []
        entries = self._stage.checkpoint_entries()
        async with self.apply_lock:
            # The first entry fixes the offset of the position: these are the records before it.
            records, self._records = self._records, []
            entry = next(entries)
            encoding_s += loop.time() - began
        while True:
            confirmations, self._confirmations = self._confirmations, []
            await asyncio.gather(*confirmations)
            if entry.bucket is None:
                await asyncio.gather(*written)
            if self._is_abandoned:
                return
            confirmation = self._write(entry.bucket, entry.value)
            if entry.bucket is None:
                await confirmation
                break
            written.append(confirmation)
            await self._rest(pause_s)
            async with self.apply_lock:
                before = loop.time()
                entry = next(entries)
                encoding_s += loop.time() - before
        if self._is_abandoned:
            return
        for record in records:
            record.acknowledge()
        self._encoding_s = encoding_s
        self._metrics.checkpoints.inc()
        self._metrics.checkpoint_seconds.observe(loop.time() - began)

    async def _rest(self, pause_s: float) -> None:
        if pause_s and not self._hurry.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), pause_s)
