"""Writes the events of alarms, incidents and notifications, and the newest event of each."""

from __future__ import annotations

from storage.database import Connection
from storage.historian.alarm_buffer import AlarmBuffer
from storage.historian.revisions import newest_revisions
from storage.queries import query
from storage.stores.alarm_rows import alarm_columns, encode_rows, incident_columns, notification_columns
from twin.instant import to_datetime


async def write_alarms(connection: Connection, buffer: AlarmBuffer) -> None:
    """Store events in the open transaction, each once, and the newest of each id; request repairs."""
    if buffer.alarms:
        rows = encode_rows([alarm_columns(one) for one in buffer.alarms.values()])
        await connection.execute(query("historian/alarms/insert_alarm_events"), {"rows": rows})
        rows = encode_rows([alarm_columns(one) for one in newest_revisions(buffer.alarms.items())])
        await connection.execute(query("historian/alarms/merge_alarms"), {"rows": rows})
    if buffer.incidents:
        rows = encode_rows([incident_columns(one) for one in buffer.incidents.values()])
        await connection.execute(query("historian/alarms/insert_incident_events"), {"rows": rows})
        rows = encode_rows([incident_columns(one) for one in newest_revisions(buffer.incidents.items())])
        await connection.execute(query("historian/alarms/merge_incidents"), {"rows": rows})
    if buffer.repairs:
        rows = encode_rows(
            [
                {
                    "rule": rule,
                    "entity_id": entity,
                    "start": to_datetime(demand.start),
                    "requested_at": to_datetime(demand.requested_at),
                    "has_changes": False,
                }
                for (rule, entity), demand in sorted(buffer.repairs.items())
            ]
        )
        await connection.execute(query("historian/alarms/request_alarm_repairs"), {"rows": rows})
    if buffer.notifications:
        rows = encode_rows([notification_columns(one) for one in buffer.notifications.values()])
        await connection.execute(query("historian/alarms/insert_notification_events"), {"rows": rows})
        rows = encode_rows(
            [notification_columns(one) for one in newest_revisions(buffer.notifications.items())]
        )
        await connection.execute(query("historian/alarms/merge_notifications"), {"rows": rows})
