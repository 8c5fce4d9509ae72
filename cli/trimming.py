"""What of the embedded log may go: what all that read it for good have read, and is no longer young."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from cli.supervisor.log_drain import STREAM_GROUP, STREAM_INPUT_TOPICS
from runtime.clock import Clock
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import ALARMS, NOTIFICATIONS, partition_counts
from storage.database import DATABASE_UNAVAILABLE, connect
from storage.historian.log_reader import STORED_TOPICS
from storage.stores.log_positions import read_positions
from twin.errors import ServiceError
from twin.instant import SECOND, Duration, Instant

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
