"""The feed: follows `updates` and `alarms` on the log into the hub, and notices when the log is another one.

A groupless consumer that is connected to a restarted, emptied log waits for ever at its old position; so the
identity of the log is compared about every second.
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
)
from runtime.kafka.topics import ALARMS as ALARM_TOPIC
from runtime.kafka.topics import create_topics, partition_counts
from runtime.telemetry.tracing import RecordHeaders, Tracer, extract_context
from twin.alarms.messages import ALARMS, AlarmBatch
from twin.errors import MessageError, ServiceError
from twin.wire.messages import UPDATES

log = logging.getLogger(__name__)

IDENTITY_CHECK_S = 1.0
IDENTITY_TIMEOUT_S = 5.0
SWEEP_S = 1.0

RETRY_FIRST_S = 0.2
RETRY_MAX_S = 5.0

# One fetch is handled between two breaths of the event loop: at ~10 us an update and ~100 a record, 50 ms.
RECORDS_MAX = 50
_POLL_MS = 500


class SeedSource(Protocol):
    """Where the view is seeded from: the database, behind one call."""

    async def __call__(self, log_id: str) -> ViewSeed:
        """Return what is stored, with positions in that log; raise ServiceError when the database is away."""
        ...


class LogFollower:
    """Keeps the hub fed from the log; one task for the life of the process."""

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
        self.seeded_from_database = True  #: whether the view holds what the database knew
        self._kafka = kafka
        self._pace = pace
        self._count = partitions
        self._lanes = {one: lane for lane, one in enumerate(ordered_partitions(partitions))}
        self._hub = hub
        self._hear = on_alarms  #: told every record of `alarms` once the hub has it
        self._seeds = seeds
        self._metrics = metrics
        self._traces = record_traces
        metrics.log_up.set_function(lambda: float(self.connected))
        self._truncated = False  #: whether the log lost records that the view has not seen

    async def run(self) -> None:
        """Feed the hub until cancelled; outlives every outage of log and database."""
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
                    log.warning("the live view is not fed: %s; trying again in %.1f s", error, delay_s)
                    await asyncio.sleep(delay_s)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._hub.age_values()

    async def _follow_one_log(self) -> None:
        """Seed the view and follow the log until its identity changes, or it no longer reaches back."""
        identity = await log_identity(self._kafka)
        await create_topics(self._kafka, partition_counts(self._count))
        consumer = new_consumer(self._kafka, fetch_policy=self._pace, max_poll_records=RECORDS_MAX)
        merging: asyncio.Task[None] | None = None
        try:
            await consumer.start()
            if self._hub.log_id != identity or self._truncated or not await self._go_on(consumer):
                await self._reset(consumer, identity)
            self.connected = True
            if not self.seeded_from_database:
                merging = asyncio.create_task(self._merge_later(identity))
            await self._follow(consumer, identity)
        except OffsetOutOfRangeError:
            self._truncated = True
            log.warning("log %s no longer reaches back to the live view; it is seeded anew", identity)
        finally:
            if merging is not None:
                merging.cancel()
            await consumer.stop()

    async def _go_on(self, consumer: Any) -> bool:
        """Read on where the view is, unnoticed by whoever follows it; False when the log begins later."""
        wanted = [offset for offset, _ in self._hub.positions]
        places = {(one.topic, one.partition): wanted[lane] for one, lane in self._lanes.items()}
        return await self._start_at(consumer, places) == wanted

    async def _reset(self, consumer: Any, identity: str) -> None:
        """Begin anew with what the database knows."""
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
        )

    async def _seed(self, identity: str) -> ViewSeed | None:
        """Return what the database knows; None when it is away and nothing was shown yet.

        Once something is shown, the old view is better than an empty one: then this waits for the database.
        """
        backoff = _new_backoff()
        while True:
            delay_s = backoff.next_s()
            try:
                return await self._seeds(identity)
            except ServiceError as error:
                if not self._hub.log_id:
                    log.warning("the live view starts from the log alone: %s", error)
                    return None
                log.warning("the live view cannot be seeded: %s; trying again in %.1f s", error, delay_s)
            await asyncio.sleep(delay_s)
            if await log_identity(self._kafka) != identity:
                raise ServiceError("the log changed again while the live view was seeded")

    async def _merge_later(self, identity: str) -> None:
        """Add what the database knows to a view that started without it, as soon as it is back."""
        backoff = _new_backoff()
        while True:
            await asyncio.sleep(backoff.next_s())
            try:
                seed = await self._seeds(identity)
            except ServiceError:
                continue
            self._hub.merge(seed)
            self.seeded_from_database = True
            log.info("the live view has %d values, now that the database is back", len(self._hub.view))
            return

    async def _start_at(self, consumer: Any, wanted: Mapping[tuple[str, int], int]) -> list[int]:
        """Make a consumer read on from the wanted offset of each lane, or from the log's beginning.

        Returns the offsets by lane.
        """
        first = await first_offsets(consumer, self._lanes)
        offsets = [max(first[one], wanted.get((one.topic, one.partition), 0)) for one in self._lanes]
        consumer.assign(list(self._lanes))
        for one, lane in self._lanes.items():
            consumer.seek(one, offsets[lane])
        return offsets

    async def _follow(self, consumer: Any, identity: str) -> None:
        caught_up = await end_offsets(self._kafka, self._lanes)
        changed = asyncio.create_task(self._changed(identity))
        try:
            while not changed.done():
                raise_if_cancelled()
                fetched = await consumer.getmany(timeout_ms=_POLL_MS)
                for partition, records in fetched.items():
                    for record in records:
                        if self._traces is None:
                            self._take(partition, record.offset, record.value)
                        else:
                            take = partial(self._take, partition, record.offset, record.value)
                            self._traces.trace(partition.topic, record.headers, take)
                        # Connections send in between: else all that was fetched at once would wait for them.
                        await asyncio.sleep(0)
                self._measure_lag(consumer)
                if not self.ready.is_set() and all(
                    self._hub.positions[self._lanes[one]][0] >= end for one, end in caught_up.items()
                ):
                    self.ready.set()
            log.warning("log %s was replaced by %s", identity, changed.result())
        finally:
            changed.cancel()

    def _take(self, partition: TopicPartition, offset: int, value: bytes) -> None:
        lane = self._lanes[partition]
        try:
            if partition.topic == ALARM_TOPIC:
                batch = ALARMS.decode(value)
                self._hub.on_alarms(lane, offset, batch, value)
                self._hear(batch)
            else:
                self._hub.on_updates(lane, offset, UPDATES.decode(value).updates, value)
        except MessageError as error:
            self._metrics.records_unreadable.inc()
            log.error("record %d of %s-%d: %s", offset, partition.topic, partition.partition, error)
            self._hub.on_updates(lane, offset, ())

    def _measure_lag(self, consumer: Any) -> None:
        lag = 0
        for one, lane in self._lanes.items():
            end = consumer.highwater(one)
            if end is not None:
                lag += max(0, end - self._hub.positions[lane][0])
        self._metrics.log_lag.set(lag)

    async def _changed(self, identity: str) -> str:
        """Return the log's new identity once it has one."""
        while True:
            await asyncio.sleep(IDENTITY_CHECK_S)
            try:
                found = await log_identity(self._kafka, IDENTITY_TIMEOUT_S)
            except ServiceError as error:
                if self.connected:
                    log.warning("%s", error)
                self.connected = False
                continue
            self.connected = True
            if found != identity:
                return found


# What the api tells of followed messages: when the view had it, and when a subscriber was sent it.


class RecordTraces:
    """Goes on with the traces of records of the log."""

    def __init__(self, tracer: Tracer, clock: Clock, hub: Hub) -> None:
        self._tracer = tracer
        self._clock = clock
        self._hub = hub

    def trace(self, topic: str, headers: RecordHeaders, take: Callable[[], None]) -> None:
        """Have the hub take in a record; tell how long that took, if the record carries a followed message.

        Of the subscribers that it is told to, one is followed until it has been sent the events.
        """
        parent = extract_context(headers)
        if parent is None:
            take()
            return
        fan_out = self._tracer.begin(
            "fan-out",
            "consumer",
            self._clock(),
            parent,
            attributes={"messaging.system": "kafka", "messaging.destination.name": topic},
        )
        self._hub.fan_out.last_notified = None
        take()
        fan_out.end(self._clock())
        told = self._hub.fan_out.last_notified
        if told is not None:
            send = self._tracer.begin("sse send", "producer", self._clock(), fan_out.context)
            told.on_sent(lambda: send.end(self._clock()))


def _new_backoff() -> Backoff:
    return Backoff(first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
