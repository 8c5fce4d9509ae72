"""Which alarms somebody asks for, and may see."""

from __future__ import annotations

from collections.abc import Iterator

from api.alarms.schemas import AlarmParameters, IncidentParameters
from api.alarms.visibility import may_see_alarm
from api.context import ApiContext
from api.entities.selection import resolve_filter
from api.http.access import Role
from api.http.parameters import parse_time
from api.http.problems import not_found
from api.live.alarm_view import AlarmView
from storage.stores.alarms import ListPosition, find_incident, read_stored_incidents
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.alarms.severity import severity_of
from twin.model.city_model import CityModel


def lookup_alarm(context: ApiContext, id: str, role: Role) -> AlarmEvent:
    """Return an alarm as it is now; raise a problem (404) when there is none that the role may know of."""
    event = context.hub.alarms.alarm(id)
    if event is None or not may_see_alarm(role, event, context.model):
        raise not_found(f"There is no alarm {id!r}, or it was never raised; /v1/alarms lists them.")
    return event


def alarm_place(event: AlarmEvent) -> ListPosition:
    """Return where an alarm is in the list of alarms: by when it was raised."""
    return ListPosition(event.raised_time if event.raised_time is not None else event.time, event.alarm)


def select_alarms(
    wanted: AlarmParameters, view: AlarmView, model: CityModel, role: Role
) -> Iterator[AlarmEvent]:
    """Yield the alarms that are asked for and may be seen, in no order."""
    selection = resolve_filter(wanted.filter(), model)
    since = parse_time(wanted.since) if wanted.since else None
    for event in view.alarms():
        if (
            selection.matches_alarm(event)
            and (not wanted.state or event.state in wanted.state)
            and (not wanted.severity or event.severity.word in wanted.severity)
            and (not wanted.rule or event.rule in wanted.rule)
            and (not wanted.cause or event.cause in wanted.cause)
            and wanted.active in (None, event.active)
            and wanted.acknowledged in (None, event.acknowledged_time is not None)
            and (since is None or event.told_time >= since)
            and may_see_alarm(role, event, model)
        ):
            yield event


def visible_members(event: IncidentEvent, context: ApiContext, role: Role) -> list[AlarmEvent]:
    """Return the alarms of an incident that a role may know of, as they are now."""
    found = (context.hub.alarms.alarm(one.alarm) for one in event.members)
    return [one for one in found if one is not None and may_see_alarm(role, one, context.model)]


# Which incidents somebody asks for, and may see: what is stored, and what is newer in memory.


def incident_place(event: IncidentEvent) -> ListPosition:
    """Return where an incident is in the list of incidents: by when it was opened."""
    return ListPosition(event.opened_time, event.incident)


async def lookup_incident(context: ApiContext, id: str, role: Role) -> tuple[IncidentEvent, list[AlarmEvent]]:
    """Return an incident and those of its alarms that a role may know of, as they are now.

    Raises a problem: 404 when there is no such incident for that role, 503 when only the database could know.
    """
    event = context.hub.alarms.incident(id)
    if event is None:
        async with context.database.connection() as connection:
            event = await find_incident(connection, id)
    members = visible_members(event, context, role) if event is not None else []
    if event is None or not members:
        raise not_found(f"There is no incident {id!r}; /v1/incidents lists them.")
    return event, members


async def read_incident_page(
    context: ApiContext, wanted: IncidentParameters, before: ListPosition | None
) -> tuple[list[IncidentEvent], ListPosition | None]:
    """Return a page of incidents, the one that was opened last first, and where the next one begins.

    Those that are open come from memory. Raises a problem (503) when closed ones are asked for and the
    database is away.
    """
    found = {
        one.incident: one
        for one in context.hub.alarms.open_incidents()
        if _is_wanted(one, wanted) and (before is None or incident_place(one) < before)
    }
    stored: list[IncidentEvent] = []
    if wanted.open is not True:
        async with context.database.connection() as connection:
            stored = await read_stored_incidents(
                connection,
                before=before,
                limit=wanted.limit,
                open=wanted.open,
                themes=wanted.theme,
                severities=[severity_of(one) for one in wanted.severity],
                causes=wanted.cause,
                areas=wanted.area,
            )
    for one in stored:
        newer = context.hub.alarms.incident(one.incident)
        event = newer if newer is not None and newer.revision > one.revision else one
        if _is_wanted(event, wanted):
            found[one.incident] = event
    page = sorted(found.values(), key=incident_place, reverse=True)[: wanted.limit]
    if len(found) > len(page):
        return page, incident_place(page[-1])
    # What is newer in memory may be wanted no more; the next page begins behind it all the same.
    return page, incident_place(stored[-1]) if len(stored) == wanted.limit else None


def is_incident_visible(event: IncidentEvent, context: ApiContext, role: Role) -> bool:
    """Whether a role may know of any of the alarms of an incident."""
    alarms = (context.hub.alarms.alarm(one.alarm) for one in event.members)
    return any(one is not None and may_see_alarm(role, one, context.model) for one in alarms)


def _is_wanted(event: IncidentEvent, wanted: IncidentParameters) -> bool:
    return (
        wanted.open in (None, event.open)
        and (not wanted.theme or event.theme in wanted.theme)
        and (not wanted.severity or event.severity.word in wanted.severity)
        and (not wanted.cause or event.cause in wanted.cause)
        and (not wanted.area or event.area in wanted.area)
    )
