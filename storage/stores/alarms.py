"""Questions about what happened to alarms, about incidents, and about messages to people."""

from __future__ import annotations

from collections.abc import Sequence

from storage.database import Connection
from storage.queries import query
from storage.stores.alarm_rows import alarm_from_row, incident_from_row, notification_from_row
from storage.stores.list_position import ListPosition, position_parameters
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.alarms.severity import Severity
from twin.alarms.statistics import Transition
from twin.instant import Instant, from_datetime, to_datetime
from twin.wire.duty_messages import NotificationEvent

ALARM_ROWS_MAX = 1_000
"""A page of the API."""

TRANSITIONS_MAX = 200_000
"""So many transitions of a time are counted at once: 100 MB, and some seconds."""


async def read_stored_alarm_events(
    connection: Connection, alarm: str, *, before: int | None, limit: int
) -> list[AlarmEvent]:
    """Return at most `limit` (≤ `ALARM_ROWS_MAX`) events of an alarm, newest first, from behind a
    revision.
    """
    asked = {
        "alarm": alarm,
        "before": 2**63 - 1 if before is None else before,
        "limit": min(limit, ALARM_ROWS_MAX),
    }
    rows = await (await connection.execute(query("stores/alarms/list_alarm_events"), asked)).fetchall()
    return [alarm_from_row(row) for row in rows]


async def was_command_applied(connection: Connection, alarm: str, command: str) -> bool:
    """Return whether a command changed an alarm, as far as is stored."""
    asked = {"alarm": alarm, "command": command}
    return await (await connection.execute(query("stores/alarms/find_command"), asked)).fetchone() is not None


async def read_alarm_transitions(connection: Connection, start: Instant, end: Instant) -> list[Transition]:
    """Return how alarms went in [start, end) of log time, in order, at most `TRANSITIONS_MAX`."""
    asked = {"start": to_datetime(start), "end": to_datetime(end), "limit": TRANSITIONS_MAX}
    rows = await (await connection.execute(query("stores/alarms/list_alarm_transitions"), asked)).fetchall()
    return [
        Transition(
            alarm,
            rule,
            kind,
            from_datetime(time),
            from_datetime(told),
            Severity(severity),
            occurrence,
        )
        for alarm, kind, time, told, rule, severity, occurrence in rows
    ]


async def read_stored_incidents(
    connection: Connection,
    *,
    before: ListPosition | None,
    limit: int,
    open: bool | None = None,
    themes: Sequence[str] = (),
    severities: Sequence[Severity] = (),
    causes: Sequence[str] = (),
    areas: Sequence[str] = (),
) -> list[IncidentEvent]:
    """Return at most `limit` (≤ `ALARM_ROWS_MAX`) incidents from behind `before`, by opening, newest
    first.
    """
    asked = {
        "open": open,
        "themes": list(themes) or None,
        "severities": [int(one) for one in severities] or None,
        "causes": list(causes) or None,
        "areas": list(areas) or None,
        **position_parameters(before),
        "limit": min(limit, ALARM_ROWS_MAX),
    }
    rows = await (await connection.execute(query("stores/alarms/list_incidents"), asked)).fetchall()
    return [incident_from_row(row) for row in rows]


async def find_incident(connection: Connection, id: str) -> IncidentEvent | None:
    """Return an incident as it is stored; None when it is not."""
    row = await (await connection.execute(query("stores/alarms/find_incident"), {"incident": id})).fetchone()
    return incident_from_row(row) if row is not None else None


async def read_stored_notifications(
    connection: Connection,
    *,
    before: ListPosition | None,
    limit: int,
    incident: str | None = None,
    contact: str | None = None,
    outcomes: Sequence[str] = (),
) -> list[NotificationEvent]:
    """Return at most `limit` (≤ `ALARM_ROWS_MAX`) messages to people from behind `before`, newest first."""
    asked = {
        "incident": incident,
        "contact": contact,
        "outcomes": list(outcomes) or None,
        **position_parameters(before),
        "limit": min(limit, ALARM_ROWS_MAX),
    }
    rows = await (await connection.execute(query("stores/alarms/list_notifications"), asked)).fetchall()
    return [notification_from_row(row) for row in rows]


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
