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
        query("maintenance/removal/remove_alarm_events"),
        query("maintenance/removal/remove_incident_events"),
        query("maintenance/removal/remove_notification_events"),
        query("maintenance/removal/remove_notifications"),
        query("maintenance/removal/remove_incidents"),
    ):
        count = rows_max
        while count == rows_max:
            async with connection.transaction():
                count = (await connection.execute(statement, asked)).rowcount
            removed += count
    return removed
