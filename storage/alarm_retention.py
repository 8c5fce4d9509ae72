"""Retention of alarms: what happened long ago goes; the newest event of each alarm stays."""

from __future__ import annotations

from storage.database import Connection
from storage.queries import query
from twin.instant import Instant, to_datetime


async def remove_alarms(connection: Connection, end: Instant, rows_max: int) -> int:
    """Delete what happened before `end`, `rows_max` rows a transaction; return how many rows.

    Open incidents stay, and the last of each cause and area: its number goes on.
    """
    removed = 0
    asked = {"end": to_datetime(end), "limit": rows_max}
    for statement in (
        query("remove_alarm_events"),
        query("remove_incident_events"),
        query("remove_notification_events"),
        query("remove_notifications"),
        query("remove_incidents"),
    ):
        count = rows_max
        while count == rows_max:
            async with connection.transaction():
                count = (await connection.execute(statement, asked)).rowcount
            removed += count
    return removed
