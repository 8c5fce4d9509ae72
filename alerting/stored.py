"""What the database knows of alarms: asked when another log stands in the place of the one that was read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from storage.database import DATABASE_UNAVAILABLE, connect
from storage.stores.alarms import find_incident, read_last_incidents, read_newest_alarms
from twin.alarms.messages import AlarmBatch
from twin.instant import Instant
from twin.wire.codec import LAYOUT_VERSION

log = logging.getLogger(__name__)

DATABASE_READ_S_MAX = 5.0
"""So long the loop waits for the database; it is asked again later."""


async def read_stored_incidents(
    database: str, open_incidents: Iterable[str], now: Instant
) -> AlarmBatch | None:
    """Return the newest events of all alarms, and of incidents that are open, last, or held for open.

    None while the database is away.
    """
    try:
        async with asyncio.timeout(DATABASE_READ_S_MAX), await connect(database, role="alerting") as stored:
            alarms = await read_newest_alarms(stored)
            incidents = {one.incident: one for one in await read_last_incidents(stored)}
            for id in open_incidents:
                # One that was followed by another of its cause and area is neither open nor the last.
                if id not in incidents and (found := await find_incident(stored, id)) is not None:
                    incidents[id] = found
    except (*DATABASE_UNAVAILABLE, TimeoutError) as error:
        log.info("the database does not tell what it knows of alarms: %r", error)
        return None
    return AlarmBatch(LAYOUT_VERSION, now, tuple(alarms), tuple(incidents.values()))
