"""A process's end of a lease: it reads the topic, takes the lease when it may, and appends while it holds it.

Safety comes from the order of the log alone (`lease_records`). Time only decides when to try: a process that
reads no valid record for `TAKEOVER_S` claims. A holder stops its effects on the world `HOLD_S` after it sent
the last record that it has read back, so before another may claim: that one counts from its reading, which
is later. Both use their own clock, so clocks need not agree; they may run apart by a fifth.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from runtime.cancellation import raise_if_cancelled
from runtime.clock import BootClock
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.consumer import FetchPolicy, end_offsets, first_offsets, log_identity, new_consumer
from runtime.kafka.topics import create_topics
from runtime.lease.lease_records import (
    LeaseOrder,
    LeaseRecord,
    NewerLeaseLayoutError,
    ReadingStart,
    RecordKind,
    decode_lease_record,
    encode_lease_record,
)
from twin.errors import MessageError, ServiceError, TwinError

log = logging.getLogger(__name__)

BEAT_S = 1.0
"""How often a holder appends at least."""

HOLD_S = 4.0
"""How long after sending the last confirmed record a holder may still act."""

TAKEOVER_S = 5.0
"""Silence of the holder after which another claims."""

RECORD_BYTES_MAX = 512 * 1024
"""The most bytes of a payload; brokers accept records of a megabyte."""

TAIL_RECORDS_MAX = 100
"""Records at the end of the topic that are read to find where reading must begin."""

RETRY_S = 0.3
CLOSE_S_MAX = 1.0
READ_BACK_S = 2.0
IDENTITY_CHECK_S = 2.0
KAFKA_TIMEOUT_S = 5.0
_POLL_MS = 200
_FETCH = FetchPolicy(500)  # answered at once when there is a record


class LeaseLostError(TwinError):
    """Another process holds the lease, or the log that held it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseOptions:
    """What a process says of itself, and where the lease is."""

    kafka: Kafka
    topic: str
    member: str  #: the same after a restart; no two processes that run have the same
    incarnation: str  #: of this start
    #: whether it may claim at once in a topic where nobody has: it was the last that held the lease
    is_heir: bool = False

    @property
    def owner(self) -> str:
        """The owner in its records."""
        return f"{self.member}/{self.incarnation}"


class LeaseLog:
    """Owned by one task; `is_held` may be called from any thread.

    `on_record` gets each valid record of other holders, in order.
    """

    def __init__(
        self, options: LeaseOptions, clock: BootClock, on_record: Callable[[LeaseRecord], None]
    ) -> None:
        self.order = LeaseOrder()
        self._options = options
        self._clock = clock
        self._on_record = on_record
        self._place = TopicPartition(options.topic, 0)
        self._is_log_gone = False  #: replaced by another, or cut off
        self._next_offset = 0
        self._has_caught_up = False
        self._heard = clock()  #: when the last valid record was read
        self._held_epoch = 0
        self._held_until = 0.0
        self._own_last = (0, 0)  #: number and offset of the last own record that was read
        self._progress = asyncio.Event()
        self._sending = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    # -- for the role -----------------------------------------------------------------------------------

    async def until_caught_up(self) -> None:
        """Return when everything that the topic contained when reading began has been read."""
        while not self._has_caught_up:
            await self._wait_until(lambda: self._has_caught_up)

    def is_held(self) -> bool:
        """Return whether this process may act on the world now."""
        return self._clock() < self._held_until

    async def take(self) -> str:
        """Take the lease as soon as it may be taken; return who held it before, or nothing."""
        while True:
            await self._wait_until(self._may_claim, RETRY_S)
            before = self.order.owner
            if self._may_claim() and await self._claim():
                return before

    async def append(self, payload: bytes, base: int | None = None) -> int:
        """Append to the topic; return the offset once the record was read back as valid.

        `base` is the offset at which a new reader must begin; without it, that remains as it is. While Kafka
        is unavailable this waits. Raises LeaseLostError when another process has the lease.
        """
        return await self._append(RecordKind.APPEND, payload, self.order.base if base is None else base)

    async def release(self) -> None:
        """Give the lease up, so that another process claims it at once."""
        with suppress(LeaseLostError):
            await self._append(RecordKind.RELEASE, b"", self.order.base)
        self._held_until = 0.0

    # -- reading ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read the topic until cancelled.

        Raises LeaseLostError when the log is replaced by another, and MessageError when a newer program has
        written to it.
        """
        try:
            await self._read_whenever_available()
        except LeaseLostError:
            # What was not read back by now never will be: appends end at once.
            self._is_log_gone, self._held_until = True, 0.0
            self._announce()
            raise

    async def _read_whenever_available(self) -> None:
        is_logged = False
        while True:
            try:
                await self._read()
            except OffsetOutOfRangeError as error:
                raise LeaseLostError(f"the topic {self._options.topic} was cut off: {error}") from error
            except (KafkaError, OSError, ServiceError) as error:
                self._has_caught_up = False
                if not is_logged:
                    log.warning(
                        "the log is unavailable, so it is not known who works: %s",
                        error,
                        extra={"event": "lease.log_unavailable"},
                    )
                is_logged = True
                await asyncio.sleep(RETRY_S)
            else:
                is_logged = False

    async def _read(self) -> None:
        identity = await self._identity()
        topic, kafka = self._options.topic, self._options.kafka
        async with asyncio.timeout(KAFKA_TIMEOUT_S):
            await create_topics(kafka, {topic: 1})
            end = (await end_offsets(kafka, [self._place]))[self._place]
        consumer = new_consumer(kafka, fetch_policy=_FETCH)
        try:
            async with asyncio.timeout(KAFKA_TIMEOUT_S):
                await consumer.start()
            consumer.assign([self._place])
            if not self.order.log:
                await self._find_start(consumer, identity, end)
            consumer.seek(self._place, self._next_offset)
            await self._poll(consumer, end)
        finally:
            await consumer.stop()

    async def _identity(self) -> str:
        async with asyncio.timeout(KAFKA_TIMEOUT_S):
            identity = await log_identity(self._options.kafka, RETRY_S)
        if self.order.log not in ("", identity):
            raise LeaseLostError(f"log {self.order.log} was replaced by {identity}")
        return identity

    async def _find_start(self, consumer: Any, log_id: str, end: int) -> None:
        """Set the offset at which reading begins: the newest base that the last records name."""
        first = (await first_offsets(consumer, [self._place]))[self._place]
        at = max(first, end - TAIL_RECORDS_MAX)
        consumer.seek(self._place, at)
        newest: tuple[int, int] | None = None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + KAFKA_TIMEOUT_S
        while at < end:
            before = at
            for offset, record in await self._fetch(consumer):
                at = offset + 1
                if record is not None and record.names_base_of(log_id, offset):
                    newest = max(newest or (0, 0), (record.epoch, record.base))
            raise_if_cancelled()
            at = max(at, await consumer.position(self._place))
            if at > before:
                deadline = loop.time() + KAFKA_TIMEOUT_S
            elif loop.time() > deadline:
                raise ServiceError(f"Kafka returned no record of {self._place} from offset {at} to {end}")
        base = newest[1] if newest is not None else 0
        self._next_offset = max(first, base)
        if newest is None or base == first == 0:
            start = ReadingStart.LEASE_START
        else:
            start = ReadingStart.VALID_RECORD if first <= base else ReadingStart.UNKNOWN
        self.order = LeaseOrder(log_id, start, self._next_offset)

    async def _poll(self, consumer: Any, end: int) -> None:
        loop = asyncio.get_running_loop()
        next_check = loop.time() + IDENTITY_CHECK_S
        while True:
            if not self._has_caught_up and self._next_offset >= end:
                # The log may have been replaced after its identity was read and before its end was.
                await self._identity()
                self._has_caught_up = True
                self._heard = self._clock()
                self._announce()
            raise_if_cancelled()
            for offset, record in await self._fetch(consumer):
                if record is not None:
                    self._apply(record, offset)
                self._next_offset = offset + 1
            self._announce()
            if loop.time() >= next_check:
                await self._identity()
                next_check = loop.time() + IDENTITY_CHECK_S

    async def _fetch(self, consumer: Any) -> list[tuple[int, LeaseRecord | None]]:
        fetched = await consumer.getmany(timeout_ms=_POLL_MS)
        records = fetched.get(self._place, ())
        return [(one.offset, self._decode(one.value or b"", one.offset)) for one in records]

    def _decode(self, value: bytes, offset: int) -> LeaseRecord | None:
        place = f"offset {offset} of the topic {self._options.topic}"
        try:
            return decode_lease_record(value)
        except NewerLeaseLayoutError as error:
            raise NewerLeaseLayoutError(
                f"{place}: {error}. The other process has a newer version: upgrade this one, too. To go back "
                "to this version, end both and delete the topic"
            ) from error
        except MessageError as error:
            log.error(
                "%s cannot be read; skipping it: %s",
                place,
                error,
                extra={"event": "lease.unreadable", "topic": self._options.topic, "offset": offset},
            )
            return None

    def _apply(self, record: LeaseRecord, offset: int) -> None:
        if not self.order.apply(record):
            return
        self._heard = self._clock()
        if record.owner == self._options.owner:
            self._own_last = (record.number, offset)
            if record.kind is RecordKind.CLAIM:
                self._held_epoch = record.epoch
        else:
            self._held_until = 0.0
            self._on_record(record)

    # -- writing ----------------------------------------------------------------------------------------

    def _may_claim(self) -> bool:
        order = self.order
        if not self._has_caught_up:
            return False
        if order.is_released or (order.epoch == 0 and self._options.is_heir):
            return True
        # Its own earlier start: that process has ended, since the lock of its folder was free.
        if order.owner.partition("/")[0] == self._options.member:
            return True
        return self._clock() - self._heard >= TAKEOVER_S

    async def _claim(self) -> bool:
        claim = self.order.next_claim(self._options.owner)
        sent = self._clock()
        if not await self._send(claim):
            return False
        await self._wait_until(lambda: self.order.epoch >= claim.epoch or self.order.last != claim.after)
        if self.order.owner != self._options.owner or self._held_epoch != self.order.epoch:
            return False
        try:
            # In a log that has replaced the one that was read, nobody else accepts this claim.
            await self._identity()
        except (KafkaError, OSError, ServiceError):
            return False
        self._held_until = sent + HOLD_S
        return True

    async def _append(self, kind: RecordKind, payload: bytes, base: int) -> int:
        async with self._sending:
            self._raise_if_lost()
            number = self.order.number + 1
            record = LeaseRecord(
                kind=kind,
                owner=self._options.owner,
                epoch=self._held_epoch,
                number=number,
                base=base,
                payload=payload,
                log=self.order.log,
            )
            sent = self._clock()
            # The same record again until it was read: of its copies the log's order makes one valid.
            while self._own_last[0] < number:
                await self._send(record)
                await self._wait_until(lambda: self._own_last[0] >= number or self._is_lost)
                self._raise_if_lost()
            self._held_until = sent + HOLD_S
            return self._own_last[1]

    @property
    def _is_lost(self) -> bool:
        order = self.order
        is_own = order.epoch == self._held_epoch and order.owner == self._options.owner
        return self._is_log_gone or self._held_epoch == 0 or not is_own

    def _raise_if_lost(self) -> None:
        if self._is_log_gone:
            raise LeaseLostError(f"the log of the lease of {self._options.topic} is gone")
        if self._is_lost:
            raise LeaseLostError(f"{self.order.owner or 'nobody'} holds the lease of {self._options.topic}")

    async def _send(self, record: LeaseRecord) -> bool:
        """Send a record; return whether Kafka confirmed it. It may be in the log nevertheless."""
        try:
            async with asyncio.timeout(KAFKA_TIMEOUT_S):
                producer = await self._started_producer()
                await producer.send_and_wait(self._options.topic, encode_lease_record(record), partition=0)
        except (KafkaError, OSError) as error:
            log.info(
                "a record of %s is not confirmed: %r",
                self._options.topic,
                error,
                extra={"event": "lease.not_confirmed", "topic": self._options.topic},
            )
            await asyncio.sleep(RETRY_S)
            return False
        return True

    async def _started_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **client_options(self._options.kafka),
                acks="all",
                request_timeout_ms=int(KAFKA_TIMEOUT_S * 1000),
                max_request_size=2 * RECORD_BYTES_MAX,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def close(self) -> None:
        """Close the connections of the writing side."""
        if self._producer is not None:
            with suppress(TimeoutError, KafkaError):
                async with asyncio.timeout(CLOSE_S_MAX):
                    await self._producer.stop()

    def _announce(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()

    async def _wait_until(self, condition: Callable[[], bool], timeout_s: float = READ_BACK_S) -> None:
        """Wait until a condition holds after reading, at most `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await self._progress.wait()


@asynccontextmanager
async def open_lease_log(
    options: LeaseOptions, clock: BootClock, on_record: Callable[[LeaseRecord], None]
) -> AsyncIterator[LeaseLog]:
    """Read a lease while the body runs; the body is cancelled when the log is replaced.

    Raises an ExceptionGroup with the errors of the body and LeaseLostError.
    """
    lease = LeaseLog(options, clock, on_record)
    try:
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(lease.run(), name=f"lease {options.topic}")
            yield lease
            reading.cancel()
    finally:
        await lease.close()
