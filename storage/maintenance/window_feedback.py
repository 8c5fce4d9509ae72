"""Sends repaired windows to the stream, over the log.

The stream remembers the windows of the last days, and computes indicators from them. A window that storage
has recomputed, from an observation that came too late for the stream, replaces the one that it remembers.

The newest points that storage has computed of derived series are sent as well, and those after them that
it has withdrawn: the stream cannot compute them where it has forgotten their windows, and the newest is the
state.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import batched

from msgspec.structs import replace

from runtime.backoff import Backoff
from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka
from runtime.kafka.topics import OBSERVATIONS
from storage.database import DATABASE_UNAVAILABLE, Connection, connect
from storage.historian.writers.aggregate_writer import AGGREGATE_TABLES
from storage.maintenance.log_sender import RepairRecord, send_records
from storage.maintenance.recompute import StoredHistoryReader
from storage.queries import query
from storage.stores.state_seed import aggregates_of
from twin.errors import ServiceError
from twin.instant import INSTANT_MIN, Duration, from_datetime
from twin.model.city_model import CityModel
from twin.state.datastream_history import needs_history, read_stored_history
from twin.state.datastream_state import RECENT_MAX
from twin.state.derived_points import entity_inputs
from twin.state.preceding_history import StoredHistory
from twin.state.window import Aggregate
from twin.wire import messages
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import ObservationBatch, SeriesPoint, partition_of

log = logging.getLogger(__name__)

POLL_S = 1.0
BACK_OFF_MAX_S = 5.0

IN_TRANSIT_MAX = 16
"""How many observations of a datastream may come while its past is sent: with more it is requested again."""

HISTORIES_PER_RECORD_MAX = 50
"""The most histories of one record: about 250 kB."""

WINDOWS_PER_SEND_MAX = 500
"""The most windows of one record: about 100 kB. One of size 0 stands for the points of its entity."""

POINTS_OF_SERIES_MAX = 200
"""The most points of a series, withdrawn ones and one that is not: the stream remembers no more."""


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
        except (*DATABASE_UNAVAILABLE, ServiceError) as error:
            raise_if_cancelled()
            log.warning("repaired windows wait: %r", error, extra={"event": "repair.windows_waiting"})
            await asyncio.sleep(backoff.next_s())


async def send_repaired_windows(
    connection: Connection, model: CityModel, kafka: Kafka, partitions: int
) -> int:
    """Send the next repaired windows; return their number when they are on the log.

    All wait while the database has a newer model: the stream would get verdicts of earlier rules.
    """
    async with connection.transaction():
        cursor = await connection.execute(
            query("maintenance/series/take_repaired_windows"),
            {"model_version": model.version, "limit": WINDOWS_PER_SEND_MAX},
        )
        taken = await cursor.fetchall()
        if taken:
            by_partition: defaultdict[int, list[Aggregate]] = defaultdict(list)
            for window in await _read_windows(connection, [one for one in taken if one[1]]):
                datastream = model.datastreams.get(window.datastream)
                if datastream is not None and not model.policy_of(datastream).personal:
                    by_partition[partition_of(datastream.entity, partitions)].append(window)
            changed = {id for id, size, _ in taken if size}
            histories = await _read_histories(connection, changed, model, partitions)
            points = await read_points(connection, {id for id, size, _ in taken if not size}, model)
            if by_partition or histories or points:
                await _send(kafka, by_partition, histories, _by_partition(points, partitions))
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


async def _read_histories(
    connection: Connection, datastreams: Iterable[int], model: CityModel, partitions: int
) -> dict[int, list[StoredHistory]]:
    """Return what is stored of the past of datastreams, by partition, with the offset that it reaches."""
    # The offsets are read first: the observations up to them are stored.
    offsets = query("maintenance/series/find_stored_offsets")
    cursor = await connection.execute(offsets, {"topic": OBSERVATIONS})
    reached: dict[int, int] = dict(await cursor.fetchall())
    by_partition: defaultdict[int, list[StoredHistory]] = defaultdict(list)
    for id in sorted(datastreams):
        datastream = model.datastreams.get(id)
        if datastream is None or not needs_history(policy := model.policy_of(datastream)) or policy.personal:
            continue
        partition = partition_of(datastream.entity, partitions)
        reader = StoredHistoryReader(connection, id, policy)
        history = await read_stored_history(reader, policy, id, RECENT_MAX + IN_TRANSIT_MAX)
        by_partition[partition].append(replace(history, offset=reached.get(partition, 0) - 1))
    return by_partition


async def read_points(
    connection: Connection, datastreams: Iterable[int], model: CityModel
) -> list[SeriesPoint]:
    """Return the newest points of the derived series of the entities of datastreams, and withdrawn ones."""
    entities = {model.datastreams[id].entity for id in datastreams if id in model.datastreams}
    asked = [
        (entity, one.name) for entity in sorted(entities) for one in entity_inputs(entity, model).indicators
    ]
    if not asked:
        return []
    cursor = await connection.execute(
        query("maintenance/series/list_newest_points"),
        {
            "entities": [entity for entity, _ in asked],
            "names": [name for _, name in asked],
            "limit": POINTS_OF_SERIES_MAX,
        },
    )
    rows = await cursor.fetchall()
    return [SeriesPoint(entity, name, from_datetime(time), *others) for entity, name, time, *others in rows]


def _by_partition(points: Iterable[SeriesPoint], partitions: int) -> dict[int, list[SeriesPoint]]:
    found: defaultdict[int, list[SeriesPoint]] = defaultdict(list)
    for point in points:
        found[partition_of(point.entity, partitions)].append(point)
    return found


async def _send(
    kafka: Kafka,
    by_partition: dict[int, list[Aggregate]],
    histories: dict[int, list[StoredHistory]],
    points: dict[int, list[SeriesPoint]],
) -> None:
    # The time of the log does not advance by these records.
    batches = [
        (partition, ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, aggregates=tuple(windows)))
        for partition, windows in by_partition.items()
    ]
    batches += [
        (partition, ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, histories=part))
        for partition, found in histories.items()
        for part in batched(found, HISTORIES_PER_RECORD_MAX)
    ]
    batches += [
        (partition, ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, points=tuple(found)))
        for partition, found in points.items()
    ]
    await send_records(
        kafka,
        (
            RepairRecord(OBSERVATIONS, partition, messages.OBSERVATIONS.encode(batch))
            for partition, batch in batches
        ),
    )
