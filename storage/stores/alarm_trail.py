"""Reads everything that was told about one occurrence of an alarm, as it was known at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Connection, QueryError, fetch_rows
from storage.stores.alarm_rows import incident_from_row, notification_from_row
from storage.stores.alarms import HISTORY_EVENTS_MAX, StoredAlarmEvent, read_whole_alarm_history
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.instant import Instant, format_instant, to_datetime
from twin.wire.duty_messages import NotificationEvent

TRAIL_EVENTS_MAX = 2_000
"""The most events of an occurrence, states of its incidents, and states of notifications, each."""

INCIDENTS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmTrail:
    """One occurrence of an alarm, and what followed from it."""

    events: Sequence[StoredAlarmEvent]  #: of the occurrence, oldest first; at least one
    earlier: AlarmEvent | None  #: the last event before the occurrence
    incidents: Sequence[IncidentEvent]  #: in order of incident and revision
    notifications: Sequence[NotificationEvent]  #: in order of their decision and revision
    truncated: Sequence[str]  #: the lists that have more than `TRAIL_EVENTS_MAX`


async def read_alarm_trail(
    connection: Connection, alarm: str, occurrence: int | None, at: Instant
) -> AlarmTrail | None:
    """Return an occurrence of an alarm, by default the last one, with what was told up to `at`.

    Return None when nothing was told of it by then. Raises QueryError for an alarm with too many events.
    """
    history = (await read_whole_alarm_history(connection, [alarm]))[alarm]
    if len(history) >= HISTORY_EVENTS_MAX:
        raise QueryError(f"the alarm {alarm} has {len(history):,} events; a dossier cannot be made of it")
    known = [one for one in history if one.event.told_time <= at]
    if occurrence is None:
        occurrence = max((one.event.occurrence for one in known), default=0)
    events = [one for one in known if one.event.occurrence == occurrence]
    if not events or occurrence == 0:
        return None
    first = events[0].event
    before = [one.event for one in known if one.event.revision < first.revision and not one.amendment]
    incidents = await _incidents(connection, [one.event for one in events], at)
    notifications = await _notifications(connection, sorted({one.incident for one in incidents}), at)
    counts = {"events": len(events), "incidents": len(incidents), "notifications": len(notifications)}
    return AlarmTrail(
        events=events[:TRAIL_EVENTS_MAX],
        earlier=before[-1] if before else None,
        incidents=incidents[:TRAIL_EVENTS_MAX],
        notifications=notifications[:TRAIL_EVENTS_MAX],
        truncated=[name for name, count in counts.items() if count > TRAIL_EVENTS_MAX],
    )


async def _incidents(
    connection: Connection, events: Sequence[AlarmEvent], at: Instant
) -> list[IncidentEvent]:
    """Return every state of the incidents that the alarm was in while the occurrence lasted."""
    raised = min(one.raised_time if one.raised_time is not None else one.time for one in events)
    found: dict[str, None] = {}
    for cause, area in sorted({(one.cause, one.area) for one in events}):
        parameters = {
            "cause": cause,
            "area": area,
            "start": to_datetime(raised),
            "end": to_datetime(at),
            "limit": INCIDENTS_MAX,
        }
        rows = await fetch_rows(connection, "stores/alarms/list_incidents_of_alarm", parameters)
        found |= dict.fromkeys(id for (id,) in rows)
    if not found:
        return []
    parameters = {"incidents": list(found), "at": to_datetime(at), "limit": TRAIL_EVENTS_MAX * 10}
    rows = await fetch_rows(connection, "stores/alarms/list_incident_events", parameters)
    states = [incident_from_row(row) for row in rows]
    first = min(one.told_time for one in events)
    alarm = events[0].alarm
    mine = {
        one.incident
        for one in states
        if any(member.alarm == alarm for member in one.members) and one.told_time >= first
    }
    return [one for one in states if one.incident in mine]


async def _notifications(
    connection: Connection, incidents: Sequence[str], at: Instant
) -> list[NotificationEvent]:
    if not incidents:
        return []
    parameters = {"incidents": list(incidents), "at": to_datetime(at), "limit": TRAIL_EVENTS_MAX + 1}
    rows = await fetch_rows(connection, "stores/alarms/list_notification_events", parameters)
    return [notification_from_row(row) for row in rows]


def told_of(incidents: Sequence[IncidentEvent], notification: NotificationEvent) -> IncidentEvent | None:
    """Return the incident as it was known when the duty loop decided to send a message; None if not known."""
    known = [
        one
        for one in incidents
        if one.incident == notification.incident and one.told_time <= notification.due_time
    ]
    return known[-1] if known else None


def unknown_alarm_message(alarm: str, occurrence: int | None, at: Instant) -> str:
    """Return the message that nothing is stored of an occurrence."""
    which = (
        f"occurrence {occurrence} of the alarm" if occurrence is not None else "an occurrence of the alarm"
    )
    place = "/v1/alarms/{id}/events lists what is"
    return f"nothing is stored of {which} {alarm!r} at {format_instant(at)}; {place}"
