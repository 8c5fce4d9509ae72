"""Repairs hours in which an observation arrived too late for the stream, by recomputing them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

from runtime.backoff import Backoff
from runtime.cancellation import raise_if_cancelled
from runtime.kafka.topics import OBSERVATIONS
from storage.database import DATABASE_UNAVAILABLE, Connection, connect, wait_for_lock
from storage.historian.writers.aggregate_writer import create_aggregate_staging
from storage.maintenance.area_repair import AreaInputsLog, AreaRepairs
from storage.maintenance.log_end import EndingLog, StoredUntil
from storage.maintenance.recompute import process_recompute_requests, recompute_hours
from storage.maintenance.series_repair import SeriesPointLog, repair_series
from storage.queries import query
from storage.stores.log_positions import AGGREGATE_PROGRESS
from twin.errors import ServiceError
from twin.instant import HOUR, Instant, from_datetime, to_datetime
from twin.model.city_model import CityModel
from twin.model.observed_property import ObservedProperty

log = logging.getLogger(__name__)

REPAIRS_PER_ROUND_MAX = 4_800
"""The most requests of one round: a backfill of 200 days of one datastream requests so many hours.

Each round sorts all requests, which takes half a second for a year of 50 stations.
"""

REPAIR_HOURS_MAX = 24
"""The most hours that one transaction repairs: a value per second makes 86,400 rows a day."""

PAUSE_S = 1.0
BACK_OFF_MAX_S = 5.0


class RepairLog(AreaInputsLog, SeriesPointLog, EndingLog, Protocol):
    """The log: how far it goes, and what repairs tell the stream."""


class HourRepair(NamedTuple):
    """A request to repair an hour of a datastream."""

    datastream: int
    start: Instant
    log_id: str
    log_offset: int
    requested_at: Instant  #: log time


async def run_repairs(
    dsn: str, model: Callable[[], CityModel], stream: RepairLog, clock: Callable[[], Instant]
) -> None:
    """Process repair and recompute requests until cancelled, in one process at a time.

    Waits for the database, and for Kafka where the stream must be told something, or areas be repaired.

    `model` returns the present city model.
    """
    backoff = Backoff(first_s=PAUSE_S, max_s=BACK_OFF_MAX_S)
    while True:
        try:
            connection = await connect(dsn, role="repair")
            async with connection:
                await prepare_repairs(connection)
                backoff.reset()
                await wait_for_lock(connection, "maintenance/recompute/lock_repairs", PAUSE_S)
                areas = AreaRepairs(stream, StoredUntil(stream))
                while True:
                    current = model()
                    processed = await repair_hours(connection, current.properties)
                    processed += await process_recompute_requests(connection, current, clock())
                    if processed < REPAIRS_PER_ROUND_MAX:  # else more windows change soon
                        processed += await repair_series(connection, current, stream)
                    if not processed:  # else more values below areas change soon
                        processed = await areas.run(connection, current)
                    if not processed:
                        await asyncio.sleep(PAUSE_S)
        except (*DATABASE_UNAVAILABLE, ServiceError) as error:
            raise_if_cancelled()
            log.warning("repairs wait: %s", error, extra={"event": "repair.waiting"})
            await asyncio.sleep(backoff.next_s())


async def prepare_repairs(connection: Connection) -> None:
    """Prepare a connection for repairs, once."""
    async with connection.transaction():
        await create_aggregate_staging(connection)


async def repair_hours(connection: Connection, properties: Mapping[str, ObservedProperty]) -> int:
    """Process at most `REPAIRS_PER_ROUND_MAX` requests that are ready; return their number.

    Each group of consecutive hours is one transaction. A request that changes in the meantime stays.
    """
    async with connection.transaction():
        cursor = await connection.execute(
            query("maintenance/recompute/list_ready_repairs"),
            {"topic": OBSERVATIONS, "told": AGGREGATE_PROGRESS, "limit": REPAIRS_PER_ROUND_MAX},
        )
        ready = [
            HourRepair(datastream, from_datetime(start), log_id, offset, from_datetime(requested))
            for datastream, start, log_id, offset, requested in await cursor.fetchall()
        ]
    for group in consecutive_hours(ready):
        async with connection.transaction():
            await recompute_hours(
                connection,
                properties,
                group[0].datastream,
                (group[0].start, group[-1].start + HOUR),
                max(request.requested_at for request in group),
            )
            await connection.execute(
                query("maintenance/recompute/delete_repair_requests"),
                (
                    [request.datastream for request in group],
                    [to_datetime(request.start) for request in group],
                    [request.log_id for request in group],
                    [request.log_offset for request in group],
                ),
            )
    if ready:
        log.info(
            "repaired %d hours of %d datastreams",
            len(ready),
            len({request.datastream for request in ready}),
            extra={"event": "repair.finished", "hours": len(ready)},
        )
    return len(ready)


def consecutive_hours(requests: Iterable[HourRepair]) -> list[Sequence[HourRepair]]:
    """Return requests in groups of one datastream and consecutive hours.

    >>> [len(one) for one in consecutive_hours(HourRepair(1, hour * HOUR, "l", 0, 0) for hour in (5, 3,
    ...  4, 9))]
    [3, 1]
    """
    groups: list[Sequence[HourRepair]] = []
    for _, of_datastream in groupby(sorted(requests), key=lambda request: request.datastream):
        group: list[HourRepair] = []
        for request in of_datastream:
            if group and (request.start - group[-1].start > HOUR or len(group) == REPAIR_HOURS_MAX):
                groups.append(group)
                group = []
            group.append(request)
        groups.append(group)
    return groups
