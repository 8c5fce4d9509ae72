"""The embedded log, kept bounded and alive: trimmed, replaced when that is not enough, and when it dies.

The embedded broker has no retention. Past half of a set memory what everybody read a while ago is dropped,
past three quarters all that they have read. Where that does not help, because the database is away or slow,
the log is *recycled* past the whole: ingest stops (what devices send waits in Mosquitto), the stream and the
historian work off what is there, the broker starts empty under a new identity, state comes back from the
database, and subscribers of the api get a gap and a snapshot.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from cli.embedded.kafka import EmbeddedKafka
from cli.supervisor.log_drain import STREAM_GROUP, STREAM_INPUT_TOPICS, LogDrain
from cli.supervisor.role_supervisor import RoleSupervisor
from runtime.clock import Clock
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import ALARMS, NOTIFICATIONS, create_topics, partition_counts
from storage.database import DATABASE_UNAVAILABLE, connect
from storage.historian.log_reader import STORED_TOPICS
from storage.stores.log_positions import read_positions
from twin.errors import ServiceError, TwinError
from twin.instant import SECOND, Duration, Instant

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0
TRIM_INTERVAL_S = 2.0

TRIM_OLD_SHARE, TRIM_ALL_SHARE = 0.5, 0.75
"""Shares of the memory from which on what was read a while ago goes, and all that was read."""

DRAIN_TIMEOUT_S = 60.0
RETRY_S = 60.0
"""How long a recycle that could not drain, or a trim, is put off: the database may be away."""

RESTART_RETRY_S = 1.0

# Those that hold offsets of the log; the api notices a new log by itself and stays up.
LOG_CLIENT_ROLES = ("ingest", "stream", "historian")


class LogRetention:
    """Watches the embedded broker: its life and its memory."""

    def __init__(
        self,
        kafka: EmbeddedKafka,
        roles: Mapping[str, RoleSupervisor],
        drain: LogDrain,
        trimmer: LogTrimmer,
        *,
        partitions: int,
        bytes_max: int,
        on_change: Callable[[], None],
    ) -> None:
        self.recycles = 0
        self._kafka = kafka
        self._roles = [roles[name] for name in LOG_CLIENT_ROLES]
        self._ingest = roles["ingest"]
        self._drain = drain
        self._trimmer = trimmer
        self._next_trim = 0.0
        self._partitions = partitions
        self._bytes_max = bytes_max
        self._changed = on_change
        self._not_before = 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            code = await self._ended_within(CHECK_INTERVAL_S)
            if code is not None:
                log.warning("kafka ended (code %d); it starts again, with an empty log", code)
                # They would wait for it, and what they have not done is done again from the start.
                await self._replace(signal.SIGKILL)
            elif self._kafka.resident_bytes > self._bytes_max and loop.time() >= self._not_before:
                await self.recycle()
            elif loop.time() >= self._next_trim:
                await self._trim()

    async def _trim(self) -> None:
        loop = asyncio.get_running_loop()
        held = self._kafka.resident_bytes / self._bytes_max
        kept = None if held < TRIM_OLD_SHARE else MIN_AGE if held < TRIM_ALL_SHARE else 0
        try:
            await self._trimmer.trim(self._kafka.cluster_id, kept)
            self._next_trim = loop.time() + TRIM_INTERVAL_S
        except TwinError as error:
            log.warning("%s; tried again in %.0f s", error, RETRY_S)
            self._next_trim = loop.time() + RETRY_S

    async def recycle(self) -> bool:
        """Drain the log and start an empty one; tell whether that was done.

        When the drain does not finish in time, ingest goes on and it is tried again later.
        """
        loop = asyncio.get_running_loop()
        held_mib = self._kafka.resident_bytes >> 20
        log.info("the log holds %d MiB: it is drained and recycled", held_mib)
        started = loop.time()
        await self._ingest.stop()
        try:
            await self._drain.wait_drained(self._kafka.cluster_id, DRAIN_TIMEOUT_S)
        except TwinError as error:
            log.warning("the log is not recycled: %s; tried again in %.0f s", error, RETRY_S)
            self._ingest.start()
            self._not_before = loop.time() + RETRY_S
            return False
        drained = loop.time()
        await self._replace()
        self.recycles += 1
        self._changed()
        log.info(
            "the log was recycled: drained in %.1f s, replaced in %.1f s",
            drained - started,
            loop.time() - drained,
        )
        return True

    async def _replace(self, which: signal.Signals = signal.SIGTERM) -> None:
        """Start an empty log, and those that read and write it."""
        await asyncio.gather(*(role.stop(which) for role in self._roles))
        await self._kafka.stop()
        while True:
            try:
                await self._kafka.start()
                await create_topics(self._kafka.bootstrap, partition_counts(self._partitions))
                break
            except (TwinError, OSError) as error:
                log.warning("%s; tried again in %.0f s", error, RESTART_RETRY_S)
                await self._kafka.stop()
                await asyncio.sleep(RESTART_RETRY_S)
        for role in self._roles:
            role.start()
        self._changed()

    async def _ended_within(self, timeout_s: float) -> int | None:
        try:
            return await asyncio.wait_for(self._kafka.child.wait(), timeout_s)
        except TimeoutError:
            return None


# What of the embedded log may go: what all that read it for good have read, and is no longer young.

MIN_AGE: Duration = 20 * SECOND
"""What was read goes no sooner, where there is room: a subscriber that comes back goes on from it."""

TRIM_TIMEOUT_S = 5.0

UNTRIMMED_TOPICS = frozenset({ALARMS, NOTIFICATIONS})
"""They are few, and whoever tells people goes back to them."""

_Read: TypeAlias = dict[TopicPartition, int]


class LogTrimmer:
    """Drops from one broker what the stream has committed and the historian has stored."""

    def __init__(self, kafka: Kafka, dsn: str, partitions: int, clock: Clock) -> None:
        self._kafka = kafka
        self._dsn = dsn
        self._clock = clock
        counts = partition_counts(partitions)
        self._places = [
            TopicPartition(topic, number)
            for topic in sorted({*STREAM_INPUT_TOPICS, *STORED_TOPICS} - UNTRIMMED_TOPICS)
            for number in range(counts[topic])
        ]
        self._log = ""
        self._seen: deque[tuple[Instant, _Read]] = deque()  # the looks of `MIN_AGE`, and the one before them

    async def trim(self, log_id: str, min_age: Duration | None) -> None:
        """Note how far the log is read, and drop what was read so long ago, at most `MIN_AGE`; None: nothing.

        Raises ServiceError when a service is away.
        """
        if log_id != self._log:
            self._log = log_id
            self._seen.clear()
        admin = AIOKafkaAdminClient(**client_options(self._kafka))
        try:
            async with asyncio.timeout(TRIM_TIMEOUT_S):
                await self._look(admin, log_id, min_age)
        except (KafkaError, OSError, *DATABASE_UNAVAILABLE) as error:
            raise ServiceError(f"the log cannot be trimmed: {error!r}") from error
        finally:
            await admin.close()

    async def _look(self, admin: AIOKafkaAdminClient, log_id: str, kept: Duration | None) -> None:
        await admin.start()
        now = self._clock()
        self._seen.append((now, await self._read(admin, log_id)))
        while len(self._seen) > 1 and self._seen[1][0] <= now - MIN_AGE:
            self._seen.popleft()
        if kept is None:
            return
        old = [read for time, read in self._seen if time <= now - kept]
        if old and old[-1]:
            await admin.delete_records({one: RecordsToDelete(at) for one, at in old[-1].items()})

    async def _read(self, admin: AIOKafkaAdminClient, log_id: str) -> _Read:
        mine = [one for one in self._places if one.topic in STREAM_INPUT_TOPICS]
        committed = await admin.list_consumer_group_offsets(STREAM_GROUP, partitions=mine)
        async with await connect(self._dsn, role="up") as connection:
            stored = await read_positions(connection, log_id)
        return dict(self._least({one: found.offset for one, found in committed.items()}, stored))

    def _least(
        self, committed: Mapping[TopicPartition, int], stored: Mapping[tuple[str, int], int]
    ) -> Iterator[tuple[TopicPartition, int]]:
        for one in self._places:
            read = []
            if one.topic in STREAM_INPUT_TOPICS:
                read.append(committed.get(one, 0))
            if one.topic in STORED_TOPICS:
                read.append(stored.get((one.topic, one.partition), 0))
            if min(read) > 0:
                yield one, min(read)
