"""Writes what happened to alarms, incidents and messages to people, and the newest of each."""

from __future__ import annotations

from storage.database import Connection
from storage.historian.alarm_buffer import AlarmsTold, newest
from storage.queries import query
from storage.stores.alarm_rows import alarm_row, incident_row, notification_row, rows_json


async def write_alarms(connection: Connection, told: AlarmsTold) -> None:
    """Store events in the transaction that is open: each once, and of each thing the greatest revision."""
    if told.alarms:
        rows = rows_json([alarm_row(one) for one in told.alarms.values()])
        await connection.execute(query("historian/alarms/insert_alarm_events"), {"rows": rows})
        rows = rows_json([alarm_row(one) for one in newest(told.alarms.items())])
        await connection.execute(query("historian/alarms/merge_alarms"), {"rows": rows})
    if told.incidents:
        rows = rows_json([incident_row(one) for one in told.incidents.values()])
        await connection.execute(query("historian/alarms/insert_incident_events"), {"rows": rows})
        rows = rows_json([incident_row(one) for one in newest(told.incidents.items())])
        await connection.execute(query("historian/alarms/merge_incidents"), {"rows": rows})
    if told.notifications:
        rows = rows_json([notification_row(one) for one in told.notifications.values()])
        await connection.execute(query("historian/alarms/insert_notification_events"), {"rows": rows})
        rows = rows_json([notification_row(one) for one in newest(told.notifications.items())])
        await connection.execute(query("historian/alarms/merge_notifications"), {"rows": rows})
