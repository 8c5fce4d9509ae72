"""What is known of alarms and incidents: what their stage and the live view start from on a new log."""

from __future__ import annotations

from storage.database import Connection
from storage.queries import query
from storage.stores.alarm_rows import alarm_from_row, incident_from_row
from twin.alarms.messages import AlarmEvent, IncidentEvent


async def read_newest_alarms(connection: Connection) -> list[AlarmEvent]:
    """Return the newest event of every alarm, normal ones too: their revision and occurrence go on."""
    async with connection.transaction():
        rows = await (await connection.execute(query("stores/alarms/list_alarms"))).fetchall()
    return [alarm_from_row(row) for row in rows]


async def read_last_incidents(connection: Connection) -> list[IncidentEvent]:
    """Return the newest event of every open incident, and of the last of each cause and area.

    The last one's number goes on, and it may be the same incident again when its alarms come back soon.
    """
    async with connection.transaction():
        rows = await (await connection.execute(query("stores/alarms/list_last_incidents"))).fetchall()
    return [incident_from_row(row) for row in rows]
