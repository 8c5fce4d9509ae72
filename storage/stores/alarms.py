"""Reads the events of alarms, incidents and notifications, and the newest of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from storage.database import Connection, fetch_rows
from storage.queries import query
from storage.stores.alarm_rows import alarm_from_row, incident_from_row, notification_from_row
from storage.stores.list_position import ListPosition, position_parameters
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.alarms.severity import Severity
from twin.alarms.statistics import Transition
from twin.backtest.firing import Firing, firings_of
from twin.instant import Instant, from_datetime, to_datetime
from twin.wire.duty_messages import NotificationEvent

ALARM_ROWS_MAX = 1_000
"""The largest page of the API."""

TRANSITIONS_MAX = 200_000
"""The most transitions of a period to count at once: 100 MB, and some seconds."""


HISTORY_EVENTS_MAX = 200_000
"""The most events of alarms to read at once: 100 MB, and some seconds."""


class AlarmEventPosition(NamedTuple):
    """The place of an event in the history of its alarm."""

    revision: int
    amendment: int  #: 0: an event of the stream; those added after it to the past count from 1


class StoredAlarmEvent(NamedTuple):
    """An event of an alarm, and its number among those that were added to the past after its revision."""

    event: AlarmEvent
    amendment: int

    @property
    def position(self) -> AlarmEventPosition:
        """Return its place in the history of its alarm."""
        return AlarmEventPosition(self.event.revision, self.amendment)


async def read_stored_alarm_events(
    connection: Connection, alarm: str, *, before: int | None, limit: int
) -> list[AlarmEvent]:
    """Return events of the stream of an alarm before revision `before`, newest first.

    At most `limit`, and at most `ALARM_ROWS_MAX`.
    """
    position = AlarmEventPosition(before, 0) if before is not None else None
    page = await read_alarm_history_page(connection, alarm, before=position, limit=limit)
    return [stored.event for stored in page if not stored.amendment]


async def read_alarm_history_page(
    connection: Connection, alarm: str, *, before: AlarmEventPosition | None, limit: int
) -> list[StoredAlarmEvent]:
    """Return events of an alarm before a position, newest first, with those added to its past.

    At most `limit`, and at most `ALARM_ROWS_MAX`.
    """
    revision, amendment = before if before is not None else (2**63 - 1, 0)
    parameters = {
        "alarm": alarm,
        "before": revision,
        "amendment": amendment,
        "limit": min(limit, ALARM_ROWS_MAX),
    }
    rows = await (await connection.execute(query("stores/alarms/list_alarm_events"), parameters)).fetchall()
    return [StoredAlarmEvent(alarm_from_row(row[:-1]), row[-1]) for row in rows]


async def read_whole_alarm_history(
    connection: Connection, alarms: Sequence[str]
) -> dict[str, list[StoredAlarmEvent]]:
    """Return all events of some alarms, by alarm, oldest first; at most `HISTORY_EVENTS_MAX`."""
    parameters = {"alarms": list(alarms), "limit": HISTORY_EVENTS_MAX}
    rows = await fetch_rows(connection, "stores/alarms/list_whole_alarm_history", parameters)
    found: dict[str, list[StoredAlarmEvent]] = {alarm: [] for alarm in alarms}
    for row in rows:
        found[row[0]].append(StoredAlarmEvent(alarm_from_row(row[:-1]), row[-1]))
    return found


class PublishedEventPosition(NamedTuple):
    """The place of an event among those of all alarms, in the order in which they were published."""

    told_time: Instant
    alarm: str
    revision: int
    amendment: int


async def read_published_alarm_events(  # noqa: PLR0917 - a request has so many parts
    connection: Connection,
    start: Instant,
    end: Instant,
    known_at: Instant,
    after: PublishedEventPosition,
    limit: int = ALARM_ROWS_MAX,
) -> list[StoredAlarmEvent]:
    """Return events of all alarms with start ≤ log time < end and log time ≤ known at, oldest first.

    At most `limit`, and at most `ALARM_ROWS_MAX`; `after` is the position of the last one before.
    """
    parameters = {
        "start": to_datetime(start),
        "end": to_datetime(end),
        "known_at": to_datetime(known_at),
        "after_time": to_datetime(after.told_time),
        "after_alarm": after.alarm,
        "after_revision": after.revision,
        "after_amendment": after.amendment,
        "limit": min(limit, ALARM_ROWS_MAX),
    }
    rows = await fetch_rows(connection, "stores/alarms/list_alarm_events_between", parameters)
    return [StoredAlarmEvent(alarm_from_row(row[:-1]), row[-1]) for row in rows]


async def read_alarm_episodes(
    connection: Connection, alarms: Sequence[str], start: Instant, end: Instant
) -> list[Firing]:
    """Return the stored occurrences of alarms that overlap start ≤ t < end, as a back-test returns firings.

    The oldest first. They have no peak: stored events do not contain it.
    """
    history = await read_whole_alarm_history(connection, alarms)
    firings = [
        firing
        for events in history.values()
        for firing in firings_of(stored.event for stored in events)
        if firing.raised < end and (firing.returned is None or firing.returned > start)
    ]
    return sorted(firings, key=lambda firing: (firing.raised, firing.alarm))


async def was_command_applied(connection: Connection, alarm: str, command: str) -> bool:
    """Return whether a command changed an alarm, as far as its events are stored."""
    parameters = {"alarm": alarm, "command": command}
    return (
        await (await connection.execute(query("stores/alarms/find_command"), parameters)).fetchone()
        is not None
    )


async def read_alarm_transitions(connection: Connection, start: Instant, end: Instant) -> list[Transition]:
    """Return the transitions of alarms with start ≤ log time < end, in order, at most `TRANSITIONS_MAX`."""
    parameters = {"start": to_datetime(start), "end": to_datetime(end), "limit": TRANSITIONS_MAX}
    rows = await (
        await connection.execute(query("stores/alarms/list_alarm_transitions"), parameters)
    ).fetchall()
    return [
        Transition(
            alarm,
            rule,
            kind,
            from_datetime(time),
            from_datetime(emitted),
            Severity(severity),
            occurrence,
        )
        for alarm, kind, time, emitted, rule, severity, occurrence in rows
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
    """Return incidents after the position `before`, newest first by the time of opening.

    At most `limit`, and at most `ALARM_ROWS_MAX`.
    """
    parameters = {
        "open": open,
        "themes": list(themes) or None,
        "severities": [int(severity) for severity in severities] or None,
        "causes": list(causes) or None,
        "areas": list(areas) or None,
        **position_parameters(before),
        "limit": min(limit, ALARM_ROWS_MAX),
    }
    rows = await (await connection.execute(query("stores/alarms/list_incidents"), parameters)).fetchall()
    return [incident_from_row(row) for row in rows]


async def find_incident(connection: Connection, id: str) -> IncidentEvent | None:
    """Return the newest event of an incident, or None."""
    row = await (await connection.execute(query("stores/alarms/find_incident"), {"incident": id})).fetchone()
    return incident_from_row(row) if row is not None else None


async def read_stored_notifications(
    connection: Connection,
    *,
    before: ListPosition | None,
    limit: int,
    incident: str | None = None,
    digest: str | None = None,
    contact: str | None = None,
    outcomes: Sequence[str] = (),
) -> list[NotificationEvent]:
    """Return notifications after the position `before`, newest first.

    At most `limit`, and at most `ALARM_ROWS_MAX`.
    """
    parameters = {
        "incident": incident,
        "digest": digest,
        "contact": contact,
        "outcomes": list(outcomes) or None,
        **position_parameters(before),
        "limit": min(limit, ALARM_ROWS_MAX),
    }
    rows = await (await connection.execute(query("stores/alarms/list_notifications"), parameters)).fetchall()
    return [notification_from_row(row) for row in rows]


async def read_answerable_notifications(
    connection: Connection, contact: str, channel: str, start: Instant, limit: int
) -> list[NotificationEvent]:
    """Return the messages to a contact that a reply may answer, due since a time; newest first."""
    parameters = {"contact": contact, "channel": channel, "start": to_datetime(start), "limit": limit}
    rows = await (await connection.execute(query("stores/alarms/list_answerable"), parameters)).fetchall()
    return [notification_from_row(row) for row in rows]


async def read_newest_alarms(connection: Connection) -> list[AlarmEvent]:
    """Return the newest event of every alarm, also of normal ones: their revision and occurrence continue."""
    async with connection.transaction():
        rows = await (await connection.execute(query("stores/alarms/list_alarms"))).fetchall()
    return [alarm_from_row(row) for row in rows]


async def read_last_incidents(connection: Connection) -> list[IncidentEvent]:
    """Return the newest event of every open incident, and of the last one of each cause and area.

    The number of the last one continues, and it is reopened when its alarms return soon.
    """
    async with connection.transaction():
        rows = await (await connection.execute(query("stores/alarms/list_last_incidents"))).fetchall()
    return [incident_from_row(row) for row in rows]
