"""Repair: hours in which an observation came too late for the stream are made again from raw."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from runtime.backoff import Backoff
from runtime.cancellation import raise_if_cancelled
from runtime.kafka.topics import OBSERVATIONS
from storage.database import DATABASE_UNAVAILABLE, Connection, connect
from storage.historian.writers.aggregate_writer import create_aggregate_staging
from storage.maintenance.recompute import process_recompute_requests, recompute_hours
from storage.queries import query
from storage.stores.log_positions import AGGREGATE_PROGRESS
from twin.instant import HOUR, Instant, from_datetime, to_datetime
from twin.model.city_model import CityModel
from twin.model.observed_property import ObservedProperty

log = logging.getLogger(__name__)

REPAIRS_PER_ROUND_MAX = 240
"""Requests of one round. A backfill of ten days of one datastream asks for so many hours."""

REPAIR_HOURS_MAX = 24
"""Hours that are made together, in one transaction: a value a second makes 86,400 rows a day."""

PAUSE_S = 1.0
BACK_OFF_MAX_S = 5.0


class HourRepair(NamedTuple):
    """An hour of a datastream to be made again."""

    datastream: int
    start: Instant
    log_id: str
    log_offset: int
    requested_at: Instant  #: log time


async def run_repairs(dsn: str, model: Callable[[], CityModel], clock: Callable[[], Instant]) -> None:
    """Work off what is asked for, until cancelled, one process at a time; wait for the database.

    `model` returns the city model as it is now; its observed properties are what is looked at.
    """
    backoff = Backoff(first_s=PAUSE_S, max_s=BACK_OFF_MAX_S)
    while True:
        try:
            connection = await connect(dsn, role="repair")
            async with connection:
                await prepare_repairs(connection)
                backoff.reset()
                await _wait_for_lock(connection)
                while True:
                    properties = model().properties
                    done = await repair_hours(connection, properties)
                    done += await process_recompute_requests(connection, properties, clock())
                    if not done:
                        await asyncio.sleep(PAUSE_S)
        except DATABASE_UNAVAILABLE as error:
            raise_if_cancelled()
            log.warning("the database is away, repairs wait: %s", error)
            await asyncio.sleep(backoff.next_s())


async def _wait_for_lock(connection: Connection) -> None:
    """Return once no other process works on repairs; none does until this session ends."""
    while True:
        async with connection.transaction():
            row = await (await connection.execute(query("maintenance/recompute/lock_repairs"))).fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(PAUSE_S)


async def prepare_repairs(connection: Connection) -> None:
    """Make a connection ready for repairs; once."""
    async with connection.transaction():
        await create_aggregate_staging(connection)


async def repair_hours(connection: Connection, properties: Mapping[str, ObservedProperty]) -> int:
    """Work off at most `REPAIRS_PER_ROUND_MAX` requests that are ready; return how many there were.

    Each stretch of hours is a transaction of its own. A request that changes meanwhile stays.
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
    for stretch in consecutive_hours(ready):
        async with connection.transaction():
            await recompute_hours(
                connection,
                properties,
                stretch[0].datastream,
                (stretch[0].start, stretch[-1].start + HOUR),
                max(one.requested_at for one in stretch),
            )
            await connection.execute(
                query("maintenance/recompute/delete_repair_requests"),
                (
                    [one.datastream for one in stretch],
                    [to_datetime(one.start) for one in stretch],
                    [one.log_id for one in stretch],
                    [one.log_offset for one in stretch],
                ),
            )
    if ready:
        log.info("repaired %d hours of %d datastreams", len(ready), len({one.datastream for one in ready}))
    return len(ready)


def consecutive_hours(requests: Iterable[HourRepair]) -> list[Sequence[HourRepair]]:
    """Return requests in groups of one datastream and of hours that are next to each other.

    >>> [len(one) for one in consecutive_hours(HourRepair(1, hour * HOUR, "l", 0, 0) for hour in (5, 3,
    ...  4, 9))]
    [3, 1]
    """
    found: list[Sequence[HourRepair]] = []
    for _, each in groupby(sorted(requests), key=lambda one: one.datastream):
        stretch: list[HourRepair] = []
        for one in each:
            if stretch and (one.start - stretch[-1].start > HOUR or len(stretch) == REPAIR_HOURS_MAX):
                found.append(stretch)
                stretch = []
            stretch.append(one)
        found.append(stretch)
    return found
