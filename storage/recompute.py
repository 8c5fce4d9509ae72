"""Recompute: what a changed calibration or maintenance touches is made again from raw, piece by piece."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from storage.database import Connection
from storage.maintenance.recompute import recompute_hours
from storage.queries import query
from twin.instant import DAY, HOUR, Instant, from_datetime, to_datetime
from twin.model.observed_property import ObservedProperty

log = logging.getLogger(__name__)

RECOMPUTE_SPAN = DAY
"""What is made again in one transaction of each datastream."""

RECOMPUTE_SPANS_MAX = 32
"""Pieces of one round; between rounds repairs have their turn."""


async def process_recompute_requests(
    connection: Connection, properties: Mapping[str, ObservedProperty], now: Instant
) -> int:
    """Work on the oldest open request, at most `RECOMPUTE_SPANS_MAX` pieces of it; return how many were made.

    How far it is stands in the request: a restart goes on there. Stretches without observations are skipped.
    The connection is one that `storage.maintenance.repair.prepare_repairs` has made ready.
    """
    async with connection.transaction():
        cursor = await connection.execute(query("maintenance/recompute/list_recompute_requests"), (1,))
        row = await cursor.fetchone()
    if row is None:
        return 0
    id, first, last, requested_at, datastreams = row
    start = from_datetime(first)
    # Nothing can be dated further ahead than devices' clocks may be.
    end = from_datetime(last) if last is not None else now + DAY
    revision = from_datetime(requested_at)
    for made in range(1, RECOMPUTE_SPANS_MAX + 1):
        begin = await _first_time(connection, datastreams, start, end)
        if begin is None:
            async with connection.transaction():
                await connection.execute(
                    query("maintenance/recompute/advance_recompute_request"), {"id": id, "start": None}
                )
            log.info("computed again what request %d asked for", id)
            return made
        begin -= begin % HOUR
        start = min(begin + RECOMPUTE_SPAN, end)
        for datastream in datastreams:
            async with connection.transaction():
                await recompute_hours(connection, properties, datastream, (begin, start), revision)
        async with connection.transaction():
            await connection.execute(
                query("maintenance/recompute/advance_recompute_request"),
                {"id": id, "start": to_datetime(start)},
            )
    return RECOMPUTE_SPANS_MAX


async def _first_time(
    connection: Connection, datastreams: list[int], start: Instant, end: Instant
) -> Instant | None:
    """Return the time of the first observation of any of them in start ≤ t < end."""
    asked = {"datastreams": datastreams, "start": to_datetime(start), "end": to_datetime(end)}
    async with connection.transaction():
        row = await (
            await connection.execute(query("maintenance/recompute/find_next_observation"), asked)
        ).fetchone()
    return from_datetime(row[0]) if row is not None and row[0] is not None else None
