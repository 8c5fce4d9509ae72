"""Follows `updates` and `alarms` on the log into the hub, and detects a replaced log.

A consumer without a group that is connected to a restarted, emptied log waits for ever at its old position.
So the follower checks the identity of the log about every second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from api.live.hub import Hub
from api.live.live_view import ViewSeed
from api.live.partition_order import ordered_partitions
from api.live.time_slice import TimeSlice
from api.metrics import ApiMetrics
from runtime.backoff import Backoff
from runtime.cancellation import raise_if_cancelled
from runtime.clock import Clock
from runtime.kafka.access import Kafka
from runtime.kafka.consumer import (
    FETCH_PROMPTLY,
    FetchPolicy,
    end_offsets,
    first_offsets,
    log_identity,
    new_consumer,
    wait_for_another_log,
)
from runtime.kafka.read_progress import ReadProgress
from runtime.kafka.topics import ALARMS as ALARM_TOPIC
from runtime.kafka.topics import create_topics, partition_counts
from runtime.telemetry.tracing import RecordHeaders, Tracer, extract_context
from twin.alarms.messages import ALARMS, AlarmBatch
from twin.errors import MessageError, ServiceError
from twin.instant import SECOND, Duration
from twin.wire.messages import UPDATES

log = logging.getLogger(__name__)

IDENTITY_TIMEOUT_S = 5.0
SWEEP_S = 1.0
"""Between two looks at what became old, and at which heartbeats are due."""

RETRY_FIRST_S = 0.2
RETRY_MAX_S = 5.0

# One fetch takes 50 ms of the event loop: about 10 us an update, and 100 updates a record.
RECORDS_MAX = 50
_POLL_MS = 500

_MILLISECOND: Duration = SECOND // 1_000  # the unit of the log's times


class SeedSource(Protocol):
    """The stored state that the view starts from: the database, behind one call."""

    async def __call__(self, log_id: str) -> ViewSeed:
        """Return the stored state with positions in that log; raise ServiceError without a database."""
        ...


class LogFollower:
    """Reads the log into the hub; one task for the life of the process."""

    def __init__(
        self,
        kafka: Kafka,
        partitions: int,
        hub: Hub,
        seeds: SeedSource,
        metrics: ApiMetrics,
        *,
        on_alarms: Callable[[AlarmBatch], None] = lambda _: None,
        pace: FetchPolicy = FETCH_PROMPTLY,
        record_traces: RecordTraces | None = None,
    ) -> None:
        self.ready = asyncio.Event()  #: set once the view has caught up with the log for the first time
        self.connected = False  #: whether the log answers
        self.seeded_from_database = True  #: whether the view includes the stored state
        self._kafka = kafka
        self._pace = pace
        self._count = partitions
        self._partitions = {each: index for index, each in enumerate(ordered_partitions(partitions))}
        self._hub = hub
        self._on_alarms = on_alarms  #: called with every record of `alarms` once the hub has applied it
        self._seeds = seeds
        self._metrics = metrics
        self._traces = record_traces
        metrics.log_up.set_function(lambda: float(self.connected))
        self._truncated = False  #: whether the log lost records that the view has not read

    async def run(self) -> None:
        """Feed the hub until cancelled; survives every outage of log and database."""
        backoff = _new_backoff()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep())
            while True:
                try:
                    await self._follow_one_log()
                    backoff.reset()
                except (KafkaError, OSError, ServiceError) as error:
                    self.connected = False
                    delay_s = backoff.next_s()
                    log.warning(
                        "the live view does not receive the log: %s; retrying in %.1f s",
                        error,
                        delay_s,
                        extra={"event": "api.log_lost", "delay_s": delay_s},
                    )
                    await asyncio.sleep(delay_s)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._hub.age_values()
            self._hub.mark_position()
            # Those that are due nearer to now than to the next look.
            self._hub.send_heartbeats(asyncio.get_running_loop().time() + SWEEP_S / 2)

    async def _follow_one_log(self) -> None:
        """Seed the view and follow the log until its identity changes, or it no longer reaches back."""
        identity = await log_identity(self._kafka)
        await create_topics(self._kafka, partition_counts(self._count))
        consumer = new_consumer(self._kafka, fetch_policy=self._pace, max_poll_records=RECORDS_MAX)
        merging: asyncio.Task[None] | None = None
        try:
            await consumer.start()
            if self._hub.log_id != identity or self._truncated or not await self._continue(consumer):
                await self._reset(consumer, identity)
            self.connected = True
            if not self.seeded_from_database:
                merging = asyncio.create_task(self._merge_later(identity))
            await self._follow(consumer, identity)
        except OffsetOutOfRangeError:
            self._truncated = True
            log.warning(
                "log %s begins after the position of the live view; the view is seeded anew",
                identity,
                extra={"event": "api.log_truncated", "log_id": identity},
            )
        finally:
            if merging is not None:
                merging.cancel()
            await consumer.stop()

    async def _continue(self, consumer: Any) -> bool:
        """Read on from the position of the view, without a gap; False when the log begins later."""
        wanted = [offset for offset, _ in self._hub.positions]
        offsets = {(each.topic, each.partition): wanted[index] for each, index in self._partitions.items()}
        return await self._start_at(consumer, offsets) == wanted

    async def _reset(self, consumer: Any, identity: str) -> None:
        """Start the view anew from the stored state."""
        seed = await self._seed(identity)
        offsets = await self._start_at(consumer, seed.offsets if seed is not None else {})
        self._hub.reset(identity, seed or ViewSeed(), offsets)
        self._truncated, self.seeded_from_database = False, seed is not None
        self._metrics.reseeds.labels("database" if self.seeded_from_database else "log").inc()
        values, alarms = len(self._hub.view), len(self._hub.alarms)
        log.info(
            "the live view follows log %s from %s with %d values and %d alarms",
            identity,
            offsets,
            values,
            alarms,
            extra={"event": "api.view_seeded", "log_id": identity, "values": values, "alarms": alarms},
        )

    async def _seed(self, identity: str) -> ViewSeed | None:
        """Return the stored state; None without a database as long as the view is empty.

        A view with values is better than an empty one: it is kept until the database is available.
        """
        backoff = _new_backoff()
        while True:
            delay_s = backoff.next_s()
            try:
                return await self._seeds(identity)
            except ServiceError as error:
                if not self._hub.log_id:
                    log.warning(
                        "the live view starts from the log alone: %s",
                        error,
                        extra={"event": "api.seed_unavailable"},
                    )
                    return None
                log.warning(
                    "the live view cannot be seeded: %s; retrying in %.1f s",
                    error,
                    delay_s,
                    extra={"event": "api.seed_unavailable", "delay_s": delay_s},
                )
            await asyncio.sleep(delay_s)
            if await log_identity(self._kafka) != identity:
                raise ServiceError("the log changed again while the live view was seeded")

    async def _merge_later(self, identity: str) -> None:
        """Add the stored state to a view that started without it, once the database is available."""
        backoff = _new_backoff()
        while True:
            await asyncio.sleep(backoff.next_s())
            try:
                seed = await self._seeds(identity)
            except ServiceError:
                continue
            self._hub.merge(seed)
            self.seeded_from_database = True
            log.info(
                "the live view has %d values, including the stored state",
                len(self._hub.view),
                extra={"event": "api.view_merged", "values": len(self._hub.view)},
            )
            return

    async def _start_at(self, consumer: Any, wanted: Mapping[tuple[str, int], int]) -> list[int]:
        """Make a consumer start at the wanted offset of each partition, or at the log's beginning.

        Returns the offsets, by `api.live.partition_order`.
        """
        first = await first_offsets(consumer, self._partitions)
        offsets = [max(first[each], wanted.get((each.topic, each.partition), 0)) for each in self._partitions]
        consumer.assign(list(self._partitions))
        for partition, index in self._partitions.items():
            consumer.seek(partition, offsets[index])
        return offsets

    async def _follow(self, consumer: Any, identity: str) -> None:
        caught_up = await end_offsets(self._kafka, self._partitions)
        changed = asyncio.create_task(
            wait_for_another_log(
                self._kafka, identity, timeout_s=IDENTITY_TIMEOUT_S, on_check=self._on_log_check
            )
        )
        progress = ReadProgress(len(self._partitions))
        time_slice = TimeSlice(asyncio.get_running_loop().time)
        try:
            while not changed.done():
                raise_if_cancelled()
                fetched = await consumer.getmany(timeout_ms=_POLL_MS)
                for partition, records in fetched.items():
                    for record in records:
                        if self._traces is None:
                            self._apply(partition, record.offset, record.value)
                        else:
                            apply = partial(self._apply, partition, record.offset, record.value)
                            self._traces.trace(partition.topic, record.headers, apply)
                        # Lets connections send their events before the next records add more.
                        await time_slice.give_way(len(record.value))
                self._set_lag_metric(consumer)
                self._note_progress(consumer, progress, fetched)
                if not self.ready.is_set() and all(
                    self._hub.positions[self._partitions[each]][0] >= end for each, end in caught_up.items()
                ):
                    self.ready.set()
            log.warning(
                "log %s was replaced by %s",
                identity,
                changed.result(),
                extra={"event": "api.log_replaced", "log_id": changed.result()},
            )
        finally:
            changed.cancel()

    def _apply(self, partition: TopicPartition, offset: int, value: bytes) -> None:
        index = self._partitions[partition]
        try:
            if partition.topic == ALARM_TOPIC:
                batch = ALARMS.decode(value)
                self._hub.on_alarms(index, offset, batch, value)
                self._on_alarms(batch)
            else:
                self._hub.on_updates(index, offset, UPDATES.decode(value).updates, value)
        except MessageError as error:
            self._metrics.records_unreadable.inc()
            log.error(
                "record %d of %s-%d cannot be read: %s",
                offset,
                partition.topic,
                partition.partition,
                error,
                extra={
                    "event": "api.record_unreadable",
                    "topic": partition.topic,
                    "partition": partition.partition,
                    "offset": offset,
                },
            )
            self._hub.on_updates(index, offset, ())

    def _set_lag_metric(self, consumer: Any) -> None:
        lag = 0
        for partition, index in self._partitions.items():
            end = consumer.highwater(partition)
            if end is not None:
                lag += max(0, end - self._hub.positions[index][0])
        self._metrics.log_lag.set(lag)

    def _note_progress(self, consumer: Any, progress: ReadProgress, fetched: Mapping[Any, Any]) -> None:
        """Tell the hub how far the log is read, by the answers to fetches alone."""
        for partition, index in self._partitions.items():
            end, answered_ms = consumer.highwater(partition), consumer.last_poll_timestamp(partition)
            if end is not None and answered_ms is not None:
                time = answered_ms * _MILLISECOND
                progress.on_answer(index, end, time, self._hub.positions[index][0])
        written = (
            records[-1].timestamp * _MILLISECOND
            for partition, records in fetched.items()
            if records and partition.topic != ALARM_TOPIC
        )
        self._hub.on_progress(progress.caught_up_time, max(written, default=None))

    def _on_log_check(self, error: ServiceError | None) -> None:
        if error is not None and self.connected:
            log.warning("the log does not answer: %s", error, extra={"event": "api.log_lost"})
        self.connected = error is None


class RecordTraces:
    """Continues the traces of records: spans for the live view, and for sending to a subscriber."""

    def __init__(self, tracer: Tracer, clock: Clock, hub: Hub) -> None:
        self._tracer = tracer
        self._clock = clock
        self._hub = hub

    def trace(self, topic: str, headers: RecordHeaders, apply: Callable[[], None]) -> None:
        """Apply a record to the hub; measure the time when the record carries a traced message.

        One of the subscribers is measured as well, until its connection has the events.
        """
        parent = extract_context(headers)
        if parent is None:
            apply()
            return
        fan_out = self._tracer.begin(
            "fan-out",
            "consumer",
            self._clock(),
            parent,
            attributes={"messaging.system": "kafka", "messaging.destination.name": topic},
        )
        self._hub.fan_out.last_notified = None
        apply()
        fan_out.end(self._clock())
        subscriber = self._hub.fan_out.last_notified
        if subscriber is not None:
            send = self._tracer.begin("sse send", "producer", self._clock(), fan_out.context)
            subscriber.call_when_sent(lambda: send.end(self._clock()))


def _new_backoff() -> Backoff:
    return Backoff(first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
