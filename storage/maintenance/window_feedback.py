"""Sends repaired windows to the stream, over the log.

The stream remembers the windows of the last days, and computes indicators from them. A window that storage
has recomputed, from an observation that came too late for the stream, replaces the one that it remembers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from runtime.backoff import Backoff
from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import OBSERVATIONS
from storage.database import DATABASE_UNAVAILABLE, Connection, connect
from storage.historian.writers.aggregate_writer import AGGREGATE_TABLES
from storage.queries import query
from storage.stores.state_seed import aggregates_of
from twin.instant import INSTANT_MIN, Duration
from twin.model.city_model import CityModel
from twin.state.window import Aggregate
from twin.wire import messages
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import ObservationBatch, partition_of

log = logging.getLogger(__name__)

POLL_S = 1.0
BACK_OFF_MAX_S = 5.0

WINDOWS_PER_SEND_MAX = 500
"""The most windows of one record: about 100 kB."""


async def run_window_feedback(
    dsn: str, model: Callable[[], CityModel], kafka: Kafka, partitions: int
) -> None:
    """Send repaired windows, each at least once, until cancelled; wait for the database and for Kafka."""
    backoff = Backoff(first_s=POLL_S, max_s=BACK_OFF_MAX_S)
    while True:
        try:
            async with await connect(dsn, role="windows") as connection:
                while True:
                    if not await send_repaired_windows(connection, model(), kafka, partitions):
                        await asyncio.sleep(POLL_S)
                    backoff.reset()
        except (*DATABASE_UNAVAILABLE, KafkaError, OSError) as error:
            raise_if_cancelled()
            log.warning("repaired windows wait: %r", error, extra={"event": "repair.windows_waiting"})
            await asyncio.sleep(backoff.next_s())


async def send_repaired_windows(
    connection: Connection, model: CityModel, kafka: Kafka, partitions: int
) -> int:
    """Send the next repaired windows; return their number when they are on the log."""
    async with connection.transaction():
        cursor = await connection.execute(
            query("maintenance/series/take_repaired_windows"), (WINDOWS_PER_SEND_MAX,)
        )
        taken = await cursor.fetchall()
        if taken:
            by_partition: defaultdict[int, list[Aggregate]] = defaultdict(list)
            for window in await _read_windows(connection, taken):
                datastream = model.datastreams.get(window.datastream)
                if datastream is not None and not model.policy_of(datastream).personal:
                    by_partition[partition_of(datastream.entity, partitions)].append(window)
            if by_partition:
                await _send(kafka, by_partition)
    return len(taken)


async def _read_windows(
    connection: Connection, keys: Sequence[tuple[int, Duration, object]]
) -> list[Aggregate]:
    found: list[Aggregate] = []
    for size in sorted({size for _, size, _ in keys}):
        of_size = [(id, start) for id, one, start in keys if one == size]
        cursor = await connection.execute(
            query("maintenance/series/list_windows", table=AGGREGATE_TABLES[size]),
            ([id for id, _ in of_size], [start for _, start in of_size]),
        )
        found += aggregates_of(await cursor.fetchall(), size)
    return found


async def _send(kafka: Kafka, by_partition: dict[int, list[Aggregate]]) -> None:
    # Repairs are rare: a producer kept open for them would log errors whenever Kafka is unavailable.
    producer = AIOKafkaProducer(**client_options(kafka), acks="all")
    try:
        await producer.start()
        sent = [
            await producer.send(
                OBSERVATIONS,
                messages.OBSERVATIONS.encode(
                    # The time of the log does not advance by it.
                    ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, aggregates=tuple(windows))
                ),
                partition=partition,
            )
            for partition, windows in by_partition.items()
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
