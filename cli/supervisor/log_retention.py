"""Keep the embedded log bounded and running: trim it, recycle it when trimming is not enough, restart it.

The embedded broker has no retention. Above half of its memory limit, records that all readers passed some
seconds ago are dropped; above three quarters, all records that they have passed. If that does not suffice,
because the database is unavailable or slow, the log is *recycled* at the limit: ingest stops (messages of
devices wait in Mosquitto), the stream and the historian process the rest, and the broker starts empty with a
new identity. The stream then loads its state from the database before ingest starts again, and subscribers of
the API get a gap and a snapshot.
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
from cli.supervisor.log_drain import STREAM_INPUT_TOPICS, LogDrain, committed_offsets, stored_offsets
from cli.supervisor.role_supervisor import RoleSupervisor
from runtime.clock import Clock
from runtime.kafka.access import Kafka
from runtime.kafka.admin import open_admin_client
from runtime.kafka.topics import ALARMS, NOTIFICATIONS, create_topics, partition_counts
from storage.database import DATABASE_UNAVAILABLE, connect
from storage.historian.log_reader import STORED_TOPICS
from twin.errors import ServiceError, TwinError
from twin.instant import SECOND, Duration, Instant

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0
TRIM_INTERVAL_S = 2.0
TRIM_TIMEOUT_S = 5.0

TRIM_OLD_SHARE, TRIM_ALL_SHARE = 0.5, 0.75
"""Shares of the memory limit above which old records, or all records, that were read are dropped."""

MIN_AGE: Duration = 20 * SECOND
"""Records stay this long after they were read, if memory allows, for subscribers that reconnect."""

UNTRIMMED_TOPICS = frozenset({ALARMS, NOTIFICATIONS})
"""These hold few records, and the duty loop may read them again."""

DRAIN_TIMEOUT_S = 60.0
RETRY_S = 60.0
"""Delay after a recycle or a trim that failed, such as while the database is unavailable."""

RESTART_RETRY_S = 1.0

SEED_TIMEOUT_S = 20.0
"""Devices wait no longer for a stream that cannot read the database."""

# These roles hold offsets of the log. The API detects a new log by itself and keeps running.
LOG_CLIENT_ROLES = ("ingest", "stream", "historian")

_Offsets: TypeAlias = dict[TopicPartition, int]


class LogRetention:
    """Supervises the embedded broker: restarts it and bounds its memory."""

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
        self._stream = roles["stream"]
        self._drain = drain
        self._trimmer = trimmer
        self._next_trim_s = 0.0
        self._partitions = partitions
        self._bytes_max = bytes_max
        self._on_change = on_change
        self._next_recycle_s = 0.0

    async def run(self) -> None:
        """Supervise the broker until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            code = await self._exit_code_within(CHECK_INTERVAL_S)
            if code is not None:
                log.warning(
                    "kafka ended (exit code %d); restarting it with an empty log",
                    code,
                    extra={"event": "supervisor.log_lost"},
                )
                # The roles would wait for the old broker; they repeat unfinished work from the start.
                await self._replace(signal.SIGKILL)
            elif self._kafka.resident_bytes > self._bytes_max and loop.time() >= self._next_recycle_s:
                await self.recycle()
            elif loop.time() >= self._next_trim_s:
                await self._trim()

    async def _trim(self) -> None:
        loop = asyncio.get_running_loop()
        share = self._kafka.resident_bytes / self._bytes_max
        min_age = None if share < TRIM_OLD_SHARE else MIN_AGE if share < TRIM_ALL_SHARE else 0
        try:
            await self._trimmer.trim(self._kafka.cluster_id, min_age)
            self._next_trim_s = loop.time() + TRIM_INTERVAL_S
        except TwinError as error:
            log.warning(
                "%s; next attempt in %.0f s", error, RETRY_S, extra={"event": "supervisor.trim_failed"}
            )
            self._next_trim_s = loop.time() + RETRY_S

    async def recycle(self) -> bool:
        """Drain the log and start an empty one; return whether that succeeded.

        If the drain does not finish in time, ingest starts again and the recycle is retried later.
        """
        loop = asyncio.get_running_loop()
        log.info(
            "the log holds %d MiB: draining and recycling it",
            self._kafka.resident_bytes >> 20,
            extra={"event": "supervisor.recycle_started"},
        )
        started = loop.time()
        await self._ingest.stop()
        try:
            await self._drain.wait_drained(self._kafka.cluster_id, DRAIN_TIMEOUT_S)
        except TwinError as error:
            log.warning(
                "the log is not recycled: %s; next attempt in %.0f s",
                error,
                RETRY_S,
                extra={"event": "supervisor.recycle_failed"},
            )
            self._ingest.start()
            self._next_recycle_s = loop.time() + RETRY_S
            return False
        drained = loop.time()
        await self._replace()
        self.recycles += 1
        self._on_change()
        log.info(
            "recycled the log: drained in %.1f s, replaced in %.1f s",
            drained - started,
            loop.time() - drained,
            extra={"event": "supervisor.recycled"},
        )
        return True

    async def _replace(self, signal_number: signal.Signals = signal.SIGTERM) -> None:
        """Restart the broker with an empty log, and the roles that read and write it."""
        await asyncio.gather(*(role.stop(signal_number) for role in self._roles))
        await self._kafka.stop()
        while True:
            try:
                await self._kafka.start()
                await create_topics(self._kafka.bootstrap, partition_counts(self._partitions))
                break
            except (TwinError, OSError) as error:
                log.warning(
                    "%s; next attempt in %.0f s",
                    error,
                    RESTART_RETRY_S,
                    extra={"event": "supervisor.start_failed", "process_name": self._kafka.name},
                )
                await self._kafka.stop()
                await asyncio.sleep(RESTART_RETRY_S)
        for role in self._roles:
            if role is not self._ingest:
                role.start()
        await self._wait_seeded()
        self._ingest.start()
        self._on_change()

    async def _wait_seeded(self) -> None:
        """Wait until the stream has read the state in the database, before ingest adds to it; not long."""
        try:
            async with asyncio.timeout(SEED_TIMEOUT_S):
                await self._stream.wait_ready()
        except (TimeoutError, ServiceError) as error:
            log.warning(
                "ingest starts before the stream: %r", error, extra={"event": "supervisor.stream_not_ready"}
            )

    async def _exit_code_within(self, timeout_s: float) -> int | None:
        try:
            return await asyncio.wait_for(self._kafka.child.wait(), timeout_s)
        except TimeoutError:
            return None


class LogTrimmer:
    """Drops records of one broker that the stream has committed and the historian has stored."""

    def __init__(self, kafka: Kafka, dsn: str, partitions: int, clock: Clock) -> None:
        self._kafka = kafka
        self._dsn = dsn
        self._clock = clock
        counts = partition_counts(partitions)
        self._partitions = [
            TopicPartition(topic, number)
            for topic in sorted({*STREAM_INPUT_TOPICS, *STORED_TOPICS} - UNTRIMMED_TOPICS)
            for number in range(counts[topic])
        ]
        self._log_id = ""
        # Read offsets by time: those of the last `MIN_AGE`, and the ones before.
        self._history: deque[tuple[Instant, _Offsets]] = deque()

    async def trim(self, log_id: str, min_age: Duration | None) -> None:
        """Record how far the log is read; drop records that were read `min_age` ago, or none for None.

        `min_age` is at most `MIN_AGE`. Raises ServiceError when Kafka or the database is unavailable.
        """
        if log_id != self._log_id:
            self._log_id = log_id
            self._history.clear()
        try:
            async with asyncio.timeout(TRIM_TIMEOUT_S), open_admin_client(self._kafka) as admin:
                await self._record_offsets(admin)
                await self._delete_records(admin, min_age)
        except (KafkaError, OSError, *DATABASE_UNAVAILABLE) as error:
            raise ServiceError(f"the log cannot be trimmed: {error!r}") from error

    async def _record_offsets(self, admin: AIOKafkaAdminClient) -> None:
        now = self._clock()
        inputs = [partition for partition in self._partitions if partition.topic in STREAM_INPUT_TOPICS]
        committed = await committed_offsets(admin, inputs)
        async with await connect(self._dsn, role="up") as connection:
            stored = await stored_offsets(connection, self._log_id)
        self._history.append((now, dict(self._read_offsets(committed, stored))))
        while len(self._history) > 1 and self._history[1][0] <= now - MIN_AGE:
            self._history.popleft()

    async def _delete_records(self, admin: AIOKafkaAdminClient, min_age: Duration | None) -> None:
        if min_age is None:
            return
        newest = self._history[-1][0]
        old = [offsets for time, offsets in self._history if time <= newest - min_age]
        if old and old[-1]:
            await admin.delete_records(
                {partition: RecordsToDelete(offset) for partition, offset in old[-1].items()}
            )

    def _read_offsets(
        self, committed: Mapping[TopicPartition, int], stored: Mapping[TopicPartition, int]
    ) -> Iterator[tuple[TopicPartition, int]]:
        """Yield each partition and the offset that all its readers have passed, if that is above 0."""
        for partition in self._partitions:
            offsets = []
            if partition.topic in STREAM_INPUT_TOPICS:
                offsets.append(committed.get(partition, 0))
            if partition.topic in STORED_TOPICS:
                offsets.append(stored.get(partition, 0))
            if min(offsets) > 0:
                yield partition, min(offsets)
